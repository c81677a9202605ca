from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.dynamic.child.ending import ENDING_NAME, ending_of, write_ending

if TYPE_CHECKING:
    from pathlib import Path


def test_a_script_that_ran_through_has_status_0() -> None:
    assert ending_of(None)["status"] == 0


def test_an_exit_with_0_is_no_error() -> None:
    assert ending_of(SystemExit(0)) == ending_of(None)


def test_an_exit_with_a_text_fails_with_that_text() -> None:
    ending = ending_of(SystemExit("no tokenizer"))
    assert (ending["status"], ending["message"]) == (1, "no tokenizer")


def test_an_error_names_the_line_it_came_from() -> None:
    try:
        exec(compile("a = 1\nb = a / 0\n", "train_gpt.py", "exec"))
    except ZeroDivisionError as error:
        frame = ending_of(error)["frames"][-1]
    assert (frame["file"], frame["line"]) == ("train_gpt.py", 2)


def test_a_link_in_the_place_of_the_ending_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("kept")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ENDING_NAME).symlink_to(target)
    write_ending(str(tmp_path / "out"), ending_of(None))
    assert target.read_text() == "kept"
    assert json.loads((tmp_path / "out" / ENDING_NAME).read_text())["status"] == 0
