from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.audit.score_order.family import order_of
from harness.audit.token_leaks.leak_family import why_not_clean
from harness.finding import RuleVerdict
from rules import c1_causal
from tests.harness.audit.scans.scan_builder import scanned_case

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "reason", "places"),
    [
        ('ctypes.CDLL("x.so")', "ctypes.CDLL at train_gpt.py:2 runs code that cannot be read", [2]),
        ('print("x.so")', "only a run", []),
    ],
)
def test_it_never_passes_and_names_code_it_cannot_read(
    tmp_path: Path, line: str, reason: str, places: list[int]
) -> None:
    (found,) = c1_causal.check(scanned_case(tmp_path, f"import ctypes\n{line}\n"))
    assert found.verdict is RuleVerdict.NOT_CHECKED
    assert reason in found.message
    assert [place.line for place in found.places] == places


@pytest.mark.parametrize(
    ("setting", "is_open"),
    [("", True), ("if os.environ.get('FAST', '0') == '1':\n    ", False), ("if x:\n    ", True)],
)
def test_native_code_that_may_run_keeps_order_and_tokens_open(
    tmp_path: Path, setting: str, is_open: bool
) -> None:
    case = scanned_case(tmp_path, f"import ctypes, os\n{setting}ctypes.CDLL('x.so')\n")
    reading = order_of(case)
    assert reading is not None
    assert ("native code" in (reading.open_reason or "")) is is_open
    assert ("native code" in (why_not_clean(case) or "")) is is_open
