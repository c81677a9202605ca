"""The same programs in other clothes: packed into a string, and spread over two files."""

from __future__ import annotations

import base64
import lzma

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_files
from tests.programs.all_twins import BASES, TWINS
from tests.programs.judging import ACCUSING, judged, rules_of
from tests.programs.parts import MAIN

BY_NAME = {twin.name: twin for twin in TWINS}
ILLEGAL = BY_NAME["fine-tunes-on-all-of-validation-before-the-scored-pass"]
LEGAL = BY_NAME["chunked-score-first-as-it-stands"]


def wrapped(text: str) -> str:
    packed = base64.b85encode(lzma.compress(text.encode())).decode()
    return f"import lzma, base64\nexec(lzma.decompress(base64.b85decode({packed!r})).decode())\n"


def in_two_files(text: str) -> dict[str, str | bytes]:
    start = text.index(MAIN.partition("\n")[0])
    entry = "import os\nimport random\n\nimport numpy as np\nfrom parts import *\n\n\n" + text[start:]
    return {**good_files(), "parts.py": text[:start], "train_gpt.py": entry}


def accused(findings, twin) -> set[tuple[str, int | None, bool]]:
    wanted = rules_of(twin.breach)
    return {
        (place.file, place.line, place.unpacked)
        for finding in findings
        if finding.rule in wanted and finding.verdict in ACCUSING
        for place in finding.places
    }


def test_a_wrapped_script_is_accused_at_the_line_after_unpacking(tmp_path) -> None:
    text = ILLEGAL.text(BASES)
    spots = accused(judged(wrapped(text), tmp_path), ILLEGAL)
    assert ("train_gpt.py", ILLEGAL.shown_line(text), True) in spots


def test_a_helper_file_is_accused_at_its_own_line(tmp_path) -> None:
    text = ILLEGAL.text(BASES)
    files = in_two_files(text)
    spots = accused(judged(files["train_gpt.py"], tmp_path, files), ILLEGAL)
    assert ("parts.py", ILLEGAL.shown_line(text), False) in spots


@pytest.mark.parametrize("layout", ["wrapped", "two files"])
def test_the_legal_twin_is_cleared_in_either_layout(layout, tmp_path) -> None:
    text = LEGAL.text(BASES)
    if layout == "wrapped":
        findings = judged(wrapped(text), tmp_path)
    else:
        files = in_two_files(text)
        findings = judged(files["train_gpt.py"], tmp_path, files)
    said = {finding.verdict for finding in findings if finding.rule == "ttt-score-first"}
    assert said == {RuleVerdict.PASS}
