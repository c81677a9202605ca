from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "tokenizer-bytes"


def test_a_tokenizer_of_a_million_bytes_passes(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, tokenizers___small__model=b"m" * 1_000_000)
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.PASS
    assert "tokenizers/small.model 1,000,000" in finding.message


def test_one_byte_more_goes_to_a_person(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, tokenizers___big__model=b"m" * 1_000_001)
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "1,000,001 bytes, 1 more than any tokenizer needs (limit 1,000,000)" in finding.message
    assert finding.places[0].file == "tokenizers/big.model"


def test_a_folder_without_tokenizer_files_is_not_concerned(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path)))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
