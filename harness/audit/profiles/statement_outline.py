"""The statements of a program and what each stands in, made in one pass that leaves expressions alone.

Which calls a function has is asked of the text: a name that occurs twice in all files, once where it is
defined and once where it is called, has one caller. Whatever hides a call from the text (a string, a table
of functions) makes the name occur more often, or not at all, and then nothing is known.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.audit.syntax_walk import children

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_STATEMENTS = 60_000
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
_HIDDEN = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")
_ASSIGNED = re.compile(r"\s*(?:[-+*/|&^%@]|//|\*\*|<<|>>)?=(?!=)")
_SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Import, ast.ImportFrom)


@dataclass(slots=True, eq=False)
class Placed:
    """A statement with the statement it stands in; `part` names the block ("body", "orelse", ...)."""

    node: ast.stmt | ast.ExceptHandler | ast.match_case
    file: str
    outer: Placed | None
    part: str
    block: list[ast.stmt]

    @property
    def line(self) -> int:
        """Where it starts."""
        return getattr(self.node, "lineno", 0)

    def way_up(self) -> Iterator[Placed]:
        """The statement and all it stands in, up to the function or module."""
        at: Placed | None = self
        while at is not None and (at is self or not isinstance(at.node, FUNCTIONS)):
            yield at
            at = at.outer

    def function(self) -> Placed | None:
        """The function around it; None at module level."""
        outer = self.outer
        while outer is not None and not isinstance(outer.node, FUNCTIONS):
            outer = outer.outer
        return outer


@dataclass(slots=True)
class Outline:
    """All statements by file in order of the text, and the texts, to look names up in."""

    texts: Mapping[str, str]
    statements: dict[str, list[Placed]] = field(default_factory=dict)
    tests: dict[tuple[str, int], int] = field(default_factory=dict)  # how many `if` start on a line
    is_whole: bool = True
    _starts: dict[str, list[int]] = field(default_factory=dict)
    _only_calls: dict[str, Placed | None] = field(default_factory=dict)

    def only_call(self, function: Placed) -> Placed | None:
        """The statement with the single call of a function that is never passed around; None otherwise."""
        node = function.node
        if not isinstance(node, FUNCTIONS) or node.decorator_list or not self.is_whole:
            return None
        if node.name not in self._only_calls:
            self._only_calls[node.name] = self._find_only_call(node.name)
        return self._only_calls[node.name]

    def _find_only_call(self, name: str) -> Placed | None:
        places: list[tuple[str, int]] = []
        for file, text in self.texts.items():
            for at in places_of(text, name):
                places.append((file, text.count("\n", 0, at) + 1))
                if len(places) > 2:
                    return None
        calling = [one for file, line in places for one in self.at(file, line) if _calls(one.node, name)]
        return calling[0] if len(places) == 2 and len(calling) == 1 else None

    def is_rebound(self, attribute: str) -> bool:
        """Whether the text assigns `something.attribute` anywhere: then it is no fixed setting."""
        return any(
            text[at - 1 : at] == "." and _ASSIGNED.match(text, at + len(attribute))
            for text in self.texts.values()
            for at in places_of(text, attribute)
        )

    def at(self, file: str, line: int) -> list[Placed]:
        """The statements whose own words stand on a line, without those of their blocks."""
        known = self.statements.get(file, [])
        if file not in self._starts:
            self._starts[file] = [one.line for one in known]
        starts = self._starts[file]
        last = bisect_right(starts, line)
        first = last
        while first > 0 and starts[first - 1] == starts[last - 1]:
            first -= 1
        return known[first:last]


def outline_of(trees: Mapping[str, ast.Module], texts: Mapping[str, str]) -> Outline:
    """The outline of all files of a program; `texts` are what the trees were parsed from."""
    outline = Outline(texts)
    count = 0
    for file, tree in sorted(trees.items()):
        found = outline.statements.setdefault(file, [])
        todo = [Placed(one, file, None, "body", tree.body) for one in reversed(tree.body)]
        while todo:
            placed = todo.pop()
            node = placed.node
            count += 1
            if count > MOST_STATEMENTS:
                outline.is_whole = False
                return outline
            if not isinstance(node, ast.match_case | ast.ExceptHandler):
                found.append(placed)
            if isinstance(node, _SIMPLE):
                continue
            if isinstance(node, ast.If):
                place = (file, node.lineno)
                outline.tests[place] = outline.tests.get(place, 0) + 1
            for part in reversed(_BLOCKS):
                block = getattr(node, part, None) or []
                todo += [Placed(one, file, placed, part, block) for one in reversed(block)]
    return outline


def places_of(text: str, name: str) -> Iterator[int]:
    """Where a name stands in a text as a whole word; faster than a pattern."""
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        if not _is_word(text[at - 1 : at]) and not _is_word(text[end : end + 1]):
            yield at
        at = text.find(name, end)


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()


def expressions_of(node: ast.AST) -> list[ast.AST]:
    """The nodes right below a statement that are no statements of a block in it."""
    return [
        one for one in children(node) if not isinstance(one, ast.stmt | ast.ExceptHandler | ast.match_case)
    ]


def _calls(node: ast.AST, name: str) -> bool:
    """Whether the statement itself calls the name, outside of what may run more than once or never."""
    todo = expressions_of(node)
    while todo:
        one = todo.pop()
        if isinstance(one, ast.Call):
            called = one.func
            if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == name:
                return True
        if not isinstance(one, _HIDDEN):
            todo += children(one)
    return False
