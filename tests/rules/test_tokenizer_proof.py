from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import judge, scored_with

if TYPE_CHECKING:
    from pathlib import Path

RULE = "tokenizer-proof"
TOKENS = 38_000_000


def test_a_known_stream_passes(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, good_log(13))
    assert finding.verdict is RuleVerdict.PASS
    assert "the sp1024 stream" in finding.message


def test_a_new_tokenizer_with_the_bytes_of_the_text_passes(tmp_path: Path) -> None:
    log = scored_with(151_080_891 / TOKENS, TOKENS)
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS


def test_a_new_tokenizer_with_other_bytes_needs_its_proof(tmp_path: Path) -> None:
    log = scored_with(151_080_891 * 1.002 / TOKENS, TOKENS)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "38,000,000 validation tokens belong to no known stream" in finding.message
