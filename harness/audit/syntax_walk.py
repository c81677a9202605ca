"""Children of syntax nodes, and all nodes of a program in one list that is made once.

`children` and `nodes_below` give the order of `ast.iter_child_nodes` and `ast.walk` at a third of their cost.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a field of these names holds is never a node, whatever the kind of node.
_PLAIN = frozenset(
    {"attr", "conversion", "id", "is_async", "kind", "level", "module", "simple", "type_comment"}
)
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in _PLAIN) if kind is not ast.Constant else ()
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly below a node, in source order."""
    found: list[ast.AST] = []
    for name in node._fields:
        part = getattr(node, name, None)
        if isinstance(part, ast.AST):
            found.append(part)
        elif isinstance(part, list):
            found += [one for one in part if isinstance(one, ast.AST)]
    return found


def nodes_below(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, level by level."""
    level = [node]
    while level:
        yield from level
        level = [child for one in level if one._fields for child in children(one)]


@dataclass(slots=True)
class SyntaxOrder:
    """The nodes of trees in source order, each followed by those below it.

    What is below a node is then one stretch of the list, and asking whether it holds a certain node needs no
    walk. Contexts and operators are one object wherever they stand: the place of such a node says nothing.
    """

    nodes: list[ast.AST] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # by place: where the stretch of a node ends
    places: dict[int, int] = field(default_factory=dict)  # by the identity of a node
    _of_kind: dict[type[ast.AST], list[int]] = field(default_factory=dict)

    def add(self, tree: ast.AST, at_most: int) -> bool:
        """Append a tree; False, and nothing is appended, where the list would get longer than `at_most`."""
        nodes, ends, places = self.nodes, self.ends, self.places
        self._of_kind = {}
        start = len(nodes)
        waiting: list[Any] = [tree]  # a number is the place of a node whose stretch ends here
        while waiting:
            node = waiting.pop()
            place = len(nodes)
            names = _FIELDS.get(node.__class__)
            if names is None:  # no node: the end of one, or an empty or plain field
                if node.__class__ is int:
                    ends[node] = place
                continue
            places[id(node)] = place
            nodes.append(node)
            if place >= at_most:
                break
            if node.__class__ is ast.Name:  # half of all nodes are names and their contexts
                nodes.append(node.ctx)
                ends += (place + 2, place + 2)
                continue
            ends.append(place + 1)
            if not names:
                continue
            waiting.append(place)
            for name in reversed(names):
                part = getattr(node, name, None)
                if part.__class__ is list:
                    waiting += part[::-1]
                elif part is not None:
                    waiting.append(part)
        if len(nodes) > at_most:
            self._cut(start)
            return False
        return True

    def _cut(self, start: int) -> None:
        for node in self.nodes[start:]:
            self.places.pop(id(node), None)
        del self.nodes[start:], self.ends[start:]

    def of_kind(self, kind: type[ast.AST]) -> list[int]:
        """The places of all nodes of one kind."""
        if not self._of_kind:
            for place, node in enumerate(self.nodes):
                self._of_kind.setdefault(node.__class__, []).append(place)
        return self._of_kind.get(kind, [])

    def below(self, node: ast.AST) -> list[ast.AST]:
        """The node and all below it, in source order; of a node made by ourselves too."""
        place = self.places.get(id(node))
        return list(nodes_below(node)) if place is None else self.nodes[place : self.ends[place]]

    def stretch(self, node: ast.AST) -> range:
        """The places of a node of the trees and of all below it."""
        place = self.places[id(node)]
        return range(place, self.ends[place])
