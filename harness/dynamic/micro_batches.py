"""Micro-batches of an optimizer step: the official machine's eight GPUs played by one, eight passes for one.

Scripts of the challenge divide a batch among eight ranks and let fewer ranks take several parts in turn:
`8 // world_size` (train_gpt.py of the challenge's repository). A tiny batch fits one pass, which costs a
seventh of the eight.
"""

from __future__ import annotations

import ast
import re

OFFICIAL_RANKS = 8
_RANKS = re.compile(r"(?i)_?world(?:_?size)?|n_?ranks|num_ranks")


def is_micro_batch_count(node: ast.AST) -> bool:
    """Whether `node` is eight divided by the number of ranks."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.FloorDiv)
        and isinstance(node.left, ast.Constant)
        and node.left.value == OFFICIAL_RANKS
        and _RANKS.fullmatch(_last_name(node.right)) is not None
    )


def with_one_micro_batch(tree: ast.Module) -> ast.Module:
    """`tree`, changed in place: each count of micro-batches is one."""
    _OneMicroBatch().visit(tree)
    return tree


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


class _OneMicroBatch(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if is_micro_batch_count(node):
            return ast.copy_location(ast.Constant(value=1), node)
        return self.generic_visit(node)
