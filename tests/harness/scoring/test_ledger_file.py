from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.scoring import sealed_scores
from harness.scoring.client_package import write_client_package
from harness.scoring.ledger_file import (
    LEDGER_NAME,
    SCORES_NAME,
    AlteredLedgerError,
    verified_ledger,
    write_ledger,
)
from tests.harness.scoring.scored_runs import LOG_P, TOKENS, honest, run, sealed, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, str]:
    """The ledger of an honest evaluation with blind questions, and the digest of its record."""
    scores = sealed(blind=(1, 6))
    evaluation, told = run(honest, scores)
    assert told == []
    assert evaluation.score is not None
    write_ledger(tmp_path, scores, evaluation.score)
    return tmp_path, evaluation.score.digest


def test_a_ledger_proves_its_score_to_whoever_has_the_tokens(written: tuple[Path, str]) -> None:
    folder, digest = written
    score = verified_ledger(folder, TOKENS, table(), digest)
    closing = json.loads((folder / LEDGER_NAME).read_text().splitlines()[-1])
    assert score.val_bpb == closing["val_bpb"]
    assert [answer["position"] for answer in closing["blind"]] == [1, 6]


def better_score(folder: Path) -> None:
    values = np.load(folder / SCORES_NAME)
    values[5] = -0.01
    np.save(folder / SCORES_NAME, values)


def edited(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        lines = (folder / LEDGER_NAME).read_text().splitlines()
        (folder / LEDGER_NAME).write_text("\n".join(change(lines)) + "\n")

    return edit


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (better_score, "is not what was sealed from"),
        (edited(lambda lines: [*lines[:-2], lines[-1]]), "its chain ends with"),
        (
            edited(lambda lines: [lines[0], lines[2], lines[1], *lines[3:]]),
            "released|handed out|not what was",
        ),
        (edited(lambda lines: [*lines[:3], lines[2], *lines[3:]]), "was scored before|not what was"),
        (edited(lambda lines: [lines[0], "no json", *lines[2:]]), "jsonl:2: is no entry"),
        (
            edited(lambda lines: [*lines[:2], lines[2].replace("blind", "given"), *lines[3:]]),
            "nothing that crosses",
        ),
    ],
    ids=["better-score", "entry-left-out", "order", "entry-twice", "no-json", "unknown-entry"],
)
def test_an_altered_ledger_is_told(
    written: tuple[Path, str], alter: Callable[[Path], None], said: str
) -> None:
    folder, digest = written
    alter(folder)
    with pytest.raises(AlteredLedgerError, match=said):
        verified_ledger(folder, TOKENS, table(), digest)


def test_a_ledger_of_other_tokens_proves_nothing(written: tuple[Path, str]) -> None:
    folder, digest = written
    other = TOKENS.copy()
    other[3] = 1
    with pytest.raises(AlteredLedgerError):
        verified_ledger(folder, other, table(), digest)


def test_a_submission_that_sends_endless_messages_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_scores, "MOST_ENTRIES", 3)

    def one_by_one(scoring):
        tokens = scoring.tokens_until(4, lambda _: LOG_P)
        for at in (1, 2, 3):
            scoring.seal(at, LOG_P[tokens[at : at + 1]])

    evaluation, _ = run(one_by_one, sealed())
    assert evaluation.reason == "too-many-steps"


def test_the_client_package_needs_nothing_of_the_repository(tmp_path: Path) -> None:
    write_client_package(tmp_path / "client")
    text = "import sys, golf_scoring; print([n for n in sys.modules if n.split('.')[0] == 'harness'])"
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "client")},
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
