"""Puts calls of our hooks into the source of a script: what it adds up, what it reduces, what it formats.

    total += loss.item()        ->  total += HOOK(site, total, loss.item())
    loss = nll.mean()           ->  loss = HOOK(site, nll, "mean")
    f"val_bpb:{bpb:.4f}"        ->  f"val_bpb:{HOOK(bpb):.4f}"

A hook answers what the expression it replaces would have answered. This makes scorers in numpy and plain
Python visible, which never call torch. Lines and columns stay those of the script; the names of the hooks are
drawn at random for each run and live in `builtins`, where exec'd code finds them too.
"""

from __future__ import annotations

import ast
import builtins
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

REDUCTIONS = ("sum", "mean")
_PLAIN_SUMS = ("sum", "fsum")
_OPS = {ast.Add: "+", ast.Sub: "-"}


class HookNames:
    """Random names of the hooks; `publish` makes them reachable, `withdraw` takes them away."""

    def __init__(self) -> None:
        mark = secrets.token_hex(6)
        self.added = f"_{mark}a"
        self.reduced = f"_{mark}r"
        self.summed = f"_{mark}s"
        self.formatted = f"_{mark}f"
        self.printed = f"_{mark}p"

    def publish(self, hooks: dict[str, Callable[..., Any]]) -> Callable[[], None]:
        """Reachable by every module from now on; the answer ends it."""
        for name, hook in hooks.items():
            setattr(builtins, name, hook)

        def withdraw() -> None:
            for name in hooks:
                if hasattr(builtins, name):
                    delattr(builtins, name)

        return withdraw


def hooked(tree: ast.Module, filename: str, names: HookNames) -> ast.Module:
    """`tree` with the hooks in it. `filename` begins the name of a site: `train_gpt.py:812:12 val_loss`."""
    result: ast.Module = _Hooks(filename.rsplit("/", 1)[-1], names).visit(tree)
    return ast.fix_missing_locations(result)


class _Hooks(ast.NodeTransformer):
    def __init__(self, filename: str, names: HookNames) -> None:
        self._filename = filename
        self._names = names

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        op = _OPS.get(type(node.op))
        if op is not None:
            node.value = self._call(
                node.value, self._names.added, self._site(node, node.target), ast.Constant(op),
                _readable(node.target), node.value,
            )  # fmt: skip
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """`x = x + v` is `x += v`."""
        self.generic_visit(node)
        value = node.value
        if (
            len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
            and isinstance(value, ast.BinOp)
            and isinstance(value.left, ast.Name)
            and value.left.id == node.targets[0].id
            and type(value.op) in _OPS
        ):
            value.right = self._call(
                value.right, self._names.added, self._site(node, value.left),
                ast.Constant(_OPS[type(value.op)]), ast.Name(value.left.id, ast.Load()), value.right,
            )  # fmt: skip
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        func = node.func
        if isinstance(func, ast.Attribute) and not _is_super(func.value):
            if func.attr in REDUCTIONS:
                return self._call(
                    node, self._names.reduced, self._site(node, func), func.value, ast.Constant(func.attr),
                    *node.args, keywords=node.keywords,
                )  # fmt: skip
            if func.attr in _PLAIN_SUMS and node.args:
                return self._summed(node)
            if func.attr == "add_" and len(node.args) == 1 and not node.keywords and _is_path(func.value):
                node.args[0] = self._call(
                    node, self._names.added, self._site(node, func.value), ast.Constant("+"),
                    _readable(func.value), node.args[0],
                )  # fmt: skip
            return node
        if isinstance(func, ast.Name):
            if func.id in _PLAIN_SUMS and node.args and not isinstance(node.args[0], ast.Starred):
                return self._summed(node)
            if func.id == "print":
                return self._call(node, self._names.printed, func, *node.args, keywords=node.keywords)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        if node.conversion == -1 and not isinstance(node.value, ast.Constant):
            node.value = self._call(node.value, self._names.formatted, node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if any("jit" in ast.unparse(each) or "autotune" in ast.unparse(each) for each in node.decorator_list):
            return node  # kernels are compiled from their text; what they call is no Python of ours
        self.generic_visit(node)
        return node

    def _summed(self, node: ast.Call) -> ast.AST:
        return self._call(
            node,
            self._names.summed,
            self._site(node, node.func),
            node.func,
            *node.args,
            keywords=node.keywords,
        )

    def _site(self, node: ast.stmt | ast.expr, what: ast.expr) -> ast.expr:
        return ast.Constant(f"{self._filename}:{node.lineno}:{node.col_offset} {_shown(what)}")

    def _call(
        self, at: ast.AST, name: str, *args: ast.expr, keywords: list[ast.keyword] | None = None
    ) -> ast.Call:
        call = ast.Call(ast.Name(name, ast.Load()), list(args), keywords or [])
        return ast.copy_location(call, at)


def _shown(node: ast.expr) -> str:
    try:
        return ast.unparse(node)[:60]
    except (ValueError, RecursionError):
        return "?"


def _is_path(node: ast.expr) -> bool:
    """Reading it twice is reading it once: names, attributes, and entries by names or constants."""
    if isinstance(node, ast.Name | ast.Constant):
        return True
    if isinstance(node, ast.Attribute):
        return _is_path(node.value)
    if isinstance(node, ast.Subscript):
        return _is_path(node.value) and _is_path(node.slice)
    return False


def _readable(target: ast.expr) -> ast.expr:
    """An expression for what the target holds now, None where asking could have effects."""
    if not _is_path(target):
        return ast.Constant(None)
    text = ast.unparse(target)
    return ast.parse(text, mode="eval").body


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
