from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import SEEDS, findings_of, good_log, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "nr-eval-time"
NON_RECORD = "records/track_non_record_16mb/2026-04-01_Example"


def _logs(milliseconds: int) -> dict[str, str | bytes | None]:
    final = (
        f"final_int8_zlib_roundtrip_exact val_loss:2.02617600 val_bpb:1.20000000 eval_time:{milliseconds}ms"
    )
    return {f"train_seed{seed}__log": good_log(seed, final="", exact=final) for seed in SEEDS}


def test_an_evaluation_longer_than_the_record_cap_is_a_remark(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, NON_RECORD, **_logs(1_204_000))
    finding = findings_of(RULE, make_case(submission))[0]
    assert finding.verdict is RuleVerdict.INFO
    assert "seed 13: 1,204 s of evaluation, 604 s over" in finding.message


def test_a_short_evaluation_passes(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, NON_RECORD, **_logs(599_000))
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.PASS
