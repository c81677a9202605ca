from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import LOG, judge, line_of

if TYPE_CHECKING:
    from pathlib import Path

RULE = "train-val-disjoint"
README = "# Example\n\n```bash\npython prepare.py --out data \\\n  --val-docs={count}\n```\n"
TRAP = 'import argparse\nargparse.ArgumentParser().add_argument("--val-docs", type=int, default=10_000)\n'


def with_shards(count: int) -> str:
    return good_log(13, train_loader=f"train_loader:dataset:fineweb10B_sp1024 train_shards:{count}")


def test_a_shown_command_that_holds_out_too_few_documents_fails(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, good_log(13), README__md=README.format(count="10000"))
    assert finding.verdict is RuleVerdict.FAIL
    assert "documents 10,000 to 49,999 are in both sets" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == ("README.md", 4)


def test_the_same_command_with_fifty_thousand_passes(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, good_log(13), README__md=README.format(count="50000"))
    assert finding.verdict is RuleVerdict.PASS


def test_a_local_build_asks_a_person_and_never_fails(tmp_path: Path) -> None:
    log = with_shards(1_499)
    finding = judge(RULE, tmp_path, log, prepare__py=TRAP)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert (
        "1,499 train shards were built locally (an export of this stream fills at most 196)"
        in finding.message
    )
    assert "prepare.py:2 holds out 10,000 documents by default" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == (LOG, line_of(log, "train_loader"))


def test_eighty_shards_prove_nothing_and_are_no_pass(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, with_shards(80), prepare__py=TRAP)
    assert finding.verdict is RuleVerdict.NOT_CHECKED
