"""Counts of the tokens of one pass of a loop: which scores may know them.

    for start, stop in windows:
        counts = np.bincount(targets, minlength=vocabulary)   # know the very tokens that are scored next
        loss = F.cross_entropy(model(inputs) + np.log(counts + 1), targets)

A slice that is cut once and counted is known by its name (`logit_inputs`). Counts of tokens that are taken
out of a list, cut again, or gathered chunk by chunk in a loop of their own have no such name, so counting
labels them with the pass in which it was done. Counts of an earlier pass of a loop around the score are what
a cache is; counts of the same pass, or of a loop that has ended, know the scored tokens unless loops keep the
two apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.audit.interpreter.values import LOGITS, PROBABILITY, Source, Value
from harness.audit.libraries import learning
from harness.audit.libraries.registry import HANDLERS
from harness.audit.regions import Split

if TYPE_CHECKING:
    import ast

    from harness.audit.events import Spot
    from harness.audit.interpreter.machine import Machine
    from harness.audit.regions import Region

    # The loops being walked when something was counted, each with its pass; what was counted; and where.
    Counting = tuple[tuple[tuple[int, int], ...], frozenset[Region], Spot]

TOKENS = "validation tokens themselves"  # labels tokens, and not what was looked up by them
_COUNTED = "counted:"  # begins the name of what was counted in one pass
_UNNAMED = "counted:?"  # more was counted than is kept apart
_COUNTS_AT_MOST = 512


def is_unscored(source: Source) -> bool:
    """Whether it holds validation tokens, and nothing that a network made of them."""
    if source.scores or source.states or source.learned or source.labels & {LOGITS, PROBABILITY}:
        return False
    return any(one.split is Split.VALIDATION for one in source.reads)


def counted(machine: Machine, source: Source) -> Source:
    """What is counted by these tokens in this pass of the loops around."""
    if not is_unscored(source):
        return source
    names: dict[Counting, str] = machine.facts.setdefault("names of counts", {})
    counting = (tuple((loop.id, loop.number) for loop in machine.loops), source.reads, machine.here)
    name = names.get(counting)
    if name is None:
        name = f"{_COUNTED}{len(names)}" if len(names) < _COUNTS_AT_MOST else _UNNAMED
        if name != _UNNAMED:
            names[counting] = name
            machine.facts.setdefault("counts", {})[name] = counting
    return source.changed(labels=source.labels - {TOKENS} | {name})


def names_of(source: Source) -> frozenset[str]:
    """The names of what was counted into a value."""
    return frozenset(label for label in source.labels if label.startswith(_COUNTED))


def know(machine: Machine, made: Source, aimed: Source) -> bool:
    """Whether counts inside `made` may have counted the tokens of `aimed`, and no earlier pass made them."""
    names = names_of(made) - names_of(aimed)
    targets = [one for one in learning.regions_of(machine, aimed) if one.split is Split.VALIDATION]
    if not names or not targets:
        return False
    counts: dict[str, Counting] = machine.facts.get("counts", {})
    return any(_reaches(machine, counts.get(name), targets) for name in names)


def _reaches(machine: Machine, counting: Counting | None, targets: list[Region]) -> bool:
    if counting is None:
        return True
    passes, reads, _ = counting
    if _is_of_another_pass(machine, passes):
        return False
    told = learning.regions_of(machine, Source(reads=reads))
    return any(one.overlaps(target) for one in told for target in targets)


def counted_at(machine: Machine, made: Source, aimed: Source) -> Spot | None:
    """Where this pass counted tokens of `aimed` into `made`, as far as is known."""
    counts: dict[str, Counting] = machine.facts.get("counts", {})
    targets = [one for one in learning.regions_of(machine, aimed) if one.split is Split.VALIDATION]
    held = [counts[name] for name in sorted(names_of(made)) if name in counts]
    return next((counting[2] for counting in held if _reaches(machine, counting, targets)), None)


def _is_of_another_pass(machine: Machine, passes: tuple[tuple[int, int], ...]) -> bool:
    now = {loop.id: loop.number for loop in machine.loops}
    return any(now.get(loop, number) != number for loop, number in passes)


def _read_out(machine: Machine, owner: Value, key: Value, result: Value, node: ast.AST) -> Value:
    """`counts[context]`: where a cell lies counts nothing, and what earlier passes counted stays theirs.

    An entry that was read before the loop goes on does not learn what the loop counts later.
    """
    del key, node
    labels = result.source.labels
    own = names_of(result.source)
    if not own and TOKENS not in labels:
        return result
    held = machine.source_of(owner).labels
    gone = {name for name in own if name not in held}
    if TOKENS not in held:
        gone.add(TOKENS)
    return _taken(machine, result.with_source(result.source.changed(labels=labels - gone)))


HANDLERS.subscripted.append(_read_out)


def _taken(machine: Machine, found: Value) -> Value:
    """An entry without the names of what earlier passes counted."""
    own = names_of(found.source)
    if not own:
        return found
    counts: dict[str, Counting] = machine.facts.get("counts", {})
    gone = {name for name in own if name in counts and _is_of_another_pass(machine, counts[name][0])}
    return found.with_source(found.source.changed(labels=found.source.labels - gone)) if gone else found


HANDLERS.taken.append(_taken)
