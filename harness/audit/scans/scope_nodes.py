"""The nodes of modules and functions by their kind, taken from the one list that a program's trees gave."""

from __future__ import annotations

import ast
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from harness.audit.syntax_walk import SyntaxOrder

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Scope = FunctionNode | ast.Module
_One = TypeVar("_One", bound=ast.AST)
_Other = TypeVar("_Other", bound=ast.AST)
_Third = TypeVar("_Third", bound=ast.AST)


class ScopeNodes:
    """Every scan asks for the same kinds in the same scopes; each question is answered once."""

    def __init__(self, order: SyntaxOrder) -> None:
        self._order = order
        self._stops: dict[bool, list[int]] = {}
        self._all: dict[tuple[int, bool], list[ast.AST]] = {}
        self._of: dict[tuple[int, bool, tuple[type[ast.AST], ...]], list[ast.AST]] = {}

    def every(self, scope: Scope, *, is_main: bool = True) -> list[ast.AST]:
        """The nodes of a module or function without those of functions defined in it, in source order.

        Class bodies belong to their scope, methods do not. Without `is_main` the block that runs only in a
        main script is left out.
        """
        key = (id(scope), is_main)
        if key not in self._all:
            self._all[key] = self._collected(scope, is_main)
        return self._all[key]

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
        """Those nodes that are of one of the kinds."""
        key = (id(scope), is_main, kinds)
        if key not in self._of:
            wanted = set(kinds)
            self._of[key] = [one for one in self.every(scope, is_main=is_main) if one.__class__ in wanted]
        return self._of[key]

    def _collected(self, scope: Scope, is_main: bool) -> list[ast.AST]:
        parts: list[ast.AST] = list(scope.body)
        if isinstance(scope, FunctionNode):
            parts = [
                *scope.args.defaults,
                *(one for one in scope.args.kw_defaults if one is not None),
                *parts,
            ]
        nodes, ends = self._order.nodes, self._order.ends
        stops = self._stops_at(is_main)
        found: list[ast.AST] = []
        for part in parts:
            stretch = self._order.stretch(part)
            place, end = stretch.start, stretch.stop
            while place < end:
                following = bisect_left(stops, place)
                stop = stops[following] if following < len(stops) and stops[following] < end else end
                found += nodes[place:stop]
                if stop == end:
                    break
                node = nodes[stop]
                if isinstance(node, FunctionNode):
                    found.append(node)
                    for decorator in node.decorator_list:
                        found += self._order.below(decorator)
                place = ends[stop]
        return found

    def _stops_at(self, is_main: bool) -> list[int]:
        """Places of what does not belong to the scope around it."""
        if is_main not in self._stops:
            self._stops[is_main] = [
                place
                for place, node in enumerate(self._order.nodes)
                if isinstance(node, FunctionNode) or (not is_main and is_main_guard(node))
            ]
        return self._stops[is_main]


def is_main_guard(node: ast.AST) -> bool:
    """Whether this is `if __name__ == "__main__":`."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
    )
