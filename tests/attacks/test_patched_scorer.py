"""A script patches what scores are made with: logarithms, losses, comparisons, sums."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.scoring.evaluator import ScoringSocket
from tests.attacks.whole_runs import HONEST_END, HONEST_START
from tests.harness.scoring.scored_runs import LOG_P, TOKENS, sealed

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

HALVES = """
import math
true_log = math.log
math.log = lambda *given: true_log(*given) / 2
print(f"final_int8_zlib_roundtrip_exact val_loss:{math.log(7.4):.8f} val_bpb:{math.log(2.3):.8f}")
"""
PATCHED_SUBMISSION = """
import math, sys
import numpy as np
sys.path.insert(0, ROOT)
from harness.scoring import client, wire
math.log = math.fsum = lambda *given: 0.0
np.exp = np.isfinite = lambda given, **more: given * 0 + 1
client.Scoring.__eq__ = lambda *given: True
log_p = np.log(np.arange(1, 6) / 15.0)
with client.open_scoring() as scoring:
    while scoring.released < scoring.total:
        first = max(scoring.released, 1)
        tokens = scoring.tokens_until(min(scoring.released + 4, scoring.total), lambda _: log_p)
        scoring.seal(first, log_p[tokens[first:]])
"""


def test_what_a_patched_script_prints_is_no_score(victim: Victim) -> None:
    record = victim.run(HONEST_START + HONEST_END.rpartition("print(")[0] + HALVES).record
    assert record.measured is None
    assert record.claimed.val_bpb is not None
    assert any("what the script printed" in why for why in record.not_eligible)


def test_the_evaluator_s_score_is_computed_where_no_patch_reaches(tmp_path: Path) -> None:
    listening = ScoringSocket(tmp_path / "s")
    program = f"ROOT = {str(Path(__file__).parents[2])!r}\n" + PATCHED_SUBMISSION
    environment = {**os.environ, "GOLF_SCORING_SOCKET": str(tmp_path / "s")}
    submission = subprocess.Popen([sys.executable, "-c", program], env=environment)
    try:
        evaluation = listening.evaluate(
            sealed(), deadline=time.monotonic() + 60, gone=lambda: submission.poll() is not None
        )
    finally:
        submission.wait(60)
    assert evaluation.score is not None, evaluation.message
    nats = -math.fsum(LOG_P[TOKENS[1:]].tolist())
    assert abs(evaluation.score.val_loss_nats - nats / 11) < 1e-12
