from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_json, good_log
from tests.rules.log_builders import LOG, judge, line_of

if TYPE_CHECKING:
    from pathlib import Path

RULE = "two-pass-rescore"


def test_a_counted_label_that_names_two_passes_asks(tmp_path: Path) -> None:
    log = good_log(13, final="", exact="ngram_two_pass_exact val_loss:2.02 val_bpb:1.20000000")
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "ngram_two_pass"))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("Multi-pass streaming", RuleVerdict.NEEDS_HUMAN),
        ("No second pass, only streaming", RuleVerdict.PASS),
        ("Streaming", RuleVerdict.PASS),
    ],
)
def test_a_name_asks_unless_it_denies(tmp_path: Path, name: str, verdict: RuleVerdict) -> None:
    document = json.dumps(good_json(name=name))
    assert judge(RULE, tmp_path, good_log(13), submission__json=document).verdict is verdict
