"""Text of a Python module with replacements at the places its syntax tree names; comments stay in place."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable


class PackError(UsageError):
    """The program cannot be packed; names module and line and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replacement of the bytes from `start` to before `end` of the UTF-8 text."""

    start: int
    end: int
    text: str


class SourceText:
    """A module's text and the byte offsets of its lines (syntax trees count columns in UTF-8 bytes)."""

    def __init__(self, text: str) -> None:
        self.data = text.encode()
        self._line_starts = [0, *accumulate(len(line) for line in self.data.splitlines(keepends=True))]

    def line_start(self, line: int) -> int:
        """Offset of the 1-based line; of the text's end past the last."""
        return self._line_starts[min(line - 1, len(self._line_starts) - 1)]

    def span(self, node: ast.AST) -> tuple[int, int]:
        """First and past-the-last byte of an expression or statement, decorators left out."""
        assert isinstance(node, (ast.expr, ast.stmt))
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self.line_start(node.lineno) + node.col_offset
        return start, self.line_start(node.end_lineno) + node.end_col_offset

    def segment(self, node: ast.AST) -> str:
        """The node's text."""
        start, end = self.span(node)
        return self.data[start:end].decode()

    def lines(self, first: int, last: int) -> str:
        """Whole lines, both ends included."""
        return self.data[self.line_start(first) : self.line_start(last + 1)].decode()

    def replaced(self, node: ast.AST, text: str) -> Edit:
        """The edit that puts `text` in the node's place."""
        start, end = self.span(node)
        return Edit(start=start, end=end, text=text)

    def replaced_lines(self, first: int, last: int, text: str) -> Edit:
        """The edit that puts `text` in the place of whole lines."""
        return Edit(start=self.line_start(first), end=self.line_start(last + 1), text=text)

    def edited(self, edits: Iterable[Edit], first: int = 0, last: int | None = None) -> str:
        """The bytes `first` to `last` with the edits inside them done; of nested edits only the outer."""
        last = len(self.data) if last is None else last
        parts, at = [], first
        for edit in sorted(edits, key=lambda each: (each.start, -each.end)):
            if edit.start >= at and edit.end <= last:
                parts += [self.data[at : edit.start], edit.text.encode()]
                at = edit.end
        parts.append(self.data[at:last])
        return b"".join(parts).decode()


def first_line(statement: ast.stmt) -> int:
    """The line a statement begins on, decorators included."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorators)])


def last_line(statement: ast.AST) -> int:
    """The line a statement ends on."""
    return int(getattr(statement, "end_lineno", 0))


def statement_bodies(node: ast.AST) -> list[list[ast.stmt]]:
    """The non-empty statement lists directly inside a node."""
    lists = (getattr(node, name, None) for name in ("body", "orelse", "finalbody"))
    return [each for each in lists if isinstance(each, list) and each]


def nodes_in_f_strings(nodes: Iterable[ast.AST]) -> set[ast.AST]:
    """Everything inside f-strings: before Python 3.12 their places in the text are not told."""
    strings = (node for node in nodes if isinstance(node, ast.JoinedStr))
    return {inner for node in strings for inner in ast.walk(node) if inner is not node}
