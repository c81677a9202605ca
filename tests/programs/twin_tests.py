"""One test for each twin: how they are named and run, and those that are known to be missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs.all_twins import BASES
from tests.programs.judging import answer, judged, rules_of, twin_files
from tests.programs.known_misses import KNOWN_MISSES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.programs.edits import Twin


def each(twins: Iterable[Twin]) -> pytest.MarkDecorator:
    """Parametrises a test with the twins; a known miss must still be missed, or its reason is out of date."""
    return pytest.mark.parametrize(
        "twin",
        [
            pytest.param(
                twin,
                id=f"{twin.name}-is-{twin.expected}",
                marks=[pytest.mark.xfail(strict=True, reason=KNOWN_MISSES[twin.name])]
                if twin.name in KNOWN_MISSES
                else [],
            )
            for twin in twins
        ],
    )


def assert_told(twin: Twin, root: Path) -> None:
    """The audit says of the twin what is expected, at the expected line."""
    text = twin.text(BASES)
    said = answer(twin, text, judged(text, root, twin_files(twin), rules_of(twin.breach)))
    assert said.is_right, said.wrong
