"""Learning whose time or place no plain call shows is refused or left open, and its legal twin is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.harness.audit.hidden_time_scripts import (
    FORWARD_STATE,
    GENERATORS,
    LEARNS,
    REPLAYS,
    UNSEEN_CALLS,
    WEIGHTS_AT_PLACES,
)
from tests.programs.judging import judged

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding
    from tests.harness.audit.hidden_time_scripts import HiddenTime

CASES = {**GENERATORS, **FORWARD_STATE, **UNSEEN_CALLS, **WEIGHTS_AT_PLACES, **REPLAYS}


def of_rule(script: str, root: Path, rule: str) -> Finding:
    """What the rule says of the script."""
    return next(finding for finding in judged(script, root) if finding.rule == rule)


@pytest.mark.parametrize("name", CASES)
def test_hidden_learning_is_refused_at_its_line_or_left_open_with_it(tmp_path: Path, name: str) -> None:
    case: HiddenTime = CASES[name]
    said = of_rule(case.illegal, tmp_path, case.rule)
    assert said.verdict is case.verdict, said.message
    named = re.search(rf"train_gpt\.py:{case.line}\b", f"{said.message} {said.ask}")
    assert named or case.line in [place.line for place in said.places], (case.line, said)


@pytest.mark.parametrize("name", CASES)
def test_the_legal_twin_passes(tmp_path: Path, name: str) -> None:
    case: HiddenTime = CASES[name]
    said = of_rule(case.legal, tmp_path, LEARNS)
    assert said.verdict is RuleVerdict.PASS, said.message
