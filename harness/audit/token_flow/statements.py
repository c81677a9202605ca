"""What statements do: assign, branch, loop, define, import. Each tells how it ended, if it ended a block."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.token_flow import (
    calling,
    contents,
    declarations,
    gates,
    indexing,
    operators,
    second_passes,
)
from harness.audit.token_flow.flow import NOTHING, REPEATED, Flow, replace
from harness.audit.token_flow.objects import ClassOf, Function, Scope, merged

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.audit.token_flow.walker import Walker


def _assign(walker: Walker, node: ast.Assign) -> str:
    value = walker.evaluate(node.value)
    for target in node.targets:
        walker.bind(target, value)
    return ""


def _annotated(walker: Walker, node: ast.AnnAssign) -> str:
    if node.value is not None:
        walker.bind(node.target, walker.evaluate(node.value))
    return ""


def _augmented(walker: Walker, node: ast.AugAssign) -> str:
    added = walker.evaluate(node.value)
    if isinstance(node.target, ast.Subscript):
        indexing.add_in_place(walker, node.target, node.op, added)
        return ""
    old = walker.evaluate(node.target)
    result = operators.accumulated(walker, node, old, added)
    if added.scores:
        contents.keep_sum(walker, old, result)
    walker.bind(node.target, result)
    return ""


def _expression(walker: Walker, node: ast.Expr) -> str:
    walker.evaluate(node.value)
    return ""


def _return(walker: Walker, node: ast.Return) -> str:
    if walker.returns:
        walker.returns[-1].append(
            walker.evaluate(node.value) if node.value is not None else Flow(text="None")
        )
    return "return"


def _if(walker: Walker, node: ast.If) -> str:
    test = walker.evaluate(node.test)
    walker.line = node.lineno
    arms = [body for body in (node.body, node.orelse) if not body or walker.is_reached(body[0])]
    before = dict(walker.scope.names)
    ends, after = [], []
    for body in arms:
        walker.scope.names = dict(before)
        walker.guards.append(replace(test, joined_at=walker.here))
        end = walker.run(body)
        walker.guards.pop()
        ends.append(end)
        if end in ("break", "continue") and walker.left:
            walker.left[-1].append(walker.scope.names)
        if not end:
            after.append(walker.scope.names)
    walker.scope.names = merged(after) if after else before
    walker.line = node.lineno
    gates.decide(walker, test, before)
    if "continue" in ends and not all(ends):
        walker.skips.append(test)
    # An arm that leaves early leaves the other one's names behind.
    return ends[0] if arms and all(ends) else ""


def _for(walker: Walker, node: ast.For | ast.AsyncFor) -> str:
    iterable = walker.evaluate(node.iter)
    is_repeated = REPEATED in iterable.kinds  # then two passes may be over the same element
    values = [contents.element(walker, iterable, 0 if is_repeated else number) for number in (0, 1)]
    before = dict(walker.scope.names)
    varied = second_passes.is_varied(iterable)
    walker.walk_loop(
        node, node.body, node.target, values, is_varied=varied or is_repeated, is_choosing=not is_repeated
    )
    _keep_unassigned(walker, before)
    return walker.run(node.orelse)


def _while(walker: Walker, node: ast.While) -> str:
    walker.evaluate(node.test)
    walker.walk_loop(node, node.body, None, [], is_varied=False)
    return ""


def _keep_unassigned(walker: Walker, before: dict[str, Flow]) -> None:
    for name, value in before.items():
        walker.scope.names.setdefault(name, value)


def _with(walker: Walker, node: ast.With | ast.AsyncWith) -> str:
    for item in node.items:
        value = calling.entered(walker, walker.evaluate(item.context_expr))
        if item.optional_vars is not None:
            walker.bind(item.optional_vars, value)
    return walker.run(node.body)


def _try(walker: Walker, node: ast.Try | ast.TryStar) -> str:
    end = walker.run(node.body)
    for handler in node.handlers:
        walker.run(handler.body)
    if not end:
        end = walker.run(node.orelse)
    return walker.run(node.finalbody) or (end if end != "raise" else "")


def _raise(walker: Walker, node: ast.Raise) -> str:
    if node.exc is not None:
        walker.evaluate(node.exc)  # `raise SystemExit(main())` runs the script
    return "raise"


def _assert(walker: Walker, node: ast.Assert) -> str:
    walker.evaluate(node.test)
    return ""


def _match(walker: Walker, node: ast.Match) -> str:
    subject = walker.evaluate(node.subject)
    before = dict(walker.scope.names)
    ends, after = [], []
    for case in node.cases:
        if not walker.is_reached(case.body[0]):
            continue
        walker.scope.names = dict(before)
        for pattern in ast.walk(case.pattern):
            name = pattern.name if isinstance(pattern, ast.MatchAs | ast.MatchStar) else None
            if name is not None:
                whole = pattern is case.pattern
                walker.scope.names[name] = subject if whole else contents.element(walker, subject, 0)
        end = walker.run(case.body)
        ends.append(end)
        if end in ("break", "continue") and walker.left:
            walker.left[-1].append(walker.scope.names)
        if not end:
            after.append(walker.scope.names)
    walker.scope.names = merged(after) if after else before
    return ends[0] if ends and all(ends) else ""


def _define(walker: Walker, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    function = Function(node, walker.scope, walker.file, kind=walker.syntax_fact(declarations.kind_of, node))
    walker.scope.names[node.name] = Flow(objects=(function,))
    return ""


def _class(walker: Walker, node: ast.ClassDef) -> str:
    bases = [walker.evaluate(base) for base in node.bases]
    own = tuple(each for base in bases for each in base.objects if isinstance(each, ClassOf))
    outer = walker.scope
    members = Scope(outer=outer, module=walker.file)
    walker.scope = members
    walker.run(node.body)
    walker.scope = outer
    made = ClassOf(node.name, members, own)
    if walker.syntax_fact(declarations.is_record, node) or any(base.fields is not None for base in own):
        made.fields = declarations.fields_of(node, own)
        made.is_tuple = any(base.text == "module:typing.NamedTuple" for base in bases)
    for member in members.names.values():
        for each in member.objects:
            if isinstance(each, Function) and each.scope is members and each.of is None:
                each.of = made
    outer.names[node.name] = Flow(objects=(made,))
    return ""


def _import(walker: Walker, node: ast.Import) -> str:
    for alias in node.names:
        path = walker.program.find_module(alias.name, walker.file)
        name = alias.asname or alias.name.partition(".")[0]
        if path is not None:
            members = walker.run_module(path)
            walker.scope.names[name] = Flow(objects=(ClassOf(alias.name, members),))
        else:
            walker.scope.names[name] = Flow(text=f"module:{alias.name if alias.asname else name}")
    return ""


def _import_from(walker: Walker, node: ast.ImportFrom) -> str:
    path = walker.program.find_module(node.module or "", walker.file, node.level)
    for alias in node.names:
        name = alias.asname or alias.name
        if path is not None:
            members = walker.run_module(path)
            if name == "*":
                walker.scope.names.update(members.names)
            else:
                walker.scope.names[name] = members.names.get(alias.name, NOTHING)
        else:
            walker.scope.names[name] = Flow(text=f"module:{node.module}.{alias.name}")
    return ""


STATEMENTS: dict[type[ast.stmt], Callable[..., str]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Expr: _expression,
    ast.Return: _return,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.FunctionDef: _define,
    ast.AsyncFunctionDef: _define,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Break: lambda _walker, _node: "break",
    ast.Continue: lambda _walker, _node: "continue",
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Match: _match,
}
