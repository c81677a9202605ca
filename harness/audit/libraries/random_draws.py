"""Random numbers, and choices drawn with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import Instance
from harness.audit.interpreter.positions import ONE, Index, constant_line
from harness.audit.interpreter.values import ANYTHING, DRAWN, NONE, Source, Value, computed_from
from harness.audit.libraries.registry import on_call
from harness.audit.regions import Region, Split

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]


@on_call(
    "torch.rand",
    "torch.randn",
    "torch.randint",
    "torch.multinomial",
    "torch.randint_like",
    "torch.randn_like",
)
def _random(machine: Machine, path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value:
    generated = Region(split=Split.GENERATED)
    source = Source(reads=frozenset({generated}))
    if path.endswith("multinomial"):
        source = computed_from(
            (source, machine.deep_source(args[0]).changed(reads=frozenset()) if args else source)
        )
        source = source.changed(scores=frozenset())
    if kwargs.get("requires_grad", NONE).const is True:
        from harness.audit.libraries.torch_modules import new_state

        return new_state(machine, ANYTHING, node)
    return machine.heap.tensor(Value(source=source), machine.spot(node))


@on_call("torch.randperm", "numpy.random.*", "random.*")
def _shuffled(machine: Machine, path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    name = path.rsplit(".", 1)[-1]
    if name in {"RandomState", "default_rng", "Generator", "Random", "seed", "manual_seed"}:
        return Value(ref=Instance(machine.heap.new_id(), None, "random"))
    if name == "shuffle":
        return NONE
    if name in {"sample", "choice", "choices", "permutation"} and args:
        return args[0]
    if name in {"randrange", "randint"} and args:
        return _drawn_below(args[-1], is_inside=path == "random.randint")
    if name == "randperm":
        # How far a permutation reaches may grow with a loop: it is not known which passes an element names.
        grows = bool(args) and bool(args[0].source.index)
        drawn = Value(source=Source(labels=frozenset({DRAWN}))) if grows else ANYTHING
        return machine.heap.tensor(drawn, machine.spot(node))
    return ANYTHING


def _drawn_below(bound: Value, *, is_inside: bool) -> Value:
    """A number drawn up to a bound that a loop counts: any of the passes until now."""
    index = bound.source.index
    if len(index) != 1 or bound.line is None or bound.line.is_vague:
        return ANYTHING
    if list(bound.line.slopes.items()) != [((next(iter(index)), ONE), 1)]:
        return ANYTHING
    line = bound.line if is_inside else bound.line.plus(constant_line(-1))
    until: Index = {loop: (None, last) for loop, (_, last) in index.items()}
    return Value(source=Source(index=until), line=line)
