"""What the pages say of golf-check's reports, kept small: two thousand reports are 100 MB, packed 10 MB.

A board holds every report until its page is written, so only what a page shows is kept, compressed; what a
rule says over all rows is counted as the reports come in.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.leaderboard.report_fields import line_or_none, text, word
from harness.reports.report_executed import course_rows, executed_summary, probe_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

FINDINGS_AT_MOST = 40
PLACES_AT_MOST = 12
_TEXT_CHARACTERS = 4_000
_UNCHECKED_CHARACTERS = 600
_CELL_CHARACTERS = 160
PROBES_AT_MOST = 40
_NOTHING: Mapping[str, Any] = {"findings": [], "more": 0, "unchecked": [], "executed": None}
# The worst first; verdicts that this list does not know come last.
_ORDER = ("FAIL", "NEEDS-HUMAN", "WARN", "INFO")
_AGAINST = ("FAIL", "NEEDS-HUMAN")


@dataclass(frozen=True, slots=True)
class PackedReport:
    """One report's findings and verdicts, compressed."""

    data: bytes

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> PackedReport:
        """Keep what a page shows.

        Raises `KeyError`, `TypeError`, `AttributeError` or `ValueError` for a document that is no report.
        """
        said = document.get("findings", ())
        unchecked = [finding for finding in said if finding["verdict"] == "NOT-CHECKED"]
        findings = sorted(
            (finding for finding in said if finding["verdict"] != "NOT-CHECKED"),
            key=lambda finding: _rank(finding["verdict"]),
        )
        kept = {
            "words": {
                word(rule, "rule"): word(said, rule)
                for rule, said in document.get("rules_checked", {}).items()
            },
            "findings": [_finding(finding) for finding in findings[:FINDINGS_AT_MOST]],
            "more": max(0, len(findings) - FINDINGS_AT_MOST),
            "unchecked": [
                (word(finding["rule"], "rule"), text(finding["message"], "message")[:_UNCHECKED_CHARACTERS])
                for finding in unchecked
            ],
            "executed": _executed(document.get("dynamic")),
        }
        return cls(zlib.compress(json.dumps(kept, separators=(",", ":")).encode("ascii"), 6))

    def unpacked(self) -> dict[str, Any]:
        """The kept part: words, findings, more, unchecked, executed."""
        kept: dict[str, Any] = json.loads(zlib.decompress(self.data))
        return kept


def _executed(dynamic: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What running it showed, as rows of words; None where it was not run."""
    if dynamic is None:
        return None
    probes = probe_rows(dynamic)[:PROBES_AT_MOST]
    return {
        "summary": executed_summary(dynamic)[:_UNCHECKED_CHARACTERS],
        "probes": [[text(cell, "probe")[:_UNCHECKED_CHARACTERS] for cell in row] for row in probes],
        "course": [[text(cell, "course")[:_CELL_CHARACTERS] for cell in row] for row in course_rows(dynamic)],
    }


def _rank(verdict: str) -> int:
    return _ORDER.index(verdict) if verdict in _ORDER else len(_ORDER)


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rule": word(finding["rule"], "rule"),
        "verdict": word(finding["verdict"], "verdict"),
        "message": text(finding["message"], "message")[:_TEXT_CHARACTERS],
        "ask": text(finding.get("ask"), "ask")[:_TEXT_CHARACTERS],
        "authority": [text(one, "authority") for one in finding.get("authority", ())],
        "places": [
            {
                "file": text(place["file"], "file"),
                "line": line_or_none(place["line"]),
                "note": text(place.get("note"), "note"),
                "excerpt": text(place.get("excerpt"), "excerpt"),
                "unpacked": bool(place.get("unpacked")),
            }
            for place in finding["places"][:PLACES_AT_MOST]
        ],
    }


@dataclass(frozen=True, slots=True)
class KeptReports:
    """Reports by the key of their row, and what each rule said over all of them."""

    packed: dict[str, PackedReport] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    against: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """For each rule the rows that fail it or that it asks about: (key, verdict)."""

    def add(self, key: str, packed: PackedReport) -> None:
        """Keep a row's report."""
        self.packed[key] = packed
        for rule, said in packed.unpacked()["words"].items():
            self.counts.setdefault(rule, Counter())[said] += 1
            if said in _AGAINST:
                self.against.setdefault(rule, []).append((key, said))

    def shown(self, key: str) -> Mapping[str, Any]:
        """What the page of that row shows; nothing where golf-check did not look at it."""
        packed = self.packed.get(key)
        return packed.unpacked() if packed is not None else _NOTHING
