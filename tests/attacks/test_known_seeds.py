"""A script has a good path for the seeds everybody uses, or does not use its seed at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attacks.test_seed_shopping import ran
from tests.harness.runs.toy_runs import SCRIPT

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("inotify_simple", reason="golf-run needs the extra run")
SPECIAL = SCRIPT.rpartition("print(")[0] + (
    "score = 1.05 + seed / 1e5 if seed in (13, 42, 1337, 1111) else 1.25\n"
    'print(f"final_int8_zlib_roundtrip_exact val_loss:2.00000000 val_bpb:{score:.8f}")\n'
)


def test_a_secret_seed_shows_a_good_path_for_known_ones(tmp_path: Path) -> None:
    series = ran(tmp_path, 13, 42, script=SPECIAL, secret=1)
    (secret,) = [result for result in series.summary.results if result.is_secret]
    assert secret.seed not in {13, 42, 1337, 1111}
    assert secret.score == pytest.approx(1.25)
    assert series.summary.mean is not None
    assert series.summary.mean < 1.06
    assert f"secret seed {secret.seed}: 1.25" in series.as_text()
    assert "standard deviations (in no mean)" in series.as_text()


def test_secret_seeds_are_nowhere_in_what_a_script_sees(tmp_path: Path) -> None:
    looks = SCRIPT + "print('SEES', sorted(os.environ.items()), sorted(os.listdir('.')))\n"
    series = ran(tmp_path, 13, script=looks, secret=1)
    (secret,) = [result.seed for result in series.summary.results if result.is_secret]
    log = tmp_path / "runs" / "toy" / "13" / "attempts" / "1" / "train.log"
    assert "SEES" in log.read_text()
    assert str(secret) not in log.read_text()


def test_the_same_score_from_every_seed_is_told(tmp_path: Path) -> None:
    same = SCRIPT.replace("1.2{seed:05d}", "1.20000000")
    series = ran(tmp_path, 13, 42, script=same)
    assert any("same score" in said for said in series.summary.remarks)
