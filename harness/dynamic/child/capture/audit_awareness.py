"""What in a source speaks of the audit itself: a script that knows of it may behave for it.

Only what is written plainly is found. A submission has no honest use for any of it.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = "harness"
# Our modules, the line that tells the key, the folder that everything is seen in, and variables that no
# launcher of the challenge sets and every run of ours has.
_OURS = re.compile(
    r"\bharness\.dynamic\b|\bgolf-(?:record|dynamic)\b|^/golf(?:/|$)|^PYTHON(?:SAFEPATH|NOUSERSITE)$"
)
_FLAGS = frozenset({"safe_path", "no_user_site"})
_LONGEST = 300  # the rest of longer texts is a payload, and looked at when it is compiled


def awareness(tree: ast.AST, filename: str) -> Iterator[str]:
    """`import harness at train_gpt.py:12`, for each place that names the audit."""
    file = filename.rsplit("/", 1)[-1]
    for node in ast.walk(tree):
        for what in _named(node):
            yield f"{what} at {file}:{getattr(node, 'lineno', 0)}"


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"import {one.name}" for one in node.names if one.name.split(".")[0] == _PACKAGE)
    elif isinstance(node, ast.ImportFrom):
        if not node.level and (node.module or "").split(".")[0] == _PACKAGE:
            yield f"import of {node.module}"
    elif isinstance(node, ast.Attribute) and node.attr in _FLAGS:
        yield f"sys.flags.{node.attr}"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
        yield from (f"the text {text[:60]!r}" for _ in _OURS.findall(text[:_LONGEST])[:1])
