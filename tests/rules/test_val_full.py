from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, line_of, scored_with

if TYPE_CHECKING:
    from pathlib import Path

RULE = "val-full"
CASEOPS = 3.15736  # bytes per token


def test_a_known_stream_passes(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, good_log(13)).verdict is RuleVerdict.PASS


def test_ten_thousand_documents_fail_on_two_facts(tmp_path: Path) -> None:
    log = scored_with(CASEOPS, 9_662_464)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.FAIL
    assert finding.message == (
        "seed 13 scored 9,662,464 validation tokens; the CaseOps 8192 stream has 47,853,343, and the implied "
        "30,507,877 bytes are 20.19 % of the text's 151,080,891: score the whole set"
    )
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "val_loader"))


def test_few_tokens_of_an_unknown_tokenizer_only_ask(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, scored_with(5.1, 9_662_464)).verdict is RuleVerdict.NEEDS_HUMAN


def test_a_new_tokenizer_with_the_bytes_of_the_text_passes(tmp_path: Path) -> None:
    log = scored_with(151_080_891 / 38_000_000, 38_000_000)
    assert judge(RULE, tmp_path, log).verdict is RuleVerdict.PASS


def test_the_replaced_launch_export_is_a_warning(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, scored_with(2.4423, 63_779_840))
    assert finding.verdict is RuleVerdict.WARN
    assert "replaced on 2026-03-18" in finding.message


def test_a_log_without_token_count_is_not_checked(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, good_log(13, val_loader="")).verdict is RuleVerdict.NOT_CHECKED


LOADED = "val_tokens: 62021632"


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        ("val_tokens: 62021845", RuleVerdict.PASS),  # loaded and scored tokens of one stream
        ("val_tokens: 12000000", RuleVerdict.NEEDS_HUMAN),
    ],
)
def test_two_token_counts_of_one_run_must_be_one_stream(
    tmp_path: Path, second: str, verdict: RuleVerdict
) -> None:
    log = good_log(13, val_loader=f"{LOADED}\n{second}")
    assert judge(RULE, tmp_path, log).verdict is verdict


def test_the_question_names_both_lines(tmp_path: Path) -> None:
    log = good_log(13, val_loader=f"{LOADED}\nval_tokens: 12000000")
    lines = {place.line for place in judge(RULE, tmp_path, log).places if place.file == LOG}
    assert lines == {line_of(log, LOADED), line_of(log, "val_tokens: 12")}


def test_a_pass_says_that_it_rests_on_the_log_where_the_code_is_unread(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, good_log(13))
    assert finding.verdict is RuleVerdict.PASS
    assert "by the log alone" in finding.message
