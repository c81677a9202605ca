"""What running a labelled submission showed: separated by a rule of its reason, or why not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Probes that compare runs of different tokens: one of them must have been clean for a run to say anything.
_COMPARING = {"prefix-invariance", "processing-order"}


class ExecutedState(StrEnum):
    """How far a run went."""

    SEPARATED = "separated"
    """A breach of a rule that the label's reasons map to."""
    OTHER_BREACH = "other breach"
    CLEAN = "clean"
    NO_POWER = "no power"
    """No breach, and nothing cleared of what the label's reasons are about."""
    NOT_DRIVEN = "not driven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """One label's runs. `broken` are the rules that a probe saw broken, `why` what is to be known else."""

    state: ExecutedState
    broken: tuple[str, ...]
    seconds: float
    why: str


def executed(
    dynamic: Mapping[str, Any] | None, reasons: Iterable[str], codes: Mapping[str, frozenset[str]]
) -> Executed | None:
    """The runs in a report's `dynamic` block against its label's `reasons`; None without runs."""
    if dynamic is None:
        return None
    from harness.dynamic.decisions import ONLY_IF_CLAIMED, rule_of
    from harness.dynamic.run_ladder import LadderStep

    seconds = float(dynamic["seconds"])
    if dynamic["failure"]:
        return Executed(
            state=ExecutedState.NOT_DRIVEN, broken=(), seconds=seconds, why=str(dynamic["failure"])
        )
    results = dynamic["results"]
    wanted = frozenset().union(*(codes.get(reason, frozenset()) for reason in reasons))
    broken = {rule_of(one["condition"]) for one in results if one["outcome"] == Outcome.BREACH}
    broken -= ONLY_IF_CLAIMED - wanted
    unsure = next(
        (one["sentence"] for one in results if one["probe"] in _COMPARING and one["outcome"] != "clean"), ""
    )
    if broken & wanted:
        state = ExecutedState.SEPARATED
    elif broken:
        state = ExecutedState.OTHER_BREACH
    elif blind := [why for rule, why in dynamic["not_cleared"].items() if rule in wanted]:
        state, unsure = ExecutedState.NO_POWER, blind[0]
    elif wanted and dynamic["step"] == LadderStep.DEFAULTS:
        state, unsure = (
            ExecutedState.NO_POWER,
            "driven under the script's defaults only, not the claimed run's",
        )
    elif any(one["probe"] in _COMPARING and one["outcome"] == Outcome.CLEAN for one in results):
        state, unsure = ExecutedState.CLEAN, ""
    else:
        state = ExecutedState.NO_POWER
    return Executed(state=state, broken=tuple(sorted(broken)), seconds=seconds, why=unsure)


def states_by_reason(
    labelled: Iterable[tuple[Iterable[str], Executed | None]],
) -> dict[str, dict[ExecutedState, int]]:
    """How many labels of each reason came to each state; labels that were not run are left out."""
    table: dict[str, dict[ExecutedState, int]] = defaultdict(lambda: dict.fromkeys(ExecutedState, 0))
    for reasons, one in labelled:
        if one is not None:
            for reason in reasons:
                table[reason][one.state] += 1
    return dict(sorted(table.items()))
