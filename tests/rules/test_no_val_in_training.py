from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.harness.audit.audit_builder import train
from tests.rules.audited import judged, primary_line
from tests.rules.log_builders import LOG, judge, line_of
from tests.rules.order_events import WHOLE, Trace

if TYPE_CHECKING:
    from pathlib import Path

    from harness.audit.events import Event
    from harness.audit.regions import Region

RULE = "no-val-in-training"
LINK = "ln -s /data/fineweb_{source}_000000.bin /data/fineweb_alias/fineweb_train_000000.bin"
README = "# Example\n\n```bash\n{command}\n```\n"
ALIAS = "train_loader:dataset:fineweb_alias train_shards:1"


def test_a_validation_shard_linked_as_training_shard_fails(tmp_path: Path) -> None:
    log = good_log(13, train_loader=ALIAS)
    readme = README.format(command=LINK.format(source="val"))
    finding = judge(RULE, tmp_path, log, README__md=readme)
    assert finding.verdict is RuleVerdict.FAIL
    assert (finding.places[0].file, finding.places[0].line) == ("README.md", 4)
    assert (finding.places[1].file, finding.places[1].line) == (LOG, line_of(log, "train_loader"))


def test_a_training_shard_linked_as_training_shard_does_not(tmp_path: Path) -> None:
    readme = README.format(command=LINK.format(source="train"))
    finding = judge(RULE, tmp_path, good_log(13, train_loader=ALIAS), README__md=readme)
    assert finding.verdict is RuleVerdict.NOT_CHECKED


def test_the_command_without_a_log_that_uses_it_only_asks(tmp_path: Path) -> None:
    readme = README.format(command=LINK.format(source="val"))
    finding = judge(RULE, tmp_path, good_log(13), README__md=readme)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def patterns(train: str) -> str:
    dump = f"Hyperparameters:\n  train_files: {train}\n  val_files: data/fineweb_val_*.bin\n  world_size: 8"
    return good_log(13, world_size=dump)


def test_equal_file_patterns_fail(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, patterns("data/fineweb_val_*.bin"))
    assert finding.verdict is RuleVerdict.FAIL
    assert "train_files and val_files are both data/fineweb_val_*.bin" in finding.message


def test_different_file_patterns_do_not(tmp_path: Path) -> None:
    finding = judge(RULE, tmp_path, patterns("data/fineweb_train_*.bin"))
    assert finding.verdict is RuleVerdict.NOT_CHECKED


def test_words_alone_ask_a_person(tmp_path: Path) -> None:
    readme = "# Example\n\nThe model is trained entirely on the validation shard.\n"
    finding = judge(RULE, tmp_path, good_log(13), README__md=readme)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN


def test_test_time_training_is_another_matter(tmp_path: Path) -> None:
    readme = "# Example\n\nTTT is trained only on validation tokens already scored.\n"
    finding = judge(RULE, tmp_path, good_log(13), README__md=readme)
    assert finding.verdict is RuleVerdict.NOT_CHECKED


def _trained(region: Region) -> tuple[Event, ...]:
    trace = Trace()
    trace.mark("train-start")
    step = trace.update(region, line=16)
    trace.mark("train-stop")
    trace.export(step)
    trace.reload(step)
    return trace.printed(trace.score(WHOLE, step))


def test_a_training_loop_that_reads_validation_fails(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, _trained(WHOLE))
    assert finding.verdict is RuleVerdict.FAIL
    assert primary_line(finding) == 16
    assert "training itself reads validation tokens" in finding.message


def test_a_training_loop_that_reads_training_tokens_passes(tmp_path: Path) -> None:
    finding = judged(RULE, tmp_path, _trained(train()))
    assert finding.verdict is RuleVerdict.PASS
    assert primary_line(finding) == 16
