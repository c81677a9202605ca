"""R0: the same run twice. Differences between runs mean something only where this one shows none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.probes.compared_scores import compared
from harness.dynamic.probes.model_files import model_files
from harness.dynamic.probes.probe import ProbeResult, powerless
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.dynamic.probes.probe import ScoredRun

PROBE = "replay"
# Noise is held against a bound in one run, forks against a run from the start.
_PROVE_THEMSELVES = frozenset({"noise-martingale", "normalisation"})


def replay(base: ScoredRun, again: ScoredRun) -> ProbeResult:
    """Every counted loss and every artifact of `again` is bit for bit that of `base`."""
    missing = powerless(PROBE, "reproducible", base, again)
    if missing is not None:
        return missing
    one, other = base.score, again.score
    runs = (base.name, again.name)
    if one.values.size != other.values.size:
        return ProbeResult(
            probe=PROBE,
            condition="reproducible",
            outcome=Outcome.NOT_REPRODUCIBLE,
            numbers={"values": one.values.size, "values_again": other.values.size},
            sentence=(
                f"the same run twice counts {one.values.size:,} and {other.values.size:,} values: no "
                "difference between runs can be held against it"
            ),
            runs=runs,
        )
    differs = _differs(one.values, other.values)
    files = sorted(
        name for name, kept in model_files(base).items() if model_files(again).get(name, kept) != kept
    )
    numbers = {
        "values": one.values.size,
        "changed": int(differs.sum()),
        "largest": float(np.max(np.abs(one.values - other.values), initial=0.0)),
        "artifacts_changed": len(files),
    }
    if differs.any() or files:
        what = [f"{int(differs.sum()):,} of {one.values.size:,} counted losses"] if differs.any() else []
        what += files[:3]
        return ProbeResult(
            probe=PROBE,
            condition="reproducible",
            outcome=Outcome.NOT_REPRODUCIBLE,
            numbers=numbers,
            sentence=f"the same run twice differs in {' and '.join(what)}: no difference between runs can be "
            "held against it",
            runs=runs,
        )
    return ProbeResult(
        probe=PROBE,
        condition="reproducible",
        outcome=Outcome.CLEAN,
        numbers=numbers,
        sentence=f"the same run twice gives the same {one.values.size:,} counted losses and "
        f"{len(model_files(base))} artifacts, bit for bit",
        runs=runs,
    )


def repeated(base: ScoredRun, changed: ScoredRun) -> ProbeResult:
    """The same, from a run of other later tokens whose earlier scores were found to be the same.

    What comes out bit for bit in two runs does not hang on chance; a second run of the same tokens would
    only show it again.
    """
    missing = powerless(PROBE, "reproducible", base, changed)
    if missing is not None:
        return missing
    pairs = compared(base, changed)
    same = int((~pairs.changed).sum())
    before, after = model_files(base), model_files(changed)
    differ = sorted(name for name, kept in before.items() if after.get(name, kept) != kept)
    numbers = {"values": pairs.changed.size, "same": same, "artifacts_changed": len(differ)}
    outcome = Outcome.CLEAN
    sentence = (
        f"{same:,} counted losses before the replaced tokens and {len(before)} artifacts come out the same, "
        "bit for bit, in two runs"
    )
    if differ or not same:
        outcome = Outcome.NO_POWER
        sentence = f"{', '.join(differ[:3]) or 'every score'} differs between runs of different tokens"
    return ProbeResult(
        probe=PROBE,
        condition="reproducible",
        outcome=outcome,
        numbers=numbers,
        sentence=sentence,
        runs=(base.name, changed.name),
    )


def without_proof(results: Iterable[ProbeResult], same: ProbeResult) -> list[ProbeResult]:
    """`results`, but a breach that is a difference between two runs has no power unless the first run was
    seen to come again (`same` is clean): chance may have made it.
    """
    if same.outcome is Outcome.CLEAN:
        return list(results)
    return [_unproven(one, same) if _is_difference(one) else one for one in results]


def _is_difference(one: ProbeResult) -> bool:
    return one.outcome is Outcome.BREACH and len(set(one.runs)) > 1 and one.probe not in _PROVE_THEMSELVES


def _unproven(one: ProbeResult, same: ProbeResult) -> ProbeResult:
    sentence = f"{one.sentence}; that proves nothing, as the first run was not seen to come again"
    return replace(one, outcome=Outcome.NO_POWER, sentence=f"{sentence}: {same.sentence}")


def _differs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    differs: np.ndarray = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    return differs
