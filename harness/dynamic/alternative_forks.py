"""Which tokens are put where one came, the forked run that scores them, and what follows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.branch_scores import (
    branch_nats,
    counts_bytes,
    fork_point,
    joined_record,
    network_nats,
    network_norm,
)
from harness.dynamic.fork_plan import ForkPlan
from harness.dynamic.probes.normalisation import (
    CONDITION,
    PROBE,
    Alternative,
    likeliest_other,
    normalisation,
    of_softmax,
)
from harness.dynamic.probes.probe import ProbeResult, powerless
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.dynamic.audit_run import AuditRun
    from harness.dynamic.probes.probe import ScoredRun
    from harness.dynamic.run_plan import RunPlan
    from harness.dynamic.tiny_data import TinyData

# Enough to prove a leak of a lookup (sums of 4 to 300 over 40 tokens were measured on refused submissions);
# a softmax needs a few, for its rows must not change at all.
DRAWN = 24
COMMON = 8
OF_SOFTMAX = 6
_SEED = 20_260_327


def forked_alternatives(
    base: ScoredRun,
    data: TinyData,
    position: int,
    plan: RunPlan,
    run: Callable[[RunPlan], AuditRun | None],
    rerun: Callable[[int], ScoredRun | None],
) -> ProbeResult:
    """Fork the run of `plan` for tokens at `position` of `data` and judge what they are scored.

    `run` makes the forked run, `rerun` one from the start with another token there; None where no time is
    left.
    """
    missing = powerless(PROBE, CONDITION, base)
    if missing is not None:
        return missing
    byte_counts = data.token_bytes()
    point = fork_point(base, position, byte_counts)
    if point is None:
        return _no_power(
            f"the score of the token at position {position:,} is no value of its own, or nothing was printed "
            "before the evaluation"
        )
    is_softmax = base.score.network_share == 1.0
    true = int(data.validation[position])
    drawn, chosen = _tokens(data, position, OF_SOFTMAX if is_softmax else DRAWN)
    tokens = tuple(dict.fromkeys([true, *chosen, *drawn]))
    forks = ForkPlan(
        after_event=point.after_event, position=position, tokens=tokens, most_events=point.most_events
    )
    forked = run(replace(plan, fork=forks.as_json()))
    if forked is None:
        return ProbeResult(
            probe=PROBE,
            condition=CONDITION,
            outcome=Outcome.NOT_RUN,
            sentence="no time was left for the runs it needs",
        )
    records = [joined_record(forked.events, point.after_event, branch) for branch in forked.branches]
    if is_softmax:
        norms = {token: network_norm(record, position) for token, record in zip(tokens, records, strict=True)}
        return of_softmax(norms, position=position, base_norm=network_norm(base.record, position))
    alternatives = tuple(
        Alternative(
            token=token,
            nats=branch_nats(base, point, record, _value_count(base, data, position, token)),
            network_nats=network_nats(record, position),
            is_drawn=token in drawn and token not in chosen,
        )
        for token, record in zip(tokens, records, strict=True)
    )
    facts = {"position": position, "vocab_size": data.vocabulary.key.size, "true_token": true}
    base_nats = branch_nats(base, point, base.record, point.end - point.first)
    result = normalisation(alternatives, base_nats=base_nats, **facts)
    likeliest = likeliest_other(alternatives, true)
    if result.outcome is not Outcome.BREACH or likeliest is None:
        return result
    # A breach is told only when a run from the start agrees with its fork.
    again = rerun(likeliest.token)
    if again is None or again.metric is None:
        return _no_power(f"{result.sentence}; no run from the start could confirm it")
    confirmed = branch_nats(again, point, again.record, _value_count(base, data, position, likeliest.token))
    return normalisation(alternatives, base_nats=base_nats, rerun_nats=confirmed, **facts)


def _tokens(data: TinyData, position: int, count: int) -> tuple[list[int], list[int]]:
    """Tokens drawn at random, and those that a lookup is likeliest to know: followers and the commonest."""
    draw = np.random.default_rng(_SEED)
    ids = data.vocabulary.ordinary_ids()
    drawn = [int(token) for token in draw.permutation(ids)[:count]]
    before = data.validation[:position]
    followers = before[1:][before[:-1] == data.validation[position - 1]]
    common = np.bincount(np.concatenate([followers.repeat(4), before]), minlength=data.vocabulary.key.size)
    common[~np.isin(np.arange(common.size), ids)] = 0
    return drawn, [int(token) for token in np.argsort(-common, kind="stable")[:COMMON]]


def _value_count(base: ScoredRun, data: TinyData, position: int, token: int) -> int:
    """How many counted values the score of `token` at `position` has."""
    if not counts_bytes(base, data.token_bytes()):
        return 1
    return int(data.with_token(position, token).token_bytes()[position])


def _no_power(sentence: str) -> ProbeResult:
    return ProbeResult(probe=PROBE, condition=CONDITION, outcome=Outcome.NO_POWER, sentence=sentence)
