"""log-plausible: the numbers of a log fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_log
from tests.rules.scored_submission import SCORES, case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "log-plausible"


def with_log(tmp_path: Path, text: str) -> list[RuleVerdict]:
    findings = findings_of(RULE, case_of(with_scores(tmp_path, train_seed13__log=text)))
    return [finding.verdict for finding in findings]


def stamped(minutes: list[int]) -> str:
    """A good log whose lines carry an ISO stamp each."""
    lines = good_log(13, val_bpb=SCORES[13]).splitlines()
    step = max(1, len(lines) // len(minutes))
    stamps = [f"2026-04-01 10:{minutes[min(n // step, len(minutes) - 1)]:02d}:00" for n in range(len(lines))]
    return "\n".join(f"{stamp} {line}" for stamp, line in zip(stamps, lines, strict=True)) + "\n"


def test_a_good_log_passes(tmp_path: Path) -> None:
    assert with_log(tmp_path, good_log(13, val_bpb=SCORES[13])) == [RuleVerdict.PASS]


@pytest.mark.parametrize(
    ("minutes", "verdict"),
    [
        ([0, 5, 12], RuleVerdict.PASS),
        ([0, 0, 0], RuleVerdict.NEEDS_HUMAN),
        ([12, 5, 0], RuleVerdict.NEEDS_HUMAN),
    ],
)
def test_time_stamps_move_on(tmp_path: Path, minutes: list[int], verdict: RuleVerdict) -> None:
    assert with_log(tmp_path, stamped(minutes)) == [verdict]


def test_warnings_of_a_library_may_share_a_second(tmp_path: Path) -> None:
    warnings = "[2026-03-18 14:38:12] a library warns\n" * 3
    assert with_log(tmp_path, warnings + good_log(13, val_bpb=SCORES[13])) == [RuleVerdict.PASS]


@pytest.mark.parametrize(("average", "verdict"), [(43.09, RuleVerdict.PASS), (50.0, RuleVerdict.NEEDS_HUMAN)])
def test_steps_times_their_average_is_the_training_time(
    tmp_path: Path, average: float, verdict: RuleVerdict
) -> None:
    last = f"step:13900/20000 train_loss:2.0000 train_time:599000ms step_avg:{average}ms"
    text = good_log(13, val_bpb=SCORES[13], step_last=last, step_val="")
    assert with_log(tmp_path, text) == [verdict]


@pytest.mark.parametrize(
    ("loss", "verdict"), [(2.06000000, RuleVerdict.NEEDS_HUMAN), (2.02817576, RuleVerdict.PASS)]
)
def test_loss_and_score_keep_their_ratio(tmp_path: Path, loss: float, verdict: RuleVerdict) -> None:
    line = f"final_int6_sliding_window_exact val_loss:{loss:.8f} val_bpb:1.20120000"
    text = good_log(13, val_bpb=SCORES[13], final=line)
    assert with_log(tmp_path, text) == [verdict]


def test_more_decimals_than_the_other_seeds_print_asks(tmp_path: Path) -> None:
    exact = "final_int8_zlib_roundtrip_exact val_loss:2.02614961 val_bpb:1.200000001"
    findings = findings_of(
        RULE, case_of(with_scores(tmp_path, train_seed13__log=good_log(13, val_bpb=1.2, exact=exact)))
    )
    assert findings[0].verdict is RuleVerdict.NEEDS_HUMAN
    assert (findings[0].places[0].file, findings[0].places[0].line) == ("train_seed13.log", 25)


@pytest.mark.parametrize(("seconds", "verdict"), [(300, RuleVerdict.PASS), (200, RuleVerdict.NEEDS_HUMAN)])
def test_the_training_clock_does_not_go_back(tmp_path: Path, seconds: int, verdict: RuleVerdict) -> None:
    early = "step:5000/20000 train_loss:2.1 train_time:250000ms"
    later = f"step:7000/20000 train_loss:2.1 train_time:{seconds}000ms"
    last = "step:13900/20000 train_loss:2.0000 train_time:599000ms step_avg:43.09ms"
    log = good_log(13, val_bpb=SCORES[13], step_last=f"{early}\n{later}\n{last}")
    assert with_log(tmp_path, log) == [verdict]


def test_a_clock_that_went_back_is_quoted_with_both_lines(tmp_path: Path) -> None:
    lines = "step:5000/20000 train_time:250000ms\nstep:7000/20000 train_time:200000ms"
    log = good_log(13, val_bpb=SCORES[13], step2=lines)
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, train_seed13__log=log)))
    first = 1 + log.splitlines().index("step:5000/20000 train_time:250000ms")
    assert [place.line for place in finding.places] == [first, first + 1]
    assert '"step:7000/20000 train_time:200000ms"' in finding.message
