from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from harness.dynamic.branch_scores import CHANGED, Look, look_of, network_norm
from harness.dynamic.counted_scores import CountedScore
from harness.dynamic.event_record import EventRecord
from harness.dynamic.events import (
    ForwardEvent,
    LossEvent,
    NetworkEvent,
    ProgramEvent,
    Segment,
    StepEvent,
    WriteEvent,
)
from harness.dynamic.explained_metrics import ExplainedMetric
from harness.dynamic.loss_places import matched
from harness.dynamic.printed_metrics import PrintedNumber
from harness.dynamic.probes.access_timeline import access_timeline
from harness.dynamic.probes.compared_scores import seen_before
from harness.dynamic.probes.coverage import coverage
from harness.dynamic.probes.documents import (
    batch_mates,
    boundary_to_replace,
    document_boundary,
    document_to_replace,
)
from harness.dynamic.probes.doubled_stream import doubled_stream
from harness.dynamic.probes.first_unit import first_unit
from harness.dynamic.probes.normalisation import of_softmax
from harness.dynamic.probes.prefix_invariance import prefix_invariance, telling_cut
from harness.dynamic.probes.probe import ProbeResult, ScoredRun
from harness.dynamic.probes.processing_order import processing_order, scored_last
from harness.dynamic.probes.replay import without_proof
from harness.dynamic.probes.scattered_targets import suspects
from harness.logs.training_log import PassKind
from harness.probe_outcome import Outcome

TOKENS = 1001


def _run(
    values: np.ndarray,
    *,
    positions: np.ndarray | None = None,
    scored_at: np.ndarray | None = None,
    tokens: np.ndarray | None = None,
    events: tuple[object, ...] = (),
    name: str = "run",
    stream_tokens: int = TOKENS,
    problems: tuple[str, ...] = (),
    artifacts: dict[str, tuple[int, str]] | None = None,
) -> ScoredRun:
    count = values.size
    known = np.arange(1, count + 1) if positions is None else positions
    metric = PrintedNumber(
        number=10_000, label="final", kind=PassKind.FINAL, unit="bpb", printed=1.0, digits=4, exact=1.0
    )
    score = CountedScore(
        values=values,
        positions=known,
        placed=np.where(known < 0, 0, 2).astype(np.int8),
        counted_at=np.arange(count) + 100,
        scored_at=np.arange(count) + 100 if scored_at is None else scored_at,
        tokens=np.ones(count) if tokens is None else tokens,
        network_share=1.0,
        sites=("a.py:1:0 total",),
    )
    record = EventRecord(events=events, problems=problems)  # type: ignore[arg-type]
    return ScoredRun(
        name=name,
        record=record,
        artifacts=artifacts or {},
        stream_tokens=stream_tokens,
        metric=ExplainedMetric(
            metric=metric,
            numerator="a.py:1:0 total",
            denominator=1.0,
            denominator_site="a.py:2:0 bytes",
            in_bits=True,
            is_exact=True,
            score=score,
        ),
        why_not=record.why_powerless(score.sites) or "",
    )


def _values(seed: int = 0, count: int = TOKENS - 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1.0, 6.0, count)


def _changed(values: np.ndarray, *where: slice) -> np.ndarray:
    result = values.copy()
    for each in where:
        result[each] += 0.125
    return result


def test_one_changed_score_of_the_prefix_is_a_breach() -> None:
    base = _values()
    result = prefix_invariance(_run(base), _run(_changed(base, slice(100, 101), slice(749, None))), cut=750)
    assert (result.outcome, result.numbers["prefix_changed"]) == (Outcome.BREACH, 1)


def test_the_smallest_difference_there_is_is_a_difference() -> None:
    base = _values()
    other = _changed(base, slice(749, None))
    other[0] = np.nextafter(other[0], 10.0)
    assert prefix_invariance(_run(base), _run(other), cut=750).outcome is Outcome.BREACH


def test_a_swap_that_changed_nothing_has_no_power() -> None:
    base = _values()
    assert prefix_invariance(_run(base), _run(base), cut=750).outcome is Outcome.NO_POWER


def test_an_unsound_record_has_no_power() -> None:
    base = _values()
    other = _run(_changed(base, slice(749, None)), problems=("it has no end",))
    assert prefix_invariance(_run(base), other, cut=750).outcome is Outcome.NO_POWER


def test_a_coarse_sum_has_no_power_whatever_it_shows() -> None:
    base = _values(count=3)
    unknown = np.full(3, -1)
    runs = [
        _run(values, positions=unknown, tokens=np.full(3, 333.3))
        for values in (base, _changed(base, slice(0, 3)))
    ]
    assert prefix_invariance(runs[0], runs[1], cut=750).outcome is Outcome.NO_POWER


def test_without_positions_more_changes_than_replaced_tokens_are_a_breach() -> None:
    base, unknown = _values(), np.full(TOKENS - 1, -1)
    legal = _run(_changed(base, slice(749, None)), positions=unknown)
    illegal = _run(_changed(base, slice(700, None)), positions=unknown)
    assert prefix_invariance(_run(base, positions=unknown), legal, cut=750).outcome is Outcome.CLEAN
    assert prefix_invariance(_run(base, positions=unknown), illegal, cut=750).outcome is Outcome.BREACH


def test_a_byte_scorer_is_compared_in_the_order_of_its_bytes() -> None:
    bytes_of = np.full(TOKENS, 4)
    base, unknown = _values(count=4000), np.full(4000, -1)
    legal = _run(_changed(base, slice(4 * 749, None)), positions=unknown)
    illegal = _run(_changed(base, slice(40, 41), slice(4 * 749, None)), positions=unknown)
    one = _run(base, positions=unknown)
    assert prefix_invariance(one, legal, cut=750, byte_counts=bytes_of).outcome is Outcome.CLEAN
    assert prefix_invariance(one, illegal, cut=750, byte_counts=bytes_of).outcome is Outcome.BREACH


def test_a_run_that_scores_backwards_is_judged_by_its_own_order() -> None:
    base, positions = _values(), np.arange(TOKENS - 1, 0, -1)
    last_scored_replaced = np.arange(1, 401)
    own = _run(base, positions=positions, events=_rows_apart(50))
    legal = _run(_changed(base, slice(599, None)), positions=positions)
    result = processing_order(own, legal, replaced=last_scored_replaced)
    # The token at 401 has the one at 400 before it in its row.
    assert (result.outcome, result.numbers["scores_before"]) == (Outcome.CLEAN, TOKENS - 1 - 401)
    illegal = _run(_changed(base, slice(0, None)), positions=positions)
    result = processing_order(own, illegal, replaced=last_scored_replaced)
    assert (result.outcome, result.numbers["changed_before"]) == (Outcome.BREACH, TOKENS - 1 - 401)


def test_windows_in_an_order_of_their_own_may_have_later_scored_tokens_before_them() -> None:
    base, positions = _values(), np.r_[np.arange(501, TOKENS), np.arange(1, 501)]
    replaced = np.arange(441, 501)  # scored last, and context of what is scored first
    window = replace(_forward(51, 440, 100), rows=(_segment(440, 100), _segment(540, TOKENS - 541)))
    shuffled = _run(base, positions=positions, events=(window,))
    legal = _run(_changed(base, slice(0, 40), slice(TOKENS - 61, None)), positions=positions)
    illegal = _run(_changed(base, slice(0, 41), slice(TOKENS - 61, None)), positions=positions)
    assert processing_order(shuffled, legal, replaced=replaced).outcome is Outcome.CLEAN
    assert processing_order(shuffled, illegal, replaced=replaced).outcome is Outcome.BREACH


def test_of_shuffled_windows_enough_are_left_that_hold_no_replaced_token() -> None:
    stride, length = 50, 200
    order = np.random.default_rng(3).permutation((TOKENS - 1) // stride)
    scored_at = np.empty(TOKENS - 1, dtype=np.int64)
    events = []
    for turn, window in enumerate(order.tolist()):
        end = (window + 1) * stride
        scored_at[end - stride : end] = 10 * turn + 105
        events.append(_forward(10 * turn + 101, max(end - length, 0), min(length, end)))
    base = _run(_values(), scored_at=scored_at, events=tuple(events))
    last = scored_last(base)
    assert last is not None
    other = _changed(_values(), *(slice(at - 1, at) for at in last.tolist()))
    result = processing_order(base, _run(other, scored_at=scored_at, events=tuple(events)), replaced=last)
    assert result.outcome is Outcome.CLEAN
    assert result.numbers["scores_before"] >= 100
    first = int(np.argmin(scored_at[: TOKENS // 2]))
    leaked = _run(_changed(other, slice(first, first + 1)), scored_at=scored_at, events=tuple(events))
    assert processing_order(base, leaked, replaced=last).outcome is Outcome.BREACH


def test_a_tail_counted_again_is_told_and_a_middle_counted_again_is_a_breach() -> None:
    row = _forward(10, 0, 256)
    tail = np.r_[np.arange(1, TOKENS), np.arange(TOKENS - 192, TOKENS)]
    result = coverage(_run(_values(count=tail.size), positions=tail, events=(row,)))
    assert (result.outcome, result.numbers["again"]) == (Outcome.CLEAN, 192)
    middle = np.r_[np.arange(1, TOKENS), np.arange(300, 310)]
    assert (
        coverage(_run(_values(count=middle.size), positions=middle, events=(row,))).outcome is Outcome.BREACH
    )


def test_a_gap_in_the_stream_decides_nothing() -> None:
    positions = np.r_[np.arange(1, 600), np.arange(700, TOKENS)]
    result = coverage(_run(_values(count=positions.size), positions=positions, events=(_forward(10, 0, 64),)))
    assert (result.outcome, result.condition) == (Outcome.NO_POWER, "val-full")


def test_the_first_scores_must_not_know_whether_updates_follow() -> None:
    base = _values()
    late, early = (_step(250),), (_step(50),)
    legal = first_unit(_run(base, events=late), _run(_changed(base, slice(150, None))))
    assert (legal.outcome, legal.numbers["first_changed"]) == (Outcome.CLEAN, 150)
    illegal = first_unit(_run(base, events=early), _run(_changed(base, slice(0, None))))
    assert (illegal.outcome, illegal.condition) == (Outcome.BREACH, "c3-score-before-update")
    assert first_unit(_run(base), _run(base)).outcome is Outcome.NOT_RUN
    assert first_unit(_run(base, events=late), _run(base)).outcome is Outcome.NO_POWER


def test_the_first_half_must_not_know_that_it_comes_again() -> None:
    base = _values()
    legal = doubled_stream(_run(base), _run(_changed(base, slice(499, None))), half=500)
    assert legal.outcome is Outcome.CLEAN
    illegal = doubled_stream(_run(base), _run(_changed(base, slice(400, None))), half=500)
    assert (illegal.outcome, illegal.numbers["first_changed"]) == (Outcome.BREACH, 99)


def test_documents_beside_and_before_a_replaced_one_stay() -> None:
    base, scored_at = _values(), np.repeat([100, 200, 300], [300, 400, 300])
    document = range(301, 501)  # half of the batch scored at 200
    pair = _run(base, scored_at=scored_at)
    later = _changed(base, slice(300, 500), slice(700, None))
    follows = batch_mates(pair, _run(later, scored_at=scored_at), document=document)
    assert follows.numbers["scores_beside"] == 0  # what follows in the same row may depend on it
    apart = np.r_[np.arange(1, 501), np.arange(502, 702), np.arange(702, 1002)]
    pair, clean = (
        _run(values, positions=apart, scored_at=scored_at, stream_tokens=1002) for values in (base, later)
    )
    assert batch_mates(pair, clean, document=document).outcome is Outcome.CLEAN
    shared = _run(_changed(base, slice(300, 700)), positions=apart, scored_at=scored_at, stream_tokens=1002)
    result = batch_mates(pair, shared, document=document)
    assert (result.outcome, result.numbers["changed_beside"]) == (Outcome.BREACH, 200)


def test_a_score_with_the_replaced_document_in_its_row_may_change_though_it_was_made_before() -> None:
    base, document = _values(), range(301, 401)
    scored_at = np.where(np.arange(1, TOKENS) > 400, 100, 200)  # what follows the document comes first
    other = _run(_changed(base, slice(300, 450)), scored_at=scored_at, events=(_forward(90, 300, 700),))
    with_context = replace(_run(base, scored_at=scored_at), record=other.record)
    assert batch_mates(with_context, other, document=document).numbers["changed_before"] == 0
    apart = (_forward(90, 401, 600),)
    rows_apart = replace(other, record=EventRecord(events=apart))
    told = batch_mates(replace(with_context, record=rows_apart.record), rows_apart, document=document)
    assert (told.outcome, told.numbers["changed_before"]) == (Outcome.BREACH, 49)


def test_the_longest_document_behind_a_scored_end_is_asked_for_its_boundary() -> None:
    documents = [range(100), range(100, 300), range(300, 400)]
    assert boundary_to_replace(_run(_values()), documents) == (range(96, 100), range(100, 300))


def test_a_document_behind_an_end_that_nothing_scored_is_not_asked_for_its_boundary() -> None:
    documents = [range(100), range(100, 300), range(300, 400)]
    values = _values()
    positions = np.arange(1, values.size + 1)
    base = _run(values[positions != 97], positions=positions[positions != 97])
    assert boundary_to_replace(base, documents) == (range(296, 300), range(300, 400))


def test_a_document_that_sees_the_one_before_is_told() -> None:
    base = _values()
    end, document = range(296, 300), range(300, 400)
    isolated = _run(_changed(base, slice(295, 300)))  # up to BOS, which the document before it predicts
    leaking = _run(_changed(base, slice(295, 320)))
    assert document_boundary(_run(base), isolated, replaced=end, document=document).outcome is Outcome.CLEAN
    result = document_boundary(_run(base), leaking, replaced=end, document=document)
    assert (result.outcome, result.numbers["changed"]) == (Outcome.BREACH, 20)


def test_a_document_may_know_what_was_learned_from_the_one_before() -> None:
    base, end, document = _values(), range(296, 300), range(300, 400)
    lesson = replace(_forward(50, 200, 99), grad=True)
    leaking = _run(_changed(base, slice(295, 320)))
    learning = _run(base, events=(lesson, _step(60)))
    told = document_boundary(learning, leaking, replaced=end, document=document)
    assert told.outcome is Outcome.NO_POWER


def test_losses_that_were_weighed_say_nothing_of_the_network() -> None:
    weighed = replace(_loss(10, 11, 4, norm=2.0), function=CHANGED)
    assert network_norm(EventRecord(events=(weighed,)), Look(position=12)) is None


def test_an_address_after_the_artifact_is_a_breach_and_before_it_is_not_known() -> None:
    write = WriteEvent(number=5, wall=0.0, virtual=0.0, path="/w/final_model.pt", mode="wb")
    asked = NetworkEvent(
        number=9, wall=0.0, virtual=0.0, call="socket.connect", address="('8.8.8.8', 443)", is_package=False
    )
    files = {"final_model.pt": (10, "ab")}
    for event, outcome in (
        (asked, Outcome.BREACH),
        (replace(asked, number=2), Outcome.NO_POWER),
        (replace(asked, address="('127.0.0.1', 29500)"), Outcome.CLEAN),
        (replace(asked, is_package=True, address="wandb a run"), Outcome.NO_POWER),
    ):
        _, outside = access_timeline(_run(_values(), events=(write, event), artifacts=files))
        assert outside.outcome is outcome


def test_a_program_that_was_started_is_not_known_and_one_that_was_answered_is_none() -> None:
    asked = ProgramEvent(
        number=3, wall=0.0, virtual=0.0, call="subprocess", command="./helper", answered=False
    )
    for event, outcome in (
        (asked, Outcome.NO_POWER),
        (replace(asked, answered=True), Outcome.CLEAN),
        (replace(asked, command="/usr/bin/gcc gcc -O2 x.c"), Outcome.CLEAN),
    ):
        assert list(access_timeline(_run(_values(), events=(event,))))[1].outcome is outcome


def test_tokens_that_one_run_counts_and_the_other_does_not_are_a_breach() -> None:
    base = _values()
    without = np.r_[np.arange(1, 600), np.arange(620, TOKENS)]
    other = _run(base[without - 1], positions=without)
    assert coverage(_run(base), _run(base)).outcome is Outcome.CLEAN
    result = coverage(_run(base), other)
    assert (result.outcome, result.condition) == (Outcome.BREACH, "val-full")
    assert result.numbers["differing"] == 20


def test_runs_that_count_different_positions_are_compared_where_both_do() -> None:
    base = _values()
    without = np.r_[np.arange(1, 600), np.arange(620, TOKENS)]
    other = _run(_changed(base, slice(749, None))[without - 1], positions=without)
    result = prefix_invariance(_run(base), other, cut=750)
    assert (result.outcome, result.numbers["prefix_scores"]) == (Outcome.CLEAN, 729)


def test_the_cut_lies_where_tokens_were_learned_before_earlier_ones_were_scored() -> None:
    learned = replace(_forward(50, 0, 1000), rows=(_segment(600, 200),), grad=True)
    scored_at = np.full(TOKENS - 1, 30)
    scored_at[699:] = 100  # positions 700 and more; 601 to 800 were learned by event 60
    cut = telling_cut(_run(_values(), scored_at=scored_at, events=(learned, _step(60))))
    assert cut is not None
    assert 700 < cut <= 800
    assert telling_cut(_run(_values(), scored_at=scored_at, events=(learned,))) is None


def test_the_document_to_replace_is_scored_beside_or_behind_another() -> None:
    documents = [range(300), range(300, 700), range(700, TOKENS)]
    scored_at = np.repeat([100, 200, 300], [299, 400, 301])
    assert document_to_replace(_run(_values(), scored_at=scored_at), documents) == documents[2]
    beside = np.repeat([100, 200], [299, 701])
    assert document_to_replace(_run(_values(), scored_at=beside), documents) == documents[1]
    assert document_to_replace(_run(_values()), documents[:1]) is None


def test_losses_picked_out_in_order_have_their_places_and_shuffled_ones_do_not() -> None:
    losses = _values(count=40)
    places = np.array([3, 4, 17, 30])
    found = matched(losses[places], losses)
    assert found is not None
    assert found[1].tolist() == places.tolist()
    assert matched(losses[places[::-1]], losses) is None


def test_a_softmax_that_changes_with_its_target_breaks_the_first_condition() -> None:
    sees = of_softmax({1: 5.0, 2: 5.0, 3: 5.25}, position=7, base_norm=5.0)
    assert (sees.outcome, sees.condition) == (Outcome.BREACH, "c1-causal")
    assert of_softmax({1: 5.0, 2: 5.0, 3: 5.0}, position=7, base_norm=5.0).outcome is Outcome.CLEAN


def test_a_softmax_that_changes_at_another_place_is_told_and_not_cleared_where_no_run_confirms_it() -> None:
    norms, at = {1: 5.0, 2: 5.0, 3: 5.0}, {"position": 7, "base_norm": 5.0, "elsewhere": 6}
    assert of_softmax(norms, **at).numbers["elsewhere"] == 6
    changed = of_softmax(norms, **at, changed_at=90)
    assert (changed.outcome, changed.condition) == (Outcome.BREACH, "c1-causal")
    assert of_softmax(norms, **at, is_open=True).outcome is Outcome.NO_POWER


def test_the_softmax_of_a_score_is_the_one_that_gave_it_and_not_a_later_look_at_the_token() -> None:
    losses = tuple(_loss(number, 11, 4, norm=norm) for number, norm in ((10, 2.0), (90, 3.0)))
    record = EventRecord(events=losses)
    assert network_norm(record, Look(position=12, number=12)) == 2.0
    assert network_norm(record, Look(position=12)) == 3.0


def test_the_softmax_of_a_score_that_is_also_learned_from_is_the_one_with_gradient() -> None:
    scored, shown = replace(_loss(20, 11, 4, norm=2.0), grad=True), _loss(19, 11, 4, norm=3.0)
    base = _run(_values(), events=(shown, scored))
    assert network_norm(base.record, look_of(base, 12, 20)) == 2.0
    assert network_norm(base.record, look_of(base, 12, 19)) == 3.0


def test_the_softmax_of_a_mixed_score_is_the_last_before_it_and_not_the_lesson_behind_it() -> None:
    scored, lesson = (
        replace(_loss(number, 11, 4, norm=norm), grad=True) for number, norm in ((20, 2.0), (95, 3.0))
    )
    base = _run(_values(), events=(_loss(5, 11, 4, norm=4.0), scored, lesson))
    assert network_norm(base.record, look_of(base, 12, 90)) == 2.0


def test_what_a_run_had_seen_of_a_place_before_its_fork_says_nothing_of_the_fork() -> None:
    record = EventRecord(events=(_loss(10, 11, 4, norm=2.0),))
    look = Look(position=12, number=90)
    assert network_norm(record, look) == 2.0
    assert network_norm(record, replace(look, after=10)) is None


def test_what_is_counted_as_log_probabilities_must_sum_to_one() -> None:
    norms, at = dict.fromkeys((1, 2, 3), 0.5), {"position": 7, "base_norm": 0.5}
    assert of_softmax(norms, **at).outcome is Outcome.CLEAN
    more = of_softmax(norms, **at, is_log=True)
    assert (more.outcome, more.condition) == (Outcome.BREACH, "c2-normalized")
    assert "sums to 1.6487" in more.sentence
    rounded = of_softmax(dict.fromkeys((1, 2, 3), 0.01), position=7, base_norm=0.01, is_log=True)
    assert rounded.outcome is Outcome.NO_POWER
    exact = of_softmax(dict.fromkeys((1, 2, 3), 1e-7), position=7, base_norm=1e-7, is_log=True)
    assert exact.outcome is Outcome.CLEAN


def test_a_network_that_gives_no_number_does_not_change_with_its_target() -> None:
    values = _values(count=400)
    events = tuple(_loss(100 + row, 100 * row + 1, 100, norm=math.nan) for row in range(4))
    passes = tuple(_forward(90 + row, 100 * row, 100) for row in range(4))
    scored_at = 100 + (np.arange(400) // 100)
    run = _run(values, scored_at=scored_at, events=(*passes, *events))
    assert suspects(run, run, [50, 150, 250, 350]) == ([], 4)


def test_losses_that_do_not_count_are_no_suspects() -> None:
    values = _values(count=400)
    counted = tuple(_loss(100 + row, 100 * row + 1, 100, norm=2.0) for row in range(4))
    passes = tuple(_forward(90 + row, 100 * row, 100) for row in range(4))
    scored_at = 100 + (np.arange(400) // 100)
    earlier = [
        tuple(_loss(50 + row, 100 * row + 1, 100, norm=norm) for row in range(4)) for norm in (3.0, 4.0)
    ]
    one, two = (_run(values, scored_at=scored_at, events=(*each, *passes, *counted)) for each in earlier)
    assert suspects(one, two, [50, 150, 250, 350]) == ([], 4)


def test_a_stream_in_one_row_is_not_covered_when_half_of_it_is_left_out_or_counted_again() -> None:
    values, whole = _values(), (_forward(1, 0, TOKENS - 1),)
    twice = np.r_[values, values], np.r_[np.arange(1, TOKENS), np.arange(1, TOKENS)]
    half = values[500:], np.arange(501, TOKENS)
    assert coverage(_run(values, events=whole)).outcome is Outcome.CLEAN
    for kept, positions in (twice, half):
        assert coverage(_run(kept, positions=positions, events=whole)).outcome is Outcome.NO_POWER


def test_an_earlier_pass_is_a_look_also_where_the_script_has_a_loss_of_its_own() -> None:
    score = _run(_values(), events=(_forward(20, 0, TOKENS - 1), _forward(90, 0, TOKENS - 1)))
    at = score.score.positions, score.score.scored_at
    assert seen_before(score, *at).scored == 0
    assert seen_before(score, *at, counts_passes=True).scored == TOKENS - 1
    shown = replace(score, record=EventRecord(events=(*score.record.events, _loss(95, 1, 1000, norm=1.0))))
    assert seen_before(shown, *at, counts_passes=True).scored == 0
    once = replace(score, record=EventRecord(events=score.record.events[1:]))
    assert seen_before(once, *at, counts_passes=True).scored == 0


def test_more_changes_than_replaced_tokens_are_no_breach_where_tokens_are_guessed() -> None:
    values, positions = _values(count=40), np.full(40, -1)
    some, every = _changed(values, slice(8, None)), _changed(values, slice(0, None))

    def run(kept: np.ndarray) -> ScoredRun:
        made = _run(kept, positions=positions, tokens=np.full(40, 25.0))
        assert made.metric is not None
        guessed = replace(made.score, has_guessed_tokens=True)
        return replace(made, metric=replace(made.metric, score=guessed))

    assert prefix_invariance(run(values), run(some), cut=750).outcome is Outcome.NO_POWER
    assert prefix_invariance(run(values), run(every), cut=750).outcome is Outcome.BREACH


def _two_runs(probe: str, *runs: str) -> ProbeResult:
    return ProbeResult(
        probe=probe, condition="c1-causal", outcome=Outcome.BREACH, sentence="it changes", runs=runs
    )


def test_a_difference_is_no_proof_unless_the_first_run_comes_again() -> None:
    differs, alone = _two_runs("prefix-invariance", "base", "suffix"), _two_runs("coverage", "base")
    noise, forks = _two_runs("noise-martingale", "noise"), _two_runs("normalisation", "base", "forks")
    results = [differs, alone, noise, forks]
    again = replace(alone, probe="replay", outcome=Outcome.CLEAN)
    assert without_proof(results, again) == results
    unseen = replace(again, outcome=Outcome.NOT_RUN, sentence="no time was left for the runs it needs")
    first, *others = without_proof(results, unseen)
    assert first.outcome is Outcome.NO_POWER
    assert "not seen to come again: no time was left" in first.sentence
    assert others == results[1:]


def _loss(number: int, start: int, length: int, *, norm: float) -> LossEvent:
    return LossEvent(
        number=number,
        wall=0.0,
        virtual=0.0,
        function="cross_entropy",
        rows=(_segment(start, length),),
        size=length,
        grad=False,
        reduction="none",
        value=None,
        nll=np.full(length, 1.0),
        norm=np.full(length, norm),
    )


def _rows_apart(number: int) -> tuple[ForwardEvent, ...]:
    """A pass over the stream in rows of one token."""
    return (replace(_forward(number, 0, 1), rows=tuple(_segment(at, 1) for at in range(TOKENS - 1))),)


def _segment(start: int, length: int) -> Segment:
    return Segment(split="val", start=start, length=length, offset=0)


def _step(number: int) -> StepEvent:
    return StepEvent(number=number, wall=0.0, virtual=0.0, optimizer="SGD", source="val", rate=0.1)


def _forward(number: int, start: int, length: int) -> ForwardEvent:
    return ForwardEvent(
        number=number,
        wall=0.0,
        virtual=0.0,
        source="val",
        shape=(1, length),
        rows=(Segment(split="val", start=start, length=length, offset=0),),
        rows_left_out=0,
        grad=False,
        weights=None,
    )
