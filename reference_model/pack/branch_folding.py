"""Decides the tests that hang on baked switches, and takes the branches not taken out of the text.

Two passes, repeated until nothing changes: tests become `True` or `False` (or lose the decided part of an
`and` or `or`), then `if` statements with such a test keep only the lines that run. Statements behind a
`return`, `raise`, `continue` or `break` of the same block go as well. Comments of the surviving lines stay.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from reference_model.pack.config_paths import Attributes, ConfigPaths
from reference_model.pack.module_graph import Module, is_type_checking
from reference_model.pack.source_edits import (
    Edit,
    first_line,
    last_line,
    nodes_in_f_strings,
    statement_bodies,
)

if TYPE_CHECKING:
    from reference_model.pack.switches import Switches

_ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_PLAIN = (ast.Name, ast.Attribute, ast.Call, ast.Constant, ast.Subscript)
_DEPTH = 8  # of a local bound to a local bound to ...


def folded(module: Module, switches: Switches, attributes: Attributes) -> Module:
    """The module with only the branches that the switches leave."""
    if not any(path.rpartition(".")[2] in module.text for path in switches.values):
        return module
    while True:
        tests = _TestFolder(module, switches, attributes).edits()
        edits = tests or _lines_not_run(module)
        if not edits:
            return module
        text = module.source.edited(edits)
        module = Module(module.name, text, is_package=module.is_package)


class _TestFolder:
    """The edits of the first pass."""

    def __init__(self, module: Module, switches: Switches, attributes: Attributes) -> None:
        self._module = module
        self._switches = switches
        self._paths = ConfigPaths(module, switches.groups, attributes)

    def edits(self) -> list[Edit]:
        """Tests with a decided outcome, outermost first; IfExp are replaced whole."""
        edits: list[Edit] = []
        unplaced = nodes_in_f_strings(self._module.nodes)
        for node in self._module.nodes:
            if node in unplaced:
                continue
            if isinstance(node, ast.IfExp):
                truth = self._truth(node.test)
                if truth is not None:
                    edits.append(self._module.source.replaced(node, self._chosen(node, truth=truth)))
                    continue
            if isinstance(node, (ast.If, ast.While, ast.IfExp, ast.Assert)):
                edits += self._test_edits(node.test)
            elif isinstance(node, ast.comprehension):
                for test in node.ifs:
                    edits += self._test_edits(test)
            elif isinstance(node, ast.Compare):
                edits += self._test_edits(node)
        return edits

    def _chosen(self, node: ast.IfExp, *, truth: bool) -> str:
        chosen = node.body if truth else node.orelse
        text = self._module.source.segment(chosen)
        return text if isinstance(chosen, _PLAIN) else f"({text})"

    def _test_edits(self, test: ast.expr) -> list[Edit]:
        if isinstance(test, ast.Constant):
            return []
        truth = self._truth(test)
        if truth is not None:
            return [self._module.source.replaced(test, str(truth))]
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._test_edits(test.operand)
        if isinstance(test, ast.BoolOp):
            neutral = isinstance(test.op, ast.And)
            open_ = [each for each in test.values if self._truth(each) is not neutral]
            if len(open_) < len(test.values) and not any(self._truth(each) is not None for each in open_):
                return [self._module.source.replaced(test, self._joined(test, open_))]
            return [edit for each in test.values for edit in self._test_edits(each)]
        return []

    def _joined(self, test: ast.BoolOp, operands: list[ast.expr]) -> str:
        texts = [
            text if isinstance(each, (*_PLAIN, ast.Compare, ast.UnaryOp)) else f"({text})"
            for each in operands
            for text in [self._module.source.segment(each)]
        ]
        joined = (" and " if isinstance(test.op, ast.And) else " or ").join(texts)
        return f"({joined})" if "\n" in joined else joined

    def _truth(self, node: ast.expr, depth: int = _DEPTH) -> bool | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, bool) else None
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._truth(node.operand, depth)
            return None if inner is None else not inner
        if isinstance(node, ast.BoolOp):
            return self._truth_of_several(node, depth)
        if isinstance(node, ast.Compare):
            return self._truth_of_comparison(node)
        path = self._paths.path(node)
        if path:
            return self._switches.truth(path)
        source = self._paths.source(node)
        return self._truth(source, depth - 1) if source is not None and depth and _is_test(source) else None

    def _truth_of_several(self, node: ast.BoolOp, depth: int) -> bool | None:
        deciding = isinstance(node.op, ast.Or)
        for each in node.values:
            truth = self._truth(each, depth)
            if truth is deciding:
                return truth
            if truth is None and any(
                isinstance(inner, (ast.Call, ast.NamedExpr)) for inner in ast.walk(each)
            ):
                return None  # what is called may do more than answer
        return None if any(self._truth(each, depth) is None for each in node.values) else not deciding

    def _truth_of_comparison(self, node: ast.Compare) -> bool | None:
        if len(node.ops) != 1:
            return None
        left, operator, right = node.left, node.ops[0], node.comparators[0]
        path = self._paths.path(left)
        if path:
            return self._switches.compared(path, operator, right)
        path = self._paths.path(right)
        if not path:
            return None
        if isinstance(operator, (ast.In, ast.NotIn)):
            inside = self._switches.contains(path)
            return None if inside is None else inside is isinstance(operator, ast.In)
        if isinstance(operator, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
            return self._switches.compared(path, operator, left)
        return None


def _is_test(node: ast.expr) -> bool:
    """Whether a local bound to this has a truth of its own: comparisons, `not`, and `and`/`or` of such."""
    if isinstance(node, ast.BoolOp):
        return all(_is_test(each) for each in node.values)
    return isinstance(node, (ast.Compare, ast.Constant)) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def _lines_not_run(module: Module) -> list[Edit]:
    """The edits of the second pass: decided `if` chains, and statements behind the end of a block."""
    edits: list[Edit] = []
    for node in module.nodes:
        for body in statement_bodies(node):
            is_elif = isinstance(node, ast.If) and body is node.orelse and _starts_with_elif(module, node)
            for place, statement in enumerate(body):
                if isinstance(statement, _ENDS) and place + 1 < len(body) and not _yields(body[place + 1 :]):
                    start, end = last_line(statement) + 1, last_line(body[-1])
                    edits.append(module.source.replaced_lines(start, end, ""))
                    break
                if isinstance(statement, ast.If) and not is_elif and not is_type_checking(statement):
                    alone = statement is body[-1] and all(_vanishes(module, each) for each in body[:-1])
                    edits += _chain_edits(module, statement, alone=alone)
    return edits


def _yields(statements: list[ast.stmt]) -> bool:
    return any(
        isinstance(inner, (ast.Yield, ast.YieldFrom)) for each in statements for inner in ast.walk(each)
    )


def _starts_with_elif(module: Module, node: ast.If) -> bool:
    if len(node.orelse) != 1 or not isinstance(node.orelse[0], ast.If):
        return False
    return module.source.segment(node.orelse[0]).startswith("elif")


Branch = tuple[ast.expr | None, list[ast.stmt], int]  # test (None: else), body, line of its header


def _branches(module: Module, top: ast.If) -> list[Branch]:
    """An `if ... elif ... else` as its branches."""
    branches: list[Branch] = [(top.test, top.body, top.lineno)]
    node = top
    while _starts_with_elif(module, node):
        inner = node.orelse[0]
        assert isinstance(inner, ast.If)
        node = inner
        branches.append((node.test, node.body, node.lineno))
    if node.orelse:
        branches.append((None, node.orelse, last_line(node.body[-1]) + 1))
    return branches


def _branches_that_may_run(branches: list[Branch]) -> list[Branch]:
    kept: list[Branch] = []
    for test, body, header in branches:
        truth = True if test is None else _literal(test)
        if truth is not False:
            kept.append((None if truth else test, body, header))
        if truth:
            break
    return kept


def _vanishes(module: Module, statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and not _branches_that_may_run(_branches(module, statement))


def _chain_edits(module: Module, top: ast.If, *, alone: bool) -> list[Edit]:
    """The chain with only the branches that may run; `alone` puts `pass` where nothing would be left."""
    branches = _branches(module, top)
    if not any(test is not None and _literal(test) is not None for test, _, _ in branches):
        return []
    kept = _branches_that_may_run(branches)
    return [module.source.replaced_lines(top.lineno, last_line(top), _chain(module, top, kept, alone=alone))]


def _literal(test: ast.expr) -> bool | None:
    return test.value if isinstance(test, ast.Constant) and isinstance(test.value, bool) else None


def _chain(module: Module, top: ast.If, kept: list[Branch], *, alone: bool) -> str:
    indent = " " * top.col_offset
    if not kept:
        return f"{indent}pass\n" if alone else ""
    if kept[0][0] is None:
        return _indented(module, kept[0][1], kept[0][2], indent)
    parts = []
    for place, (test, body, header) in enumerate(kept):
        word = "elif" if place else "if"
        head = "else:" if test is None else f"{word} {_in_brackets(module, test)}:"
        parts.append(f"{indent}{head}\n{_indented(module, body, header, indent + '    ')}")
    return "".join(parts)


def _in_brackets(module: Module, test: ast.expr) -> str:
    text = module.source.segment(test)
    return f"({text})" if "\n" in text else text


def _indented(module: Module, body: list[ast.stmt], header: int, indent: str) -> str:
    """The lines of a block at another depth; lines inside strings stay as they are."""
    if first_line(body[0]) <= header:  # `if x: y` on one line
        return "".join(f"{indent}{module.source.segment(each)}\n" for each in body)
    fixed = {
        line
        for each in body
        for node in ast.walk(each)
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and last_line(node) > node.lineno
        for line in range(node.lineno + 1, last_line(node) + 1)
    }
    old = body[0].col_offset
    first = _comments_above(module, first_line(body[0]), header)
    shifted = []
    for number in range(first, last_line(body[-1]) + 1):
        line = module.source.lines(number, number)
        blank = line[:old].strip() or not line.strip()
        shifted.append(line if number in fixed or blank else indent + line[old:])
    text = "".join(shifted)
    return text if text.endswith("\n") else text + "\n"


def _comments_above(module: Module, line: int, header: int) -> int:
    """First line of the comments directly above `line`, below the header."""
    while line - 1 > header and module.source.lines(line - 1, line - 1).lstrip().startswith("#"):
        line -= 1
    return line
