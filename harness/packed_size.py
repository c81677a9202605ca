"""How many bytes a submission's code takes when packed into one self-extracting script.

Accepted rows from #1530 (2026-04-11) on count such a size while they commit the readable script. Ours is
computed from what is committed: `packed_size` keeps every comment and name, hence is at least what a packer
with a minifier reaches.
"""

from __future__ import annotations

import ast
import lzma
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.syntax_nodes import SyntaxNodes

# A wrapper of the usual kind around the base85 text; its length is added to every packed size.
STUB = (
    "import lzma as L,base64 as B\n"
    'exec(L.decompress(B.b85decode(""),format=L.FORMAT_RAW,filters=[{"id":L.FILTER_LZMA2}]))\n'
)
# Beyond it the size says nothing: even packed it would not fit beside a model.
PACK_LIMIT_BYTES = 16 * 2**20
_EXTREME_LIMIT_BYTES = 2**20  # the extreme preset takes 1 s a MiB


def packed_size(parts: Iterable[bytes]) -> int | None:
    """Bytes of one lzma+base85 wrapper around all parts; None when there is nothing or far too much."""
    data = b"\n".join(parts)
    if not data.strip() or len(data) > PACK_LIMIT_BYTES:
        return None
    preset = 9 | lzma.PRESET_EXTREME if len(data) <= _EXTREME_LIMIT_BYTES else 6
    dictionary = max(2**16, 1 << (len(data) - 1).bit_length())  # preset 9 alone would take 674 MB
    filters = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": dictionary}]
    packed = lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters)
    return len(STUB) + base85_length(len(packed))


def base85_length(size: int) -> int:
    """Characters that `size` bytes take in base85: five for four, a rest of n takes n + 1."""
    whole, rest = divmod(size, 4)
    return whole * 5 + (rest + 1 if rest else 0)


def without_comments(tree: ast.Module, nodes: SyntaxNodes) -> bytes | None:
    """The program printed from its tree with docstrings and comments dropped and one-space indentation.

    Names stay as they are, so a minifier that shortens them does better. For measuring only: the text is
    never run. None when the tree is too deep to print. The tree is changed.
    """
    holders: list[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef] = [tree]
    holders += nodes.of(ast.ClassDef)
    holders += [*nodes.of(ast.FunctionDef), *nodes.of(ast.AsyncFunctionDef)]
    for node in holders:
        kept = [one for one in node.body if not _is_idle(one)]
        node.body = kept or ([] if isinstance(node, ast.Module) else [ast.Pass()])
    try:
        printed = ast.unparse(tree)
    except (RecursionError, ValueError, MemoryError):
        return None
    return re.sub(
        r"^(?: {4})+", lambda found: " " * (len(found.group()) // 4), printed, flags=re.MULTILINE
    ).encode("utf-8", "replace")


def _is_idle(statement: ast.stmt) -> bool:
    """A docstring or another constant that stands alone."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
