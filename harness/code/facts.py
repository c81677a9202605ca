"""Small facts of a syntax tree that rules ask for: imports, and defaults of command-line options.

Runs inside the guarded process: a rule never parses source itself.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.code.syntax_nodes import SyntaxNodes

# Used only for text that this Python cannot parse (newer syntax, Python 2).
_IMPORT_LINE = re.compile(r"^[ \t]*(?:import|from)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_EXCERPT_CHARACTERS = 200
FACTS_AT_MOST = 1_000


def imported_names(nodes: SyntaxNodes | None, text: str | None) -> list[tuple[str, int]]:
    """Top-level names of the modules a source imports, with the line of each import, in order of lines."""
    if nodes is None:
        found = _names_in_text(text or "")
    else:
        found = [
            (alias.name.partition(".")[0], node.lineno)
            for node in nodes.of(ast.Import)
            for alias in node.names
        ]
        found += [
            (node.module.partition(".")[0], node.lineno)
            for node in nodes.of(ast.ImportFrom)
            if node.module and not node.level
        ]
    return sorted(found, key=lambda one: one[1])[:FACTS_AT_MOST]


def _names_in_text(text: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    line, at = 1, 0
    for match in _IMPORT_LINE.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        found.append((match.group(1), line))
    return found


def option_defaults(path: str, nodes: SyntaxNodes, text: str) -> Iterator[dict[str, Any]]:
    """Whole-number defaults of `add_argument` options, written out or through a module-level name."""
    constants = {
        target.id: node.value.value
        for node in nodes.of(ast.Assign)
        if node.col_offset == 0 and isinstance(node.value, ast.Constant) and _is_int(node.value.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    lines = text.splitlines()
    for call in nodes.of(ast.Call):
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "add_argument":
            continue
        options = [
            one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
        ]
        for keyword in call.keywords:
            value = _number(keyword.value, constants) if keyword.arg == "default" else None
            if value is not None and options:
                line = keyword.value.lineno
                excerpt = lines[line - 1].strip()[:_EXCERPT_CHARACTERS] if line <= len(lines) else None
                yield {
                    "option": max(options, key=len),
                    "value": value,
                    "file": path,
                    "line": line,
                    "excerpt": excerpt,
                }


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _number(node: ast.expr, constants: dict[str, Any]) -> int | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and _is_int(node.value):
        return node.value
    value = constants.get(node.id) if isinstance(node, ast.Name) else None
    return value if isinstance(value, int) else None
