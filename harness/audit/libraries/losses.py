"""Losses and log-probabilities of tokens: where scores are made, gathered, added up and chosen between."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.events import Accumulated, ForwardPass, Score, Selected
from harness.audit.interpreter.heap import Instance, Sequence
from harness.audit.interpreter.network_parts import root_of
from harness.audit.interpreter.values import (
    COMPARED,
    LOGITS,
    NONE,
    PROBABILITY,
    Source,
    Value,
    computed_from,
)
from harness.audit.libraries import learning, logit_inputs, whole_stream
from harness.audit.libraries.registry import HANDLERS, on_call, on_method
from harness.audit.regions import Split

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]


def score(
    machine: Machine, made: Source, targets: Value, node: ast.AST, is_entry_of_token: bool = True
) -> Value:
    """Losses of `targets` computed from `made`: one Score event for each region of targets.

    `is_entry_of_token`: the targets name a column of the logits; else they may only choose rows.
    """
    aimed = machine.deep_source(targets)
    learned, states = made.learned, made.states
    active: list[tuple[Instance, Source]] = machine.facts.get("networks", [])
    forward = made.forward
    if active:
        own = active[0][1]
        learned, states = learned | own.learned, states | own.states
        forward = own.forward or forward
    # A network that ran without gradient leaves no state for one to flow to.
    has_gradient = not machine.no_grad and (bool(states) or forward is None)
    result = computed_from((made, aimed.changed(index={})))
    if not aimed.reads:
        aimed = made
    elif is_entry_of_token:
        learned |= logit_inputs.known_too_soon(machine, made, aimed, node)
    ids = [
        machine.recorder.record(
            Score,
            machine.spot(node),
            region=region,
            forward=forward or machine.spot(node),
            states=tuple(sorted(states)),
            updates=tuple(sorted(learned)),
            has_gradient=has_gradient,
        ).id
        for region in learning.regions_of(machine, aimed)
    ]
    source = result.changed(
        learned=learned,
        states=states if not machine.no_grad else frozenset(),
        scores=result.scores | frozenset(ids),
        labels=result.labels | {PROBABILITY},
        forward=forward,
        index={},
    )
    value = Value(source=source)
    for handler in HANDLERS.scored:
        value = handler(machine, value, targets, value, node)
    return value


def _ran(
    machine: Machine, _receiver: Value, ref: Instance, args: Args, _result: Value, node: ast.AST
) -> None:
    """A forward pass over validation that cannot learn: if no loss comes of it, its result was discarded."""
    if not machine.no_grad:
        return
    source = computed_from(machine.deep_source(one) for one in args)
    for region in learning.regions_of(machine, source):
        if region.split is Split.VALIDATION:
            state = root_of(ref).id
            machine.recorder.record(ForwardPass, machine.spot(node), region=region, state=state)


HANDLERS.forwarded.append(_ran)


@on_call(
    "torch.nn.functional.cross_entropy",
    "torch.nn.functional.nll_loss",
    "mlx.nn.losses.cross_entropy",
    "*.cross_entropy",
    "*.nll_loss",
)
def _cross_entropy(machine: Machine, _path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    given = [*args, *kwargs.values()]
    if len(given) < 2:
        return None
    targets = kwargs.get("target", args[1] if len(args) > 1 else given[1])
    made = machine.deep_source(given[0])
    logit_inputs.targets_are_data(machine, made, machine.deep_source(targets), node)
    return score(machine, made, targets, node)


@on_call(
    "torch.log_softmax",
    "torch.softmax",
    "torch.nn.functional.log_softmax",
    "torch.nn.functional.softmax",
    "torch.logsumexp",
    "mlx.core.logsumexp",
    "*.log_softmax",
)
def _softmax(machine: Machine, _path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    del node
    given = args[0] if args else kwargs.get("input")
    return None if given is None else _normalised(machine, given)


@on_method("log_softmax", "softmax", "logsumexp")
def _softmax_method(
    machine: Machine, receiver: Value, _name: str, _args: Args, _kwargs: Kwargs, _node: ast.AST
) -> Value:
    return _normalised(machine, receiver)


def _normalised(machine: Machine, value: Value) -> Value:
    source = machine.source_of(value)
    labels = (PROBABILITY,) if LOGITS in source.labels or source.learned or source.states else ()
    return Value(source=source.labelled(*labels) if labels else source)


def gathered(machine: Machine, table: Value, at: Value, node: ast.AST) -> Value | None:
    """`log_probabilities.gather(-1, targets)`: the realised token's probability."""
    source = machine.deep_source(table)
    aimed = machine.deep_source(at)
    is_of_tokens = PROBABILITY in source.labels or LOGITS in source.labels
    if is_of_tokens and not source.scores and aimed.reads and _is_of_network(machine, source):
        return score(machine, source, at, node)
    if not source.reads and aimed.reads:
        return Value(source=computed_from((source, aimed)))
    return Value(source=computed_from((source, aimed.changed(reads=frozenset(), index={}))))


def _is_of_network(machine: Machine, source: Source) -> bool:
    return LOGITS in source.labels or bool(source.states) or bool(machine.facts.get("networks"))


def _subscripted(machine: Machine, owner: Value, key: Value, result: Value, node: ast.AST) -> Value:
    """`log_probabilities[arange, targets]`, and probabilities looked up one token at a time."""
    source = machine.source_of(owner)
    if PROBABILITY not in source.labels or source.scores or not _is_of_network(machine, source):
        return result
    aimed = machine.deep_source(key)
    if not aimed.reads:
        return result
    named = logit_inputs.cuts(aimed) | whole_stream.label_of(aimed)
    tokens = Value(source=Source(reads=aimed.reads, labels=named))
    return score(machine, source, tokens, node, is_entry_of_token=isinstance(key.ref, Sequence))


HANDLERS.subscripted.append(_subscripted)


def accumulate(machine: Machine, accumulator: int, source: Source, node: ast.AST) -> None:
    """Record that scores are added into a sum."""
    machine.recorder.record(
        Accumulated, machine.spot(node), accumulator=accumulator, scores=tuple(sorted(source.scores))
    )


def accumulated(machine: Machine, now: Value, operand: Value, result: Value, node: ast.AST) -> None:
    """`total += loss` on a plain number."""
    del result
    source = machine.source_of(operand)
    if source.scores:
        target = getattr(node, "target", None)
        name = ast.unparse(target) if target is not None else ""
        names: dict[tuple[int, str], int] = machine.facts.setdefault("sums", {})
        ident = names.setdefault(
            (machine.frame.scope.id, name), now.ref.id if now.ref is not None else 10**9 + len(names)
        )
        accumulate(machine, ident, source, node)


def chosen(machine: Machine, condition: Value, options: Args, node: ast.AST) -> Value:
    """`where(condition, a, b)`."""
    tested = machine.source_of(condition)
    sources = [machine.source_of(one) for one in options]
    source = computed_from(
        [
            *sources,
            tested.changed(
                reads=frozenset(), scores=frozenset(), learned=frozenset(), labels=tested.labels - {COMPARED}
            ),
        ]
    )
    if tested.reads:
        source = logit_inputs.remembered(machine, source, tested)
    scored = [one for one in sources if one.scores]
    if COMPARED in tested.labels and scored:
        source = selected(machine, source, "loss", node, per_token=True)
    return Value(source=source)


def selected(machine: Machine, source: Source, by: str, node: ast.AST, per_token: bool = False) -> Source:
    """Record that one of several scores goes on."""
    event = machine.recorder.record(
        Selected,
        machine.spot(node),
        score=machine.recorder.last_id + 1,
        scores=tuple(sorted(source.scores)),
        by=by,
        per_token=per_token,
    )
    return source.changed(scores=source.scores | {event.id})


@on_call(
    "torch.minimum",
    "torch.maximum",
    "torch.min",
    "torch.max",
    "torch.fmin",
    "numpy.minimum",
    "numpy.maximum",
    "builtins.min",
    "builtins.max",
    "torch.amin",
    "numpy.min",
)
def _extreme(machine: Machine, path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    if path.startswith("builtins") and len(args) == 1 and isinstance(args[0].ref, Sequence):
        args = args[0].ref.elements
    sources = [machine.deep_source(one) for one in args]
    scored = [one for one in sources if one.scores]
    if not scored:
        return None
    source = computed_from(sources)
    if len(scored) >= 2 or (len(args) == 1 and not path.startswith("builtins")):
        return Value(source=selected(machine, source, "loss", node, not path.startswith("builtins")))
    if kwargs.get("default", NONE).const is None and len(args) == 1 and len(source.scores) > 1:
        return Value(source=selected(machine, source, "loss", node))
    return Value(source=source)


@on_method("minimum", "maximum", "min", "max", "amin")
def _extreme_method(
    machine: Machine, receiver: Value, name: str, args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    source = machine.deep_source(receiver)
    if not source.scores or not args:
        return None
    other = machine.deep_source(args[0])
    if not other.scores:
        return None
    return Value(source=selected(machine, computed_from((source, other)), "loss", node, name != "min"))
