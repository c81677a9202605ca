"""Which names hold training or validation data: paths, file lists, loaders, tokens.

Data is recognised by the file pattern of the published export inside a string (`fineweb_train_*.bin`),
wherever that string is put together, and followed from there through the program.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from harness.audit.scans.name_roles import Role, Roles
from harness.audit.scans.scanned_program import ProgramIndex, constant_text
from harness.audit.scans.scope_nodes import called_name

if TYPE_CHECKING:
    from harness.audit.scans.scope_nodes import Scope

TRAIN, VALIDATION = "train", "val"
TRAIN_LOADER, VALIDATION_LOADER = "train-loader", "val-loader"

_PATTERNS = {
    TRAIN: re.compile(r"(?<![a-z])train(ing)?_?[\w*]*\.bin|_train_(\*|\d)|[\w/]*/train/\*"),
    VALIDATION: re.compile(r"(?<![a-z])val(idation)?_?[\w*]*\.bin|_val_(\*|\d)|[\w/]*/val/\*"),
}
_WORDS = re.compile("train|val")  # one of them is in whatever the patterns match
_PUT_TOGETHER = frozenset({ast.Constant, ast.JoinedStr, ast.Call, ast.BinOp})
_READS = frozenset({"fromfile", "memmap", "glob", "frombuffer", "open"})
_LOADERS = {TRAIN: TRAIN_LOADER, VALIDATION: VALIDATION_LOADER}
_PASSING = frozenset(
    [
        "glob",
        "sorted",
        "list",
        "Path",
        "str",
        "iglob",
        "fromfile",
        "memmap",
        "load",
        "open",
        "read_bytes",
        "frombuffer",
        "tuple",
        "iter",
        "next",
    ]
)


def data_roles(index: ProgramIndex) -> Roles:
    """Roles train and val for paths and tokens, train-loader and val-loader for objects that read them."""
    return index.once("data_roles", lambda: _followed(index))


def _followed(index: ProgramIndex) -> Roles:
    reading: dict[str, str] = {}
    seeds: dict[int, Role] = {}
    telling = [
        place for place in index.order.of_kind(ast.Constant) if _WORDS.search(_text(index.order.nodes[place]))
    ]

    def seed(node: ast.expr, scope: Scope) -> Role:
        if node.__class__ not in _PUT_TOGETHER:
            return None
        if id(node) not in index.order.places:
            return _seed(node)
        if id(node) not in seeds:
            stretch = index.order.stretch(node)
            following = bisect_left(telling, stretch.start)
            is_telling = following < len(telling) and telling[following] < stretch.stop
            seeds[id(node)] = _seed(node) if is_telling else None
        return seeds[id(node)]

    loads = {name for name in index.by_name if _loads(name, index)}

    def through(node: ast.Call, scope: Scope, roles: Roles) -> Role:
        return _through(node, scope, roles, index, reading, loads)

    roles = Roles(index, seed, slices_keep=True, through=through)
    for owner, methods in index.by_owner.items():
        found = {
            role
            for method in methods
            if method.name == "__init__"
            for node in index.own.of(method.node, ast.Attribute, ast.Name, ast.Constant)
            if isinstance(role := roles.of(node, method.node), str)
        }
        if len(found & {TRAIN, VALIDATION}) == 1:
            reading[owner] = next(iter(found & {TRAIN, VALIDATION}))
    if reading:
        roles = Roles(index, seed, slices_keep=True, through=through)
    return roles


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _seed(node: ast.expr) -> Role:
    if isinstance(node, ast.Constant) and not isinstance(node.value, str):
        return None
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Add | ast.Div | ast.Mod):
        return None
    if isinstance(node, ast.Call) and called_name(node) not in {"join", "get", "format"}:
        return None
    text = constant_text(node, 600)
    found = [role for role, pattern in _PATTERNS.items() if pattern.search(text)]
    return found[0] if len(found) == 1 else None


def _through(
    node: ast.Call, scope: Scope, roles: Roles, index: ProgramIndex, reading: dict[str, str], loads: set[str]
) -> Role:
    name = called_name(node)
    is_class = name in index.by_owner
    if not is_class and name not in _PASSING and name not in loads:
        return None
    given = [roles.of(argument, scope, 5) for argument in node.args[:6]]
    given += [roles.of(word.value, scope, 5) for word in node.keywords[:8]]
    sources = {role for role in given if role in _LOADERS}
    if is_class:
        if len(sources) == 1:
            return _LOADERS[str(next(iter(sources)))]
        return _LOADERS[reading[name]] if name in reading and not sources else None
    return next(iter(sources)) if len(sources) == 1 else None


def _loads(name: str, index: ProgramIndex) -> bool:
    """Whether a function of the program reads files itself, or is a thin layer over one that does."""
    for function in index.by_name.get(name, ())[:2]:
        if _READS & index.own.called(function.node).keys():
            return True
    return False
