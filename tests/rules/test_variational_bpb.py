from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import good_json, good_log
from tests.rules.log_builders import judge

if TYPE_CHECKING:
    from pathlib import Path

RULE = "variational-bpb"
ENTRY = "records/track_non_record_16mb/2026-04-01_Example"


def named(name: str) -> str:
    return json.dumps(good_json(name=name, track="non_record_16mb"))


def test_a_diffusion_model_that_calls_its_score_a_bound_passes(tmp_path: Path) -> None:
    readme = "# Example\n\nThe score is an upper bound on the code length.\n"
    document = named("Masked diffusion LM")
    log = good_log(13)
    finding = judge(RULE, tmp_path, log, entry=ENTRY, README__md=readme, submission__json=document)
    assert finding.verdict is RuleVerdict.PASS


def test_one_that_does_not_gets_a_remark(tmp_path: Path) -> None:
    document = named("Masked diffusion LM")
    finding = judge(RULE, tmp_path, good_log(13), entry=ENTRY, submission__json=document)
    assert finding.verdict is RuleVerdict.INFO


def test_other_models_are_not_concerned(tmp_path: Path) -> None:
    document = named("A plain transformer")
    finding = judge(RULE, tmp_path, good_log(13), entry=ENTRY, submission__json=document)
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
