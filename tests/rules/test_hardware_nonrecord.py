from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_log
from tests.rules.log_builders import judge

if TYPE_CHECKING:
    from pathlib import Path

RULE = "hardware-nonrecord"
ENTRY = "records/track_non_record_16mb/2026-04-01_Example"
BARE = {f"train_seed{seed}__log": good_log(seed, gpus="") for seed in (1337, 1111)}


def test_a_machine_named_in_the_readme_passes(tmp_path: Path) -> None:
    readme = "# Example\n\nTrained on one RTX 4090.\n"
    log = good_log(13, gpus="")
    document = '{"val_bpb": 1.2, "track": "non_record_16mb"}'
    finding = judge(RULE, tmp_path, log, entry=ENTRY, README__md=readme, submission__json=document, **BARE)
    assert finding.verdict is RuleVerdict.PASS
    assert (finding.places[0].file, finding.places[0].line) == ("README.md", 3)


def test_no_machine_named_anywhere_is_a_remark(tmp_path: Path) -> None:
    readme = "# Example\n\nTrained on a card.\n"
    log = good_log(13, gpus="")
    document = '{"val_bpb": 1.2, "track": "non_record_16mb"}'
    finding = judge(RULE, tmp_path, log, entry=ENTRY, README__md=readme, submission__json=document, **BARE)
    assert finding.verdict is RuleVerdict.INFO
