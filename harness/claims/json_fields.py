"""Reads single values of a submission.json: numbers, sizes, times, texts, each with its line.

A value that cannot be used is dropped with a `JsonProblem`, so that no later check computes with it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from harness.finding import Sourced
from harness.submission import JsonProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.claims.json_positions import JsonDocument, JsonNode

# Sanity ranges, (0 or 0 inclusive, top]: a byte-level uniform guess scores 8 bits per byte, the longest
# run claimed lasts 19 hours, the largest file a clone holds is far below a terabyte.
BPB_TOP = 20.0
LOSS_TOP = 50.0
BYTES_TOP = 1e12
STEPS_TOP = 1e9
SECONDS_TOP = 1e9

PROBLEMS_LIMIT = 60
TEXT_LIMIT = 500

_PLACEHOLDER = re.compile(
    r"(?<![A-Za-z])(?:TBD|TODO|FIXME|PLACEHOLDER)(?![a-z])|<[^<>]*\b(?:fill|after|TBD)\b[^<>]*>|\bWIP\b"
    r"|\b(?:TO_?BE_?(?:FILLED|DETERMINED|MEASURED)|FILL_\w+|FILL ?IN|FILL ?ME)\b"
    r"|<[A-Z][A-Z_ ]{2,30}>|\b(?:YOUR|your)[_-]?(?:GITHUB|github|NAME|name|HANDLE|ID|id)\w*"
    r"|\b[Yy]our (?:[Nn]ame|[Gg]it[Hh]ub(?: ID| id| handle| username)?)\b|\bX\.X+\b"
)
_PENDING = re.compile(
    r"\W*(?:pending|unknown yet|to be (?:filled|determined|added|measured)|tba|tbd|placeholder)\b.{0,40}",
    re.IGNORECASE,
)
_LEADING_NUMBER = re.compile(r"\s*([-+]?[0-9][0-9,_]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z(±+].*)?\Z")
_UNITS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "second": 1.0}
_UNITS |= {"m": 60.0, "min": 60.0, "mins": 60.0, "minutes": 60.0, "h": 3600.0, "hours": 3600.0, "hrs": 3600.0}
_UNIT_WORDS = re.compile(r"(?:\b|_)(ms|s|secs?|seconds?|mins?|minutes|h|hrs|hours)(?=_|\b)")


def is_placeholder(text: str) -> bool:
    """True for text an author meant to replace: "TBD", "FILL_ME", "YOUR_GITHUB_ID", "pending ..."."""
    return bool(_PLACEHOLDER.search(text) or _PENDING.fullmatch(text))


def seconds_per_unit(name: str) -> float:
    """Seconds in the unit a key ("train_time_ms") or a text ("10 min") names last; 1 when it names none."""
    found = _UNIT_WORDS.findall(name.lower())
    return _UNITS[found[-1]] if found else 1.0


class FieldReader:
    """Turns nodes into values with a place; collects what was wrong with them in `problems`."""

    def __init__(self, path: str, document: JsonDocument) -> None:
        self.path = path
        self.document = document
        self.problems: list[JsonProblem] = []

    def note(self, kind: str, message: str, node: JsonNode | None = None, key: str | None = None) -> None:
        """Remember a defect once; a flood of them is cut."""
        problem = JsonProblem(kind=kind, message=message, line=node.line if node else None, key=key)
        if len(self.problems) < PROBLEMS_LIMIT and problem not in self.problems:
            self.problems.append(problem)

    def sourced(self, node: JsonNode, value: float) -> Sourced[float]:
        """A number with the line it stands on."""
        return Sourced(value, self.path, node.line, self.document.excerpt(node.line))

    def text_at(self, node: JsonNode, value: str) -> Sourced[str]:
        """A text, cut to a length a report can print, with the line it stands on."""
        return Sourced(value[:TEXT_LIMIT], self.path, node.line, self.document.excerpt(node.line))

    def _raw_number(self, node: JsonNode, key: str, what: str) -> int | float | None:
        value = node.value
        if value is None:
            return None
        if isinstance(value, bool):
            self.note("wrong-type", f"{key} is {str(value).lower()}, not {what}", node, key)
            return None
        if isinstance(value, (int, float)):
            return value
        if not isinstance(value, str):
            kind = "an object" if isinstance(value, dict) else "a list"
            self.note("wrong-type", f"{key} is {kind}, not {what}", node, key)
            return None
        if is_placeholder(value):
            self.note("placeholder", f"{key} is a placeholder: {value[:60]!r}", node, key)
            return None
        match = _LEADING_NUMBER.match(value[:80])
        if match is None:
            self.note("not-a-number", f"{key} is {value[:60]!r}, not {what}", node, key)
            return None
        self.note("number-as-text", f"{key} is the text {value[:60]!r}; write the number", node, key)
        return float(match.group(1).replace(",", "").replace("_", ""))

    def number(
        self, node: JsonNode, key: str, top: float, what: str, *, zero: bool = False
    ) -> Sourced[float] | None:
        """A number in (0, top], or [0, top] with `zero`; None with a problem when it is something else."""
        value = self._raw_number(node, key, what)
        if value is None:
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.note("not-a-number", f"{key} is {value}, not {what}", node, key)
            return None
        if not (0 <= value <= top) or (value == 0 and not zero):
            shown = f"{value:,}" if isinstance(value, float) or abs(value) < 10**30 else "a huge number"
            message = f"{key} is {shown}, outside what {what} can be (above 0, at most {top:,.0f}); not used"
            self.note("out-of-range", message, node, key)
            return None
        return self.sourced(node, float(value))

    def bpb(self, node: JsonNode, key: str) -> Sourced[float] | None:
        """A score in bits per byte."""
        return self.number(node, key, BPB_TOP, "a score in bits per byte")

    def loss(self, node: JsonNode, key: str) -> Sourced[float] | None:
        """A loss in nats per token."""
        return self.number(node, key, LOSS_TOP, "a loss in nats")

    def count(self, node: JsonNode, key: str, top: float, what: str) -> Sourced[int] | None:
        """A whole number; a mean such as 15,994,936.67 is rounded."""
        found = self.number(node, key, top, what, zero=True)
        return Sourced(round(found.value), found.file, found.line, found.excerpt) if found else None

    def size(self, node: JsonNode, key: str) -> Sourced[int] | None:
        """A size in bytes; 0 means "not filled in" and is dropped."""
        found = self.count(node, key, BYTES_TOP, "a size in bytes")
        return found if found and found.value > 0 else None

    def steps(self, node: JsonNode, key: str) -> Sourced[int] | None:
        """A number of training steps."""
        return self.count(node, key, STEPS_TOP, "a number of steps")

    def seconds(self, node: JsonNode, key: str) -> Sourced[float] | None:
        """A duration in seconds, converted from the unit in the key or, for a text, in the text."""
        found = self.number(node, key, SECONDS_TOP, "a duration", zero=True)
        if found is None:
            return None
        unit = seconds_per_unit(key)
        if unit == 1.0 and isinstance(node.value, str):
            unit = seconds_per_unit(re.sub(r"(?<=\d)(?=[a-zA-Z])", " ", node.value))
        return found.with_value(found.value * unit)

    def text(self, node: JsonNode, key: str) -> Sourced[str] | None:
        """A text; a number is taken as its digits, with a problem."""
        value = node.value
        if isinstance(value, str):
            return self.text_at(node, value) if value.strip() else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self.note("wrong-type", f"{key} is a number, not a text", node, key)
            return self.text_at(node, str(value)[:40])
        return None

    def first_text(self, members: dict[str, JsonNode], keys: Iterable[str]) -> Sourced[str] | None:
        """The first of these keys that holds a text."""
        for key in keys:
            if key in members and (found := self.text(members[key], key)) is not None:
                return found
        return None
