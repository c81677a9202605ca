"""One test for each twin: how they are named and run, and those that are known to be missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs.all_twins import BASES
from tests.programs.judging import answer, judged, twin_files

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
                marks=[pytest.mark.xfail(strict=True, reason=twin.missed)] if twin.missed else [],
            )
            for twin in twins
        ],
    )


def assert_told(twin: Twin, root: Path) -> None:
    """The audit says of the twin what is expected, at the expected line."""
    text = twin.text(BASES)
    said = answer(twin, text, judged(text, root, twin_files(twin)))
    assert said.is_right, said.wrong
