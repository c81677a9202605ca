"""Counts of scored tokens that are added to a loss, or mixed with a probability, once it was looked up.

    loss = F.cross_entropy(model(inputs), targets, reduction="none")
    total += (loss - torch.log(counts)[targets]).sum()

What goes into logits is asked where the loss is made; this asks the same of what is added afterwards. Only
sums count: a product or quotient of a loss is a mean, a weight or bits per byte.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter.values import Value
from harness.audit.libraries import counted_passes, whole_stream
from harness.audit.libraries.registry import HANDLERS, on_call, on_method

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine
    from harness.audit.interpreter.values import Source

Args = list[Value]
Kwargs = dict[str, Value]


def _computed(machine: Machine, op: object, left: Value, right: Value, result: Value, node: ast.AST) -> Value:
    if isinstance(op, ast.Add | ast.Sub):
        _asked(machine, machine.source_of(left), machine.source_of(right), node)
    return result


HANDLERS.computed.append(_computed)


@on_call(
    "torch.add",
    "torch.sub",
    "torch.subtract",
    "torch.lerp",
    "torch.logaddexp",
    "numpy.add",
    "numpy.subtract",
    "numpy.logaddexp",
)
def _added(machine: Machine, _path: str, args: Args, _kwargs: Kwargs, node: ast.AST) -> Value | None:
    _asked_of_all(machine, args, node)
    return None


@on_method("add", "add_", "sub", "sub_", "subtract", "lerp", "logaddexp")
def _added_to(
    machine: Machine, receiver: Value, _name: str, args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    _asked_of_all(machine, [receiver, *args], node)
    return None


def _asked_of_all(machine: Machine, given: Args, node: ast.AST) -> None:
    if len(given) >= 2:
        _asked(machine, machine.deep_source(given[0]), machine.deep_source(given[1]), node)


def _asked(machine: Machine, one: Source, other: Source, node: ast.AST) -> None:
    """Leaves a score open to which counts are added that may know its tokens."""
    for scored, added in ((one, other), (other, one)):
        if scored.scores and not added.scores and _knows(machine, added, scored):
            what = "counts of scored tokens were added to their score"
            machine.cannot_see("validation-in-loss", what, node, on_path=True)


def _knows(machine: Machine, added: Source, scored: Source) -> bool:
    if whole_stream.is_statistic(added):
        return True
    return counted_passes.know(machine, added, scored)
