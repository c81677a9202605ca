"""Reads JSON text and keeps the line of every value; a defect is a `JsonProblem`, never an exception.

The standard reader keeps no positions, drops duplicate keys silently, and raises on deep nesting and on
long integers. This one reads a document that is not valid JSON as far as it can: `JsonDocument.valid` is
then False, one "invalid" problem has the line and column, and `root` holds what stood before the defect.
"""

from __future__ import annotations

import json.decoder
import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from harness.submission import JsonProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

# Caps of a document. The largest submission.json of 1,805 in the wild has 16,576 bytes, 10 levels and 320
# values; the caps leave an order of magnitude or more and keep the worst case to about a second.
SIZE_LIMIT_BYTES = 16 * 2**20 - 1
DEPTH_LIMIT = 64
VALUES_LIMIT = 50_000
NUMBER_LIMIT_DIGITS = 1_000
PROBLEMS_LIMIT = 50

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"-?[A-Za-z_][A-Za-z0-9_]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS: dict[str, bool | float | None] = {"true": True, "false": False, "null": None}
# Not JSON, but Python writes and reads them.
_PYTHON_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"
JsonValue: TypeAlias = "dict[str, JsonNode] | list[JsonNode] | str | int | float | bool | None"


@dataclass(frozen=True, slots=True)
class JsonNode:
    """A value and the 1-based line it starts on. Numbers out of range are NaN or an infinity."""

    value: JsonValue
    line: int

    def plain(self) -> Plain:
        """The value without positions, as the standard reader would give it."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def members(self) -> Iterator[tuple[str, JsonNode]]:
        """Members of an object, or items of an array under their index; nothing for a scalar."""
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from ((str(index), node) for index, node in enumerate(self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonDocument:
    """What a file says: `valid` is False when a strict reader refuses it or a cap was reached."""

    root: JsonNode | None
    valid: bool
    problems: tuple[JsonProblem, ...] = ()
    lines: tuple[str, ...] = ()

    def excerpt(self, line: int) -> str | None:
        """The source line, cut to 160 characters."""
        if 1 <= line <= len(self.lines):
            return self.lines[line - 1].strip()[:160]
        return None


class _Stop(Exception):  # noqa: N818 - ends the reading, not an error of the program
    """Nothing after this point can be read."""


class _Reader:
    """One pass over the text; `_problem` collects, `_Stop` ends early with what is there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.values = 0
        self.valid = True
        self.problems: list[JsonProblem] = []
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.root: JsonNode | None = None

    def line_at(self, offset: int) -> int:
        return bisect_right(self.newlines, offset - 1) + 1

    def column_at(self, offset: int) -> int:
        return offset - (self.text.rfind("\n", 0, offset) + 1) + 1

    def note(self, kind: str, message: str, offset: int, key: str | None = None) -> None:
        if len(self.problems) < PROBLEMS_LIMIT:
            self.problems.append(JsonProblem(kind=kind, message=message, line=self.line_at(offset), key=key))

    def invalid(self, what: str, offset: int) -> None:
        if self.valid:
            where = f"line {self.line_at(offset):,}, column {self.column_at(offset):,}"
            self.note("invalid", f"not valid JSON: {what} at {where}; mend it there", offset)
        self.valid = False

    def stop(self, kind: str, message: str, offset: int) -> _Stop:
        self.valid = False
        self.note(kind, message, offset)
        return _Stop()

    def space(self) -> str:
        """Skip white space; the next character, "" at the end."""
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def read(self) -> None:
        try:
            if not self.space():
                self.invalid("the file is empty", self.at)
                return
            self.root = self.value(0, None)
            if self.space():
                self.invalid("text after the end of the document", self.at)
        except _Stop:
            pass

    def value(
        self, depth: int, holder: dict[str, JsonNode] | list[JsonNode] | None, key: str = ""
    ) -> JsonNode:
        """Read one value; containers enter their holder before they are filled, so that a stop keeps them."""
        first = self.space()
        start = self.at
        self.values += 1
        if self.values > VALUES_LIMIT:
            raise self.stop("too-large", f"more than {VALUES_LIMIT:,} values; the rest is not read", start)
        if first and first in "{[":
            if depth >= DEPTH_LIMIT:
                raise self.stop("too-deep", f"nested deeper than {DEPTH_LIMIT} levels; not read", start)
            container: dict[str, JsonNode] | list[JsonNode] = {} if first == "{" else []
            node = JsonNode(container, self.line_at(start))
            if holder is None:
                self.root = node
            self.enter(holder, key, node)
            self.at += 1
            if isinstance(container, dict):
                self.fill_object(container, depth)
            else:
                self.fill_array(container, depth)
            return node
        node = JsonNode(self.string() if first == '"' else self.scalar(first), self.line_at(start))
        self.enter(holder, key, node)
        return node

    @staticmethod
    def enter(holder: dict[str, JsonNode] | list[JsonNode] | None, key: str, node: JsonNode) -> None:
        if isinstance(holder, dict):
            holder[key] = node
        elif holder is not None:
            holder.append(node)

    def more(self, closing: str, *, first: bool) -> bool:
        """Step over a comma; False at the end of the container."""
        character = self.space()
        if character == closing:
            self.at += 1
            return False
        if not character:
            self.invalid(f"the file ends before {closing!r}", self.at)
            raise _Stop
        if first:
            return True
        if character != ",":
            self.invalid(f"a comma or {closing!r} is missing", self.at)
            if character in "]}":
                raise _Stop
            return True
        comma = self.at
        self.at += 1
        character = self.space()
        if not character:
            self.invalid(f"the file ends before {closing!r}", self.at)
            raise _Stop
        if character == closing:
            self.invalid(f"a comma before {closing!r}", comma)
            self.at += 1
            return False
        return True

    def fill_object(self, members: dict[str, JsonNode], depth: int) -> None:
        first = True
        while self.more("}", first=first):
            first = False
            start = self.at
            if self.space() != '"':
                self.invalid("a key in double quotes is missing", start)
                raise _Stop
            key = self.string()
            if key in members:
                where = members[key].line
                message = f"key {key[:80]!r} stands twice (first on line {where:,}); the last one counts"
                self.note("duplicate-key", message, start, key[:80])
            if self.space() == ":":
                self.at += 1
            else:
                self.invalid("':' after a key is missing", self.at)
                raise _Stop
            self.value(depth + 1, members, key)

    def fill_array(self, items: list[JsonNode], depth: int) -> None:
        first = True
        while self.more("]", first=first):
            first = False
            self.value(depth + 1, items)

    def string(self) -> str:
        start = self.at
        try:
            text, self.at = json.decoder.scanstring(self.text, start + 1, True)  # type: ignore[attr-defined]
        except json.JSONDecodeError as error:
            self.invalid(f"a string that starts there is broken ({error.msg.lower()})", start)
            raise _Stop from None
        if _SURROGATE.search(text):
            self.note("encoding", "half of a surrogate pair in a string; read as U+FFFD", start)
            text = _SURROGATE.sub("\ufffd", text)
        return str(text)

    def scalar(self, first: str) -> JsonValue:
        start = self.at
        number = _NUMBER.match(self.text, start)
        if number is not None:
            self.at = number.end()
            return self.number(number)
        word = _WORD.match(self.text, start)
        name = word.group() if word else first
        if name in _WORDS:
            self.at += len(name)
            return _WORDS[name]
        if name in _PYTHON_WORDS:
            self.at += len(name)
            self.note("not-a-number", f"{name} is not a JSON number", start)
            return _PYTHON_WORDS[name]
        self.invalid(
            f"no value can start with {name[:40]!r}" if name else "the file ends inside a value", start
        )
        raise _Stop

    def number(self, match: re.Match[str]) -> int | float:
        digits = match.group()
        if len(digits) > NUMBER_LIMIT_DIGITS:
            message = (
                f"a number of {len(digits):,} characters; more than {NUMBER_LIMIT_DIGITS:,} are not read"
            )
            self.note("not-a-number", message, match.start())
            return math.nan
        if match.group(1) is None and match.group(2) is None:
            return int(digits)
        value = float(digits)
        if math.isinf(value):
            self.note("not-a-number", f"{digits[:40]} is too large for a number", match.start())
        return value


def _decode(data: bytes) -> tuple[str, JsonProblem | None]:
    def odd(message: str) -> JsonProblem:
        return JsonProblem(kind="encoding", message=f"{message}; save it as UTF-8", line=1)

    if data[:3] == b"\xef\xbb\xbf":
        problem = JsonProblem(kind="bom", message="starts with a byte order mark; save it without", line=1)
        return data[3:].decode("utf-8", errors="replace"), problem
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", errors="replace"), odd("encoded as UTF-16")
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = odd(f"byte {data[error.start]:#04x} at offset {error.start:,} is not UTF-8")
        return data.decode("utf-8", errors="replace"), JsonProblem(
            kind=problem.kind, message=problem.message, line=line
        )


def read_json(data: bytes) -> JsonDocument:
    """Read a document; never raises, whatever the bytes are."""
    if len(data) > SIZE_LIMIT_BYTES:
        message = f"larger than {SIZE_LIMIT_BYTES:,} bytes; not read"
        return JsonDocument(
            root=None, valid=False, problems=(JsonProblem(kind="too-large", message=message),)
        )
    text, problem = _decode(data)
    text = _SURROGATE.sub("\ufffd", text)
    reader = _Reader(text)
    reader.read()
    return JsonDocument(
        root=reader.root,
        valid=reader.valid,
        problems=(problem, *reader.problems) if problem else tuple(reader.problems),
        lines=tuple(text.split("\n")) if reader.root is not None else (),
    )
