"""The date on which a run was made, as far as its log prints one."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.finding import Sourced
    from harness.logs.training_log import Run

_ISO = re.compile(r"\b(20\d\d)-(\d\d)-(\d\d)(?!\d)")
_LAUNCHER = re.compile(r"(?:^|\b[WIE])(\d\d)(\d\d)\s+\d\d:\d\d:\d\d")  # torch's launcher prints no year
_SMI = re.compile(r"\b([A-Z][a-z]{2})\s+(\d{1,2}) \d\d:\d\d:\d\d (?:[A-Z]{2,5} )?(20\d\d)\b")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_date(text: str, year: int) -> datetime.date | None:
    """A printed stamp as a date: ISO, nvidia-smi ("Tue Mar 24 07:00:00 2026"), launcher ("W0324 07:00:00").

    The launcher prints no year: `year` is put in. None when nothing fits or the day does not exist.
    """
    try:
        if found := _ISO.search(text):
            return datetime.date(int(found[1]), int(found[2]), int(found[3]))
        if (found := _SMI.search(text)) and found[1] in _MONTHS:
            return datetime.date(int(found[3]), _MONTHS.index(found[1]) + 1, int(found[2]))
        if found := _LAUNCHER.search(text):
            return datetime.date(year, int(found[1]), int(found[2]))
    except ValueError:
        return None
    return None


def run_date(run: Run, year: int) -> Sourced[datetime.date] | None:
    """The date a run prints, with its place; None when it prints none."""
    if run.started_at is None:
        return None
    date = parse_date(run.started_at.value, year)
    return None if date is None else run.started_at.with_value(date)
