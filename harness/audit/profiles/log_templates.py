"""Print statements of a script as patterns, matched with the lines of a log.

A template is the constant text of an f-string, a format string or a `%` template between holes. Matching
looks for the constant parts in order, so a line costs linear time whatever the template.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.events import Spot
from harness.audit.profiles.statement_outline import expressions_of
from harness.audit.run_profile import LONGEST_LOG_LINE
from harness.audit.syntax_walk import children

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.audit.profiles.statement_outline import Outline, Placed

MOST_TEMPLATES = 4_000
MOST_WORK = 600_000  # parts of templates looked for; real logs need 20,000
FEWEST_WORDS = 2
FEWEST_LETTERS = 8
_LONGEST_PART = 400
_TELLING_START = 4
_DEEPEST = 40
_START = 3  # characters by which templates are looked up

_FORMAT_START = re.compile(r"""\b[rR]?[fF][rR]?["']""")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]+")
_FORMAT_HOLE = re.compile(r"\{[^{}]{0,80}\}")
_PERCENT_HOLE = re.compile(r"%[-+ #0]{0,5}\d{0,5}(?:\.\d{1,3})?[sdifgeExXr]")


@dataclass(frozen=True, slots=True)
class Template:
    """The constant parts of one printed text; between two parts stands a hole.

    `call` is the printing call, None for a text that is only built here and may be printed elsewhere.
    """

    parts: tuple[str, ...]
    spot: Spot
    placed: Placed
    call: ast.Call | None

    @property
    def weight(self) -> int:
        """How much constant text there is: of two templates that fit a line, the heavier says more."""
        return sum(len(part.strip()) for part in self.parts)

    @property
    def label(self) -> str:
        """The constant text, as a reader would name the line."""
        return " ".join(" ".join(self.parts).split())

    def matches(self, line: str) -> bool:
        """True when the whole line may have been printed by this template."""
        return fits(self.parts, line)


def fits(parts: Sequence[str], line: str) -> bool:
    """True when the whole line may be these constant parts with anything between them."""
    first, *rest = parts
    line = line.strip()
    if not line.startswith(first.lstrip()):
        return False
    at = len(first.lstrip())
    if len(line) >= LONGEST_LOG_LINE and len(first.strip()) >= _TELLING_START:
        return True  # cut, so that the rest cannot be looked for
    if not rest:
        return at == len(line)
    last = rest.pop().rstrip()
    for part in rest:
        found = line.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(line) - len(last) >= at and line.endswith(last)


def templates_of(outline: Outline, fewest_letters: int = FEWEST_LETTERS) -> list[Template]:
    """Every template of the program with so many letters, in order of files and lines.

    Fewer letters than usual fit many lines: such templates only show what the program may print.
    """
    found: list[Template] = []
    for file, statements in outline.statements.items():
        lines = _lines_with_formats(outline.texts.get(file, ""))
        for placed in statements:
            node = placed.node
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                template = _of_call(placed, node.value, fewest_letters)
                if template is not None:
                    found.append(template)
                    continue
            if _spans(lines, node):
                found += _of_expressions(placed, fewest_letters)
            if len(found) >= MOST_TEMPLATES:
                return found[:MOST_TEMPLATES]
    return found


def _lines_with_formats(text: str) -> list[int]:
    """The lines on which an f-string may start: looking into every expression would cost far more."""
    return [number for number, line in enumerate(text.split("\n"), 1) if _FORMAT_START.search(line)]


def _spans(lines: list[int], node: ast.AST) -> bool:
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0) or 0
    at = bisect_left(lines, first)
    return at < len(lines) and lines[at] <= last


def _of_expressions(placed: Placed, fewest: int) -> list[Template]:
    """The f-strings of a statement: they may be printed elsewhere."""
    found = []
    todo = expressions_of(placed.node)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.JoinedStr):
            template = _template(placed, node, _parts(node), None, fewest)
            if template is not None:
                found.append(template)
        todo += children(node)
    return sorted(found, key=lambda one: one.spot.line)


def _of_call(placed: Placed, call: ast.Call, fewest: int) -> Template | None:
    """The template of a call statement with a text among its first arguments."""
    if not call.args:
        return None
    parts = [""]
    for index, argument in enumerate(call.args[:20]):
        if index:
            parts[-1] += " "  # print separates its arguments
        parts = _joined(parts, _parts(argument))
    return _template(placed, call, parts, call, fewest)


def _template(
    placed: Placed, node: ast.expr, parts: list[str], call: ast.Call | None, fewest: int
) -> Template | None:
    parts = [_spaced(part)[:_LONGEST_PART] for part in parts]
    text = " ".join(parts)
    if sum(map(str.isalpha, text)) < fewest:
        return None
    if fewest >= FEWEST_LETTERS and len(_WORD.findall(text)) < FEWEST_WORDS:
        return None
    return Template(tuple(parts), Spot(file=placed.file, line=node.lineno), placed, call)


def _spaced(part: str) -> str:
    """A text with line breaks is several lines in the log: only its last, or first, line can be found."""
    if "\n" not in part:
        return part
    lines = [line for line in part.split("\n") if line.strip()]
    return max(lines, key=len) if lines else ""


def _parts(node: ast.expr, depth: int = 0) -> list[str]:
    """Constant parts of a text expression with holes between them; ["", ""] is all hole."""
    if depth > _DEEPEST:
        return ["", ""]
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.Constant():
            return [str(node.value)]
        case ast.JoinedStr(values=values):
            parts = [""]
            for value in values:
                parts = _joined(parts, _parts(value, depth + 1))
            return parts
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined(_parts(left, depth + 1), _parts(right, depth + 1))
        case ast.BinOp(left=ast.Constant(value=str() as text), op=ast.Mod()):
            return _PERCENT_HOLE.split(text)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str() as text), attr="format")):
            return _FORMAT_HOLE.split(text)
        case _:
            return ["", ""]


def _joined(one: list[str], other: list[str]) -> list[str]:
    return [*one[:-1], one[-1] + other[0], *other[1:]]


@dataclass(frozen=True, slots=True)
class Printed:
    """A line of a log with the templates that may have printed it."""

    line: int
    text: str
    by: tuple[Template, ...]


def matching(templates: list[Template], lines: Sequence[tuple[int, str]]) -> tuple[list[Printed], bool]:
    """(every line that any template fits, whether all lines were read).

    Templates with much less constant text than the best one are left out: `f"{a} val_bpb:{b}"` fits whatever
    a longer one prints. A hostile log or script ends the matching early.
    """
    by_start: dict[str, list[Template]] = {}
    for template in templates:
        start = template.parts[0].lstrip()[:_START]
        by_start.setdefault(start if len(start) == _START else "", []).append(template)
    found: list[Printed] = []
    work = 0
    for number, text in lines:
        stripped = text.strip()
        candidates = [*by_start.get(stripped[:_START] or "-", ()), *by_start.get("", ())]
        work += len(candidates)
        fitting = []
        for one in candidates:
            if stripped.startswith(one.parts[0].lstrip()):
                work += len(one.parts)
                if one.matches(stripped):
                    fitting.append(one)
        if work > MOST_WORK:
            return found, False
        if fitting:
            best = max(one.weight for one in fitting)
            found.append(Printed(number, text, tuple(one for one in fitting if one.weight * 10 >= best * 6)))
    return found, True
