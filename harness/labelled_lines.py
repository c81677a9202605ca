"""Whether a finding points at the lines that a label names as evidence.

A rule may be right for the wrong reason: a finding counts as having seen what the organisers saw when one of
its places lies within three lines of a labelled one. Labels write paths from the root of the repository, mark
lines of a wrapped script with " (unpacked)", and leave the line out for an absence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

NEAR_LINES = 3
_UNPACKED = " (unpacked)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledLine:
    """One line of evidence; `file` counts from the root of the repository."""

    file: str
    line: int
    unpacked: bool
    what: str

    def __str__(self) -> str:
        """The file's own name and the line, as people write it."""
        return f"{self.file.rpartition('/')[2]}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMatch:
    """Which labelled lines the findings reached, and which not.

    `nearest` is the distance in lines of the closest place in a labelled file, None when no place is there.
    """

    reached: tuple[LabelledLine, ...]
    missed: tuple[LabelledLine, ...]
    nearest: int | None


def labelled_lines(evidence: Iterable[Mapping[str, Any]]) -> tuple[LabelledLine, ...]:
    """The evidence of a label that names a line. Raises `KeyError` for an entry without its fields."""
    return tuple(
        LabelledLine(
            file=str(row["file"]).removesuffix(_UNPACKED),
            line=int(row["line"]),
            unpacked=str(row["file"]).endswith(_UNPACKED),
            what=str(row["what"]),
        )
        for row in evidence
        if row["line"] is not None
    )


def match_lines(
    lines: Iterable[LabelledLine],
    document: Mapping[str, Any],
    rules: Collection[str],
    verdicts: Collection[str],
) -> LineMatch:
    """Compare the lines with the places of the findings of these rules and verdicts in a report (as JSON)."""
    entry = (document.get("submission") or {}).get("entry") or ""
    places = [
        (_from_root(place, entry), bool(place.get("unpacked")), int(place["line"]))
        for finding in document.get("findings", ())
        if finding["rule"] in rules and finding["verdict"] in verdicts
        for place in finding.get("places", ())
        if place.get("line") is not None
    ]
    reached: list[LabelledLine] = []
    missed: list[LabelledLine] = []
    distances: list[int] = []
    for labelled in lines:
        there = (labelled.file, labelled.unpacked)
        away = [abs(line - labelled.line) for file, unpacked, line in places if (file, unpacked) == there]
        distances += away
        (reached if away and min(away) <= NEAR_LINES else missed).append(labelled)
    return LineMatch(
        reached=tuple(reached), missed=tuple(missed), nearest=min(distances) if distances else None
    )


def _from_root(place: Mapping[str, Any], entry: str) -> str:
    file = str(place["file"])
    return file if place.get("from_root") or not entry else f"{entry}/{file}"
