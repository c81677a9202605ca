"""Facts about functions and loops that their syntax alone gives, found in one pass over a tree."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import get_args

from harness.audit.syntax_walk import children, nodes_below

# Where one of these is called a loss or a probability of tokens is made.
LOSS_NAMES = frozenset(
    {
        "cross_entropy",
        "nll_loss",
        "log_softmax",
        "logsumexp",
        "CrossEntropyLoss",
        "NLLLoss",
        "softmax_cross_entropy",
    }
)
# Calls that take all elements of what they are given before they return, and methods that do.
_TAKE_ALL = frozenset(
    {
        *("sum", "list", "tuple", "set", "frozenset", "dict", "sorted", "min", "max", "any", "all"),
        *("join", "extend", "update", "fromiter", "cat", "stack", "deque", "fsum", "mean", "Counter"),
    }
)
_NUMBER_TYPES = frozenset({"int", "float", "bool"})
_SIDE_BY_SIDE = frozenset({"enumerate", "zip", "tqdm"})  # what hands on one element at a time
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_LOOPS = ast.For | ast.AsyncFor | ast.While
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# The kinds that `facts_of` looks at, besides names and attributes.
_TELLING = frozenset(
    {
        *get_args(_FUNCTIONS | ast.Lambda | _LOOPS | _COMPREHENSIONS),
        *(ast.Expr, ast.Yield, ast.YieldFrom, ast.Call, ast.AugAssign, ast.Assign, ast.AnnAssign, ast.arg),
        ast.ExceptHandler,
    }
)


@dataclass(slots=True)
class SyntaxFacts:
    """By the identity of a node, which lives as long as its tree."""

    generators: set[int] = field(default_factory=set)  # functions with a yield of their own
    receivers: set[int] = field(default_factory=set)  # generators that use what is sent to them
    looped_over: set[int] = field(default_factory=set)  # calls whose result a loop is over
    drained: set[int] = field(default_factory=set)  # expressions all of whose elements are taken at once
    converted: dict[int, str] = field(default_factory=dict)  # expressions made a number at once: its type
    hidden_calls: list[tuple[int, str]] = field(default_factory=list)  # line and place of calls not walked
    scoring: set[int] = field(default_factory=set)  # functions that mention a loss
    counters: dict[int, tuple[str, ...]] = field(default_factory=dict)  # loops: names that count passes
    functions: list[tuple[int, int, str]] = field(default_factory=list)  # first line, last line, name

    def function_at(self, line: int) -> str:
        """The innermost function around a line."""
        around = [one for one in self.functions if one[0] <= line <= one[1]]
        return max(around, default=(0, 0, "<module>"))[2]


def facts_of(tree: ast.Module) -> SyntaxFacts:
    """The facts of a tree."""
    facts = SyntaxFacts()
    counted: dict[int, set[str]] = {}
    only_told: set[int] = set()  # yields whose value nobody uses
    # Each entry: a node, the functions around it, the loops around it.
    todo: list[tuple[ast.AST, tuple[int, ...], tuple[ast.AST, ...]]] = [(tree, (), ())]
    while todo:
        node, functions, loops = todo.pop()
        kind = node.__class__
        if kind is ast.Name or kind is ast.Attribute:  # a third of the nodes that have parts
            if (node.id if kind is ast.Name else node.attr) in LOSS_NAMES:  # type: ignore[attr-defined]
                facts.scoring.update(functions)
        elif kind not in _TELLING:
            pass
        elif isinstance(node, _FUNCTIONS | ast.Lambda):
            functions = (*functions, id(node))
            loops = ()
            if not isinstance(node, ast.Lambda):
                facts.functions.append((node.lineno, node.end_lineno or node.lineno, node.name))
                if _calls(node.returns):
                    facts.hidden_calls.append((node.lineno, "annotation"))
        elif isinstance(node, _LOOPS):
            loops = (*loops, node)
            counted.setdefault(id(node), set())
            if not isinstance(node, ast.While):
                facts.looped_over.update(_asked(node.iter))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield):
            only_told.add(id(node.value))
        elif isinstance(node, ast.Yield | ast.YieldFrom):
            facts.generators.update(functions[-1:])
            if isinstance(node, ast.YieldFrom):
                facts.looped_over.add(id(node.value))
            elif id(node) not in only_told:
                facts.receivers.update(functions[-1:])
        elif isinstance(node, ast.Call):
            _take(node, facts)
            if isinstance(node.func, ast.Name) and node.func.id in _NUMBER_TYPES and len(node.args) == 1:
                facts.converted[id(node.args[0])] = node.func.id
        elif isinstance(node, _COMPREHENSIONS) and len(node.generators) == 1:
            if not any(isinstance(one, ast.Call) for part in _made(node) for one in nodes_below(part)):
                facts.drained.add(id(node.generators[0].iter))
        elif isinstance(node, ast.AugAssign | ast.Assign):
            _count(node, loops, counted)
        elif isinstance(node, ast.AnnAssign | ast.arg) and _calls(node.annotation):
            facts.hidden_calls.append((node.lineno, "annotation"))
        elif isinstance(node, ast.ExceptHandler) and _calls(node.type):
            facts.hidden_calls.append((node.lineno, "exception type"))
        if kind is not ast.Name:
            todo += [(child, functions, loops) for child in children(node) if child._fields]
    facts.counters = {loop: tuple(sorted(names)) for loop, names in counted.items()}
    return facts


def _asked(iterable: ast.expr) -> list[int]:
    """The calls a loop over this asks for one element at a time."""
    if not isinstance(iterable, ast.Call):
        return []
    found = [id(iterable)]
    if isinstance(iterable.func, ast.Name) and iterable.func.id in _SIDE_BY_SIDE:
        found.extend(id(one) for one in iterable.args)
    return found


def _made(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> list[ast.expr]:
    """What a comprehension evaluates for each element."""
    made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    return [*made, *node.generators[0].ifs]


def _take(node: ast.Call, facts: SyntaxFacts) -> None:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    # `type(x)(...)` makes another list or tuple like x.
    is_like = isinstance(node.func, ast.Call) and getattr(node.func.func, "id", "") == "type"
    if name in _TAKE_ALL or is_like:
        facts.drained.update(id(one.value if isinstance(one, ast.Starred) else one) for one in node.args)


def _calls(node: ast.expr | None) -> bool:
    """Whether evaluating an annotation or the like calls something."""
    return node is not None and any(isinstance(one, ast.Call | ast.NamedExpr) for one in nodes_below(node))


def _count(
    node: ast.AugAssign | ast.Assign, loops: tuple[ast.AST, ...], counted: dict[int, set[str]]
) -> None:
    if isinstance(node, ast.AugAssign):
        if isinstance(node.target, ast.Name):
            for loop in loops:
                counted[id(loop)].add(node.target.id)
        return
    names = [target.id for target in node.targets if isinstance(target, ast.Name)]
    for loop in loops:
        if isinstance(loop, ast.While):
            counted[id(loop)].update(names)
