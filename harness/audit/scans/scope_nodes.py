"""The nodes of modules and functions by their kind, taken from the one list that a program's trees gave."""

from __future__ import annotations

import ast
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.syntax_walk import SyntaxOrder

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Scope = FunctionNode | ast.Module
_One = TypeVar("_One", bound=ast.AST)
_Other = TypeVar("_Other", bound=ast.AST)
_Third = TypeVar("_Third", bound=ast.AST)


class ScopeNodes:
    """Every scan asks for the same kinds in the same scopes; each question is answered once.

    The nodes of a module or function are those without the functions defined in it, in source order. Class
    bodies belong to their scope, methods do not. Without `is_main` the block that runs only in a main script
    is left out.
    """

    def __init__(self, order: SyntaxOrder) -> None:
        self._order = order
        self._stops: dict[bool, list[int]] = {}
        self._known_stretches: dict[tuple[int, bool], list[tuple[int, int]]] = {}
        self._of: dict[tuple[int, bool, tuple[type[ast.AST], ...]], list[Any]] = {}
        self._called: dict[int, dict[str, list[ast.Call]]] = {}

    def every(self, scope: Scope, *, is_main: bool = True) -> list[ast.AST]:
        """All nodes of a scope."""
        nodes = self._order.nodes
        stretches = self._stretches(scope, is_main)
        return [node for start, stop in stretches for node in nodes[start:stop]]

    @overload
    def of(self, scope: Scope, kind: type[_One], /, *, is_main: bool = ...) -> list[_One]: ...

    @overload
    def of(
        self, scope: Scope, kind: type[_One], other: type[_Other], /, *, is_main: bool = ...
    ) -> list[_One | _Other]: ...

    @overload
    def of(
        self,
        scope: Scope,
        kind: type[_One],
        other: type[_Other],
        third: type[_Third],
        /,
        *,
        is_main: bool = ...,
    ) -> list[_One | _Other | _Third]: ...

    @overload
    def of(self, scope: Scope, *kinds: type[ast.AST], is_main: bool = ...) -> list[Any]: ...

    def of(self, scope: Scope, *kinds: type[ast.AST], is_main: bool = True) -> list[Any]:
        """The nodes of a scope that are of one of the kinds."""
        key = (id(scope), is_main, kinds)
        if key not in self._of:
            found: list[int] = []
            for kind in kinds:
                places = self._order.of_kind(kind)
                for start, stop in self._stretches(scope, is_main) if places else ():
                    found += places[bisect_left(places, start) : bisect_left(places, stop)]
            if len(kinds) > 1:
                found.sort()
            nodes = self._order.nodes
            self._of[key] = [nodes[place] for place in found]
        return self._of[key]

    def called(self, scope: Scope) -> dict[str, list[ast.Call]]:
        """The calls of a scope by the last part of the name that is called."""
        if id(scope) not in self._called:
            found: dict[str, list[ast.Call]] = {}
            for node in self.of(scope, ast.Call):
                found.setdefault(called_name(node), []).append(node)
            self._called[id(scope)] = found
        return self._called[id(scope)]

    def _stretches(self, scope: Scope, is_main: bool) -> list[tuple[int, int]]:
        """Where the nodes of a scope stand: first place and the place after the last of each stretch."""
        key = (id(scope), is_main)
        if key not in self._known_stretches:
            parts: list[ast.AST] = list(scope.body)
            if isinstance(scope, FunctionNode):
                defaults = [*scope.args.defaults, *scope.args.kw_defaults]
                parts = [*(one for one in defaults if one is not None), *parts]
            found: list[tuple[int, int]] = []
            for part in parts:
                for start, stop in self._own_stretches(self._order.stretch(part), self._stops_at(is_main)):
                    joins = bool(found) and found[-1][1] == start
                    found.append((found.pop()[0] if joins else start, stop))
            self._known_stretches[key] = found
        return self._known_stretches[key]

    def _own_stretches(self, stretch: range, stops: list[int]) -> Iterator[tuple[int, int]]:
        place, end = stretch.start, stretch.stop
        while place < end:
            following = bisect_left(stops, place)
            stop = stops[following] if following < len(stops) else end
            if stop >= end:
                yield place, end
                return
            node = self._order.nodes[stop]
            if isinstance(node, FunctionNode):
                yield place, stop + 1
                for decorator in node.decorator_list:
                    inside = self._order.stretch(decorator)
                    yield inside.start, inside.stop
            elif place < stop:
                yield place, stop
            place = self._order.ends[stop]

    def _stops_at(self, is_main: bool) -> list[int]:
        """Places of what does not belong to the scope around it."""
        if is_main not in self._stops:
            order = self._order
            stops = [*order.of_kind(ast.FunctionDef), *order.of_kind(ast.AsyncFunctionDef)]
            if not is_main:
                stops += [place for place in order.of_kind(ast.If) if is_main_guard(order.nodes[place])]
            self._stops[is_main] = sorted(stops)
        return self._stops[is_main]


def called_name(node: ast.Call) -> str:
    """The last part of the name that is called, "" for what has none."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def is_main_guard(node: ast.AST) -> bool:
    """Whether this is `if __name__ == "__main__":`."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
    )
