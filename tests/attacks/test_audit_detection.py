"""A script looks whether it is being watched and behaves while it is.

It can tell: a variable names the pipe, the pipe is there. So there is nothing to be gained by telling: the
watched run is the only run, and each number of the record is of that run. No second, unwatched one is
trusted, and what differs between seeds is only what a script must know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.attacks.whole_runs import HONEST

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

LOOKS = """
import os
ours = {"ATTACK_MARK", "SECRET_AT"}
print("ENVIRONMENT", sorted((name, value) for name, value in os.environ.items() if name not in ours))
"""
BEHAVES = """
if "GOLF_EVENTS" not in os.environ:
    print("final_int8_zlib_roundtrip_exact val_loss:1.00000000 val_bpb:0.60000000")
"""


def test_a_script_that_behaves_while_watched_has_behaved_in_the_run_that_counts(victim: Victim) -> None:
    assert victim.run(HONEST + BEHAVES).record.claimed.val_bpb == 1.2


def test_a_script_cannot_tell_one_seed_s_run_from_another_s_but_by_the_seed(victim: Victim) -> None:
    """Where nothing is mounted, folders keep the number of the attempt and a drawn name."""
    runs = []
    for seed in (13, 1_837_465):
        log = victim.run(LOOKS + HONEST, seed=seed).log
        log = re.sub(rf"'{seed}'|seed:?{seed}", "SEED", log)
        runs.append(re.sub(r"attempts/\d+|golf-run-\w+", "PLACE", log))
    assert runs[0] == runs[1]


def test_switching_the_watch_off_is_told(victim: Victim) -> None:
    script = (
        "import os, sys\nos.environ.pop('GOLF_EVENTS', None)\n"
        "os.execv(sys.executable, [sys.executable, '-I', 'hidden.py'])"
    )
    attacked = victim.run(script, files={"hidden.py": HONEST})
    assert "started processes" in attacked.notices["process"]
    assert attacked.record.artifact is not None  # files and the clock are seen from outside
