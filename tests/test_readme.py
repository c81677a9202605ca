"""The finding on the README's first screen is one that golf-check makes of the folder as it is now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = "submissions/pr555_sparse_sidecar_adapt_then_score"
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPT = (ROOT / FOLDER / "train_gpt.py").read_text(encoding="utf-8").splitlines()
STEPS = {words: int(line) for line, words in re.findall(r"\d+\. train_gpt\.py:(\d+)  (.+)", README)}


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("validation tokens come in", "open_validation"),
        ("gradient of their loss", ".backward()"),
        ("optimizer.step learns from them", ".optimizer.step()"),
        ("call of the scored pass", ".score("),
        ("the loss that is counted", "logits.gather"),
        ("the claimed number is printed", ".write("),
    ],
)
def test_each_step_of_the_example_names_the_line_that_does_it(step: str, code: str) -> None:
    assert code in SCRIPT[STEPS[step] - 1]


def test_the_command_that_is_shown_judges_the_folder_of_the_example() -> None:
    assert f".venv/bin/golf-check {FOLDER}" in README
