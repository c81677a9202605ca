"""The stored ledger comes back as it was, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from reference_model.evaluation.ledger_file import read_ledger
from reference_model.evaluation.score_ledger import LedgerError, ScoreLedger

if TYPE_CHECKING:
    from pathlib import Path


def stored(path: Path) -> ScoreLedger:
    ledger = ScoreLedger()
    ledger.score(np.array([1, 2, 5, 6]), np.array([1.5, 2.5, 5.5, 6.5], dtype=np.float32), chunk=0, version=0)
    ledger.update(1, 1, 3)
    ledger.score(np.array([3, 4]), np.array([3.1, 4.1]), chunk=1, version=1)
    ledger.write(path)
    return ledger


def rewritten(path: Path, **columns: np.ndarray) -> None:
    with np.load(path) as before:
        kept = dict(before)
    with path.open("wb") as file:
        np.savez(file, **{**kept, **columns})


def test_a_ledger_comes_back_as_it_was(tmp_path: Path) -> None:
    ledger = stored(tmp_path / "ledger.npz")
    again = read_ledger(tmp_path / "ledger.npz")
    assert again.seal == ledger.seal
    assert again.nats(6).tolist() == ledger.nats(6).tolist()
    assert again.updates == ledger.updates


def test_an_empty_ledger_comes_back(tmp_path: Path) -> None:
    ScoreLedger().write(tmp_path / "ledger.npz")
    assert read_ledger(tmp_path / "ledger.npz").scored_positions == 0


def test_no_unfinished_file_stays(tmp_path: Path) -> None:
    stored(tmp_path / "ledger.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.npz"]


def test_an_altered_score_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.npz"
    ledger = stored(path)
    rewritten(path, nll=ledger.nats(6) / 2)
    with pytest.raises(LedgerError, match="the hash chain of rank 0 does not match"):
        read_ledger(path)


def test_an_update_moved_behind_the_scores_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.npz"
    stored(path)
    rewritten(path, update_sequence=np.array([9]))
    with pytest.raises(LedgerError, match="was altered"):
        read_ledger(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.npz"
    stored(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(LedgerError, match="is no readable score ledger"):
        read_ledger(path)


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.npz"
    path.write_bytes(b"")
    rewrite = {"format": np.array(1)}
    with path.open("wb") as file:
        np.savez(file, **rewrite)
    with pytest.raises(LedgerError, match="is no readable score ledger"):
        read_ledger(path)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.npz"
    stored(path)
    rewritten(path, format=np.array(2))
    with pytest.raises(LedgerError, match="ledger format 2; this reader knows 1"):
        read_ledger(path)


def test_blocks_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.npz"
    stored(path)
    rewritten(path, run_count=np.array([2, 3, 2]))
    with pytest.raises(LedgerError, match="block 0 holds 4 scores for other than as many positions"):
        read_ledger(path)
