"""seed-identity: different seeds, different runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_log
from tests.rules.scored_submission import SCORES, case_of, with_scores

if TYPE_CHECKING:
    from pathlib import Path

RULE = "seed-identity"
UUID = "dddba9f1-b256-4bf9-bb98-c894e08aa7e0"
STEPS = [
    f"step:{n}/20000 train_loss:{7 - n / 5:.4f} train_time:{43 * n}ms step_avg:43.00ms" for n in range(1, 5)
]


def log_starting(seed: int, shift: float) -> str:
    """A log whose first four losses are those of `STEPS`, the fourth moved by `shift`."""
    fourth = f"step:4/20000 train_loss:{6.2 + shift:.4f} train_time:172ms step_avg:43.00ms"
    steps = "\n".join([*STEPS[:3], fourth])
    return good_log(seed, val_bpb=SCORES[seed], step1=steps, step2="")


def test_three_runs_of_their_own_pass(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path)))
    assert finding.verdict is RuleVerdict.PASS


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, RuleVerdict.NEEDS_HUMAN), (0.002, RuleVerdict.PASS)])
def test_equal_first_losses_are_one_run_under_two_names(
    tmp_path: Path, shift: float, verdict: RuleVerdict
) -> None:
    logs = {"train_seed13__log": log_starting(13, 0.0), "train_seed1337__log": log_starting(1337, shift)}
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, **logs)))
    assert finding.verdict is verdict


def test_equal_starts_name_both_logs(tmp_path: Path) -> None:
    logs = {"train_seed13__log": log_starting(13, 0.0), "train_seed1337__log": log_starting(1337, 0.0)}
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, **logs)))
    assert [place.file for place in finding.places] == ["train_seed13.log", "train_seed1337.log"]
    assert "6.8000, 6.6000, 6.4000, 6.2000" in finding.message


def test_a_printed_seed_that_is_not_the_files_asks(tmp_path: Path) -> None:
    log = good_log(1338, val_bpb=SCORES[13])
    findings = findings_of(RULE, case_of(with_scores(tmp_path, train_seed13__log=log)))
    asked = [finding for finding in findings if "prints seed 1338" in finding.message]
    assert asked[0].verdict is RuleVerdict.NEEDS_HUMAN
    assert (asked[0].places[0].file, asked[0].places[0].line) == ("train_seed13.log", 1)


@pytest.mark.parametrize(
    ("name", "verdict"), [(UUID, RuleVerdict.NEEDS_HUMAN), ("my_best_run", RuleVerdict.PASS)]
)
def test_a_generated_run_id_belongs_to_one_seed(tmp_path: Path, name: str, verdict: RuleVerdict) -> None:
    logs = {
        f"train_seed{seed}__log": f"run_id:{name}\n" + good_log(seed, val_bpb=SCORES[seed])
        for seed in (13, 1337)
    }
    (finding,) = findings_of(RULE, case_of(with_scores(tmp_path, **logs)))
    assert finding.verdict is verdict
