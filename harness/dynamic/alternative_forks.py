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
    look_of,
    network_nats,
    network_norm,
    takes_log_probabilities,
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
from harness.dynamic.probes.unseen_places import unseen_places
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.dynamic.audit_run import AuditRun
    from harness.dynamic.branch_scores import ForkPoint, Look
    from harness.dynamic.event_record import EventRecord
    from harness.dynamic.probes.probe import ScoredRun
    from harness.dynamic.probes.unseen_places import UnseenPlaces
    from harness.dynamic.run_plan import RunPlan
    from harness.dynamic.tiny_data import TinyData

# Enough to prove a leak of a lookup (sums of 4 to 300 over 40 tokens were measured on refused submissions);
# a softmax needs a few, for its rows must not change at all.
DRAWN, COMMON = 24, 8
DRAWN_OF_SOFTMAX, COMMON_OF_SOFTMAX = 1, 2
_MOST_RERUNS = 2  # of places whose scores change in a fork
_SEED = 20_260_327


def forked_alternatives(
    base: ScoredRun,
    data: TinyData,
    position: int,
    plan: RunPlan,
    begin: Callable[[RunPlan], Callable[[], AuditRun | None]],
    rerun: Callable[[int, int], ScoredRun | None],
) -> Callable[[], ProbeResult]:
    """Begin a run of `plan` that forks for tokens at `position` of `data`; the answer judges their scores.

    `begin` begins the forked run and gives what waits for it, `rerun` makes one from the start with a
    token at a position; None where no time is left.
    """
    if plan.world_size > 1:
        several = _no_power("a run of several ranks cannot be forked; ask with one")
        return lambda: several
    missing = powerless(PROBE, CONDITION, base)
    point = fork_point(base, position, data.token_bytes()) if missing is None else None
    if point is None:
        nothing = missing or _no_power(
            f"the score of the token at position {position:,} is no value of its own, or nothing was printed "
            "before the evaluation"
        )
        return lambda: nothing
    drawn, chosen = _tokens(data, position, is_softmax=_is_softmax(base))
    tokens = tuple(dict.fromkeys([int(data.validation[position]), *chosen, *drawn]))
    places: tuple[UnseenPlaces, ...] = ()
    if _is_softmax(base) and base.learns:  # else one run more asks at many places: `scattered-targets`
        places = unseen_places(base, after=point.after_event, besides=position)
    forks = ForkPlan(
        after_line=point.after_line,
        positions=(*((position,) for _ in tokens), *(each.positions for each in places)),
        tokens=(
            *((token,) for token in tokens),
            *(tuple(int(data.other[place]) for place in each.positions) for each in places),
        ),
        most_events=(
            *(point.most_events for _ in tokens),
            *(point.events_until(each.scored_at) for each in places),
        ),
    )
    wait = begin(replace(plan, fork=forks.as_json()))
    is_drawn = frozenset(drawn) - frozenset(chosen)

    def judge() -> ProbeResult:
        forked = wait()
        if forked is None:
            return ProbeResult(
                probe=PROBE,
                condition=CONDITION,
                outcome=Outcome.NOT_RUN,
                sentence="no time was left for the runs it needs",
            )
        records = [joined_record(forked.events, point.after_event, branch) for branch in forked.branches]
        if _is_softmax(base):
            return _softmax(base, data, point, tokens, places, records, rerun)
        return _judged(base, data, point, tokens, is_drawn, records, rerun)

    return judge


def _is_softmax(base: ScoredRun) -> bool:
    return base.score.network_share == 1.0


def _softmax(
    base: ScoredRun,
    data: TinyData,
    point: ForkPoint,
    tokens: tuple[int, ...],
    places: tuple[UnseenPlaces, ...],
    records: list[EventRecord],
    rerun: Callable[[int, int], ScoredRun | None],
) -> ProbeResult:
    look = look_of(base, point.position, point.scored_at)
    norms = {
        token: _norm_in_fork(base, point, record, look, is_same=not turn)
        for turn, (token, record) in enumerate(zip(tokens, records, strict=False))
    }
    stayed, suspects = 0, []
    for each, record in zip(places, records[len(tokens) :], strict=False):
        for place in each.positions:
            there = look_of(base, place, each.scored_at)
            before = network_norm(base.record, there)
            after = _norm_in_fork(base, point, record, there)
            if before is None or after is None:
                continue
            stayed += after == before
            if after != before:
                suspects.append((there, before))
    changed_at, is_open = None, False
    for there, before in suspects[:_MOST_RERUNS]:
        # Told only when a run from the start with that token alone shows it too: other places may matter.
        again = rerun(there.position, int(data.other[there.position]))
        norm = network_norm(again.record, there) if again is not None else None
        is_open = is_open or norm is None
        if norm not in {None, before}:
            changed_at = there.position
            break
    return of_softmax(
        norms,
        position=point.position,
        base_norm=network_norm(base.record, look),
        is_log=takes_log_probabilities(base.record, look),
        elsewhere=stayed,
        changed_at=changed_at,
        is_open=is_open,
    )


def _norm_in_fork(
    base: ScoredRun, point: ForkPoint, record: EventRecord, look: Look, *, is_same: bool = False
) -> float | None:
    """Log-sum-exp of the scores of `look` in a fork; None where its token did not come to the network.

    Another token has another loss. `is_same` says that the fork's token is the one that came.
    """
    forked = replace(look, after=point.after_event)
    if not is_same and network_nats(record, forked) == network_nats(base.record, look):
        return None
    return network_norm(record, forked)


def _judged(
    base: ScoredRun,
    data: TinyData,
    point: ForkPoint,
    tokens: tuple[int, ...],
    is_drawn: frozenset[int],
    records: list[EventRecord],
    rerun: Callable[[int, int], ScoredRun | None],
) -> ProbeResult:
    position = point.position
    true = int(data.validation[position])
    look = look_of(base, position, point.scored_at, point.after_event)
    alternatives = tuple(
        Alternative(
            token=token,
            nats=branch_nats(base, point, record, _value_count(base, data, position, token)),
            network_nats=network_nats(record, look),
            network_norm=network_norm(record, look),
            is_drawn=token in is_drawn,
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
    again = rerun(position, likeliest.token)
    if again is None or again.metric is None:
        return _no_power(f"{result.sentence}; no run from the start could confirm it")
    confirmed = branch_nats(again, point, again.record, _value_count(base, data, position, likeliest.token))
    return normalisation(alternatives, base_nats=base_nats, rerun_nats=confirmed, **facts)


def _tokens(data: TinyData, position: int, *, is_softmax: bool) -> tuple[list[int], list[int]]:
    """Tokens drawn at random, and those that a lookup is likeliest to know: followers and the commonest."""
    count, most_common = (DRAWN_OF_SOFTMAX, COMMON_OF_SOFTMAX) if is_softmax else (DRAWN, COMMON)
    draw = np.random.default_rng(_SEED)
    ids = data.vocabulary.ordinary_ids()
    drawn = [int(token) for token in draw.permutation(ids)[:count]]
    before = data.validation[:position]
    followers = before[1:][before[:-1] == data.validation[position - 1]]
    common = np.bincount(np.concatenate([followers.repeat(4), before]), minlength=data.vocabulary.key.size)
    common[~np.isin(np.arange(common.size), ids)] = 0
    return drawn, [int(token) for token in np.argsort(-common, kind="stable")[:most_common]]


def _value_count(base: ScoredRun, data: TinyData, position: int, token: int) -> int:
    """How many counted values the score of `token` at `position` has."""
    if not counts_bytes(base, data.token_bytes()):
        return 1
    return int(data.with_token(position, token).token_bytes()[position])


def _no_power(sentence: str) -> ProbeResult:
    return ProbeResult(probe=PROBE, condition=CONDITION, outcome=Outcome.NO_POWER, sentence=sentence)
