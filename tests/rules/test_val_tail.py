from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import judge

if TYPE_CHECKING:
    from pathlib import Path

RULE = "val-tail"
FULL = 62_021_845


@pytest.mark.parametrize(
    ("left_out", "verdict"),
    [
        (0, RuleVerdict.PASS),
        (213, RuleVerdict.INFO),
        (4_096, RuleVerdict.INFO),
        (4_097, RuleVerdict.WARN),
        (24_789, RuleVerdict.WARN),
    ],
)
def test_the_bands_of_an_unscored_tail(tmp_path: Path, left_out: int, verdict: RuleVerdict) -> None:
    loader = f"val_loader:shards pattern=./data/fineweb_val_*.bin tokens:{FULL - left_out}"
    assert judge(RULE, tmp_path, good_log(13, val_loader=loader)).verdict is verdict


def test_the_message_counts_the_tokens(tmp_path: Path) -> None:
    loader = f"val_loader:shards pattern=./data/fineweb_val_*.bin tokens:{FULL - 24_789}"
    finding = judge(RULE, tmp_path, good_log(13, val_loader=loader))
    assert finding.message == (
        "seed 13 leaves 24,789 of 62,021,845 validation tokens unscored (0.040 %); score the last window too"
    )


def test_an_unknown_stream_is_not_checked(tmp_path: Path) -> None:
    loaders = {
        f"train_seed{seed}__log": good_log(seed, val_loader="val_loader:shards tokens:38000000")
        for seed in (1337, 1111)
    }
    log = good_log(13, val_loader="val_loader:shards tokens:38000000")
    assert judge(RULE, tmp_path, log, **loaders).verdict is RuleVerdict.NOT_CHECKED
