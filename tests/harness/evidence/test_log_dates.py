"""Stamps in logs become dates."""

from __future__ import annotations

import datetime

import pytest

from harness.evidence.log_dates import parse_date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Mar 24 07:00:00 2026", datetime.date(2026, 3, 24)),
        ("Tue Mar  4 07:00:00 UTC 2025", datetime.date(2025, 3, 4)),
        ("W0324 07:00:00.123", datetime.date(2026, 3, 24)),
        ("0324 07:00:00", datetime.date(2026, 3, 24)),
        ("2026-04-01T10:00", datetime.date(2026, 4, 1)),
        ("0231 07:00:00", None),
        ("yesterday", None),
    ],
)
def test_a_stamp_is_read_as_its_day(text: str, date: datetime.date | None) -> None:
    assert parse_date(text, 2026) == date
