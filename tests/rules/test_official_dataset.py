from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, line_of

if TYPE_CHECKING:
    from pathlib import Path

RULE = "official-dataset"


def with_shards(count: int) -> str:
    return good_log(13, train_loader=f"train_loader:dataset:fineweb10B_sp1024 train_shards:{count}")


def test_a_whole_export_passes(tmp_path: Path) -> None:
    assert judge(RULE, tmp_path, with_shards(195)).verdict is RuleVerdict.PASS


def test_more_shards_than_the_documents_fill_are_a_warning(tmp_path: Path) -> None:
    log = with_shards(197)
    finding = judge(RULE, tmp_path, log)
    assert finding.verdict is RuleVerdict.WARN
    assert "197 train shards: an export of this stream fills at most 196" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "train_loader"))


def test_stated_other_training_text_asks_a_person(tmp_path: Path) -> None:
    readme = "# Example\n\nA small corpus is injected into the first train shard.\n"
    finding = judge(RULE, tmp_path, with_shards(80), README__md=readme)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert (finding.places[0].file, finding.places[0].line) == ("README.md", 3)


def test_a_denial_of_other_text_does_not(tmp_path: Path) -> None:
    readme = "# Example\n\nNo corpus is injected into the train shards.\n"
    finding = judge(RULE, tmp_path, with_shards(80), README__md=readme)
    assert finding.verdict is RuleVerdict.PASS
