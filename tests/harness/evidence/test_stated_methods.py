from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from harness.evidence.stated_methods import commands, readme_says
from tests.builders import make_submission

if TYPE_CHECKING:
    from pathlib import Path

PHRASE = re.compile(r"two-pass", re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("We use two-pass scoring.", True),
        ("We do not use two-pass scoring.", False),
        ("Two-pass scoring is disabled.", False),
        ("Not much changed. We use two-pass scoring.", True),
        ("```\ntwo-pass\n```", False),
    ],
)
def test_a_denied_phrase_and_code_do_not_count(tmp_path: Path, text: str, found: bool) -> None:
    submission = make_submission(tmp_path, README__md=f"# Example\n\n{text}\n")
    assert bool(list(readme_says(submission, PHRASE))) is found


def test_continued_command_lines_are_one_command_at_its_first_line(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, run__sh="#!/bin/sh\npython prepare.py \\\n  --val-docs=10000\n")
    (command,) = commands(submission)
    assert command.value == "python prepare.py --val-docs=10000"
    assert (command.file, command.line) == ("run.sh", 2)
