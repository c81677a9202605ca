"""Prints a script as a simple minifier would, to measure how small its author could pack it.

The text is measured and thrown away; it is never run. Names of functions, arguments and globals stay, so a
full minifier may do better; literals stay too. Measured on 11 accepted rows (#1530 to #1868).
"""

from __future__ import annotations

import ast
import itertools
import re
import string
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.code.syntax_nodes import SyntaxNodes

# A function that holds one of these keeps its names.
_KEEPING = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Global,
    ast.Nonlocal,
    ast.MatchAs,
    ast.MatchStar,
    ast.MatchMapping,
)
# Functions that look names up at run time keep theirs.
_LOOK_UP = {"locals", "vars", "exec", "eval", "globals"}
# A string literal (kept), or a space that Python does not need.
_SPACE = re.compile(
    r"""('{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|(?<=[,:])[ ](?=\S)|(?<=\S)[ ]?([-+*/%@|&^<>=!]+=?)[ ](?=\S)""",
    re.DOTALL,
)


def minified(tree: ast.Module, nodes: SyntaxNodes) -> bytes | None:
    """The program without comments, docstrings, annotations of arguments and needless spaces, locals short.

    None when the tree is too deep to print. The tree is changed.
    """
    _drop_docstrings(tree, nodes)
    for argument in nodes.of(ast.arg):
        argument.annotation = None
    for function in nodes.of(ast.FunctionDef):
        function.returns = None
        _shorten_locals(function, nodes)
    try:
        printed = ast.unparse(tree)
    except (RecursionError, ValueError, MemoryError):
        return None
    printed = re.sub(
        r"^(?: {4})+", lambda found: " " * (len(found.group()) // 4), printed, flags=re.MULTILINE
    )
    return _SPACE.sub(lambda found: found.group(1) or found.group(2) or "", printed).encode(
        "utf-8", "replace"
    )


def _drop_docstrings(tree: ast.Module, nodes: SyntaxNodes) -> None:
    holders: list[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef] = [tree]
    holders += nodes.of(ast.ClassDef)
    holders += [*nodes.of(ast.FunctionDef), *nodes.of(ast.AsyncFunctionDef)]
    for node in holders:
        kept = [one for one in node.body if not _is_idle(one)]
        node.body = kept or ([] if isinstance(node, ast.Module) else [ast.Pass()])


def _is_idle(statement: ast.stmt) -> bool:
    """A docstring or another constant that stands alone."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _shorten_locals(function: ast.FunctionDef, nodes: SyntaxNodes) -> None:
    """One- and two-letter names for the variables of a function that has no scope inside."""
    inside: list[ast.AST] = []
    for statement in function.body:
        for node in nodes.below(statement):
            if isinstance(node, _KEEPING):
                return
            inside.append(node)
    names = [node for node in inside if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    used = {node.id for node in names}
    if used & _LOOK_UP:
        return
    fixed = {node.arg for node in nodes.below(function.args) if isinstance(node, ast.arg)}
    for node in inside:
        if isinstance(node, ast.arg):
            fixed.add(node.arg)
        elif isinstance(node, ast.alias):
            fixed.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            fixed.add(node.name)
    renamed = stored - fixed
    taken = (used - renamed) | fixed
    by_use = Counter(node.id for node in names if node.id in renamed).most_common()
    free = (name for name in _short_names() if name not in taken)
    shorter = {name: short for (name, _), short in zip(by_use, free, strict=False)}
    for node in names:
        node.id = shorter.get(node.id, node.id)


def _short_names() -> Iterator[str]:
    yield from string.ascii_letters
    for pair in itertools.product(string.ascii_letters, repeat=2):
        if "".join(pair) not in {"as", "if", "in", "is", "or"}:
            yield "".join(pair)
