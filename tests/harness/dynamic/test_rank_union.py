from __future__ import annotations

from harness.dynamic.event_record import EventRecord
from harness.dynamic.events import CutEvent, ExchangeEvent, IncrementEvent, PrintEvent, WriteEvent
from harness.dynamic.rank_sums import RankSums
from harness.dynamic.rank_union import united


def exchange(number, *given, op="all_reduce", got=None, is_all=True):
    return ExchangeEvent(
        number=number, wall=0.0, virtual=0.0, op=op, reduction="sum", size=len(given), given=given, got=got,
        is_all=is_all,
    )  # fmt: skip


def write(number, path):
    return WriteEvent(number=number, wall=0.0, virtual=0.0, path=path, mode="wb")


def records(*ranks):
    return [EventRecord(events=events, rank=rank) for rank, events in enumerate(ranks)]


def test_what_a_rank_did_before_an_exchange_comes_before_what_any_did_after_it():
    record = united(
        records(
            (write(1, "a"), exchange(2, 1.0), write(3, "c")),
            (write(1, "b"), exchange(5, 2.0), write(6, "d")),
        )
    )
    a, b, _, _, c, d = record.events
    assert [event.path for event in (a, b, c, d)] == ["a", "b", "c", "d"]
    assert record.is_before(b, c)
    assert not record.is_before(a, b)
    assert record.problems == ()


def test_a_cut_still_names_its_loss():
    cut = CutEvent(number=4, wall=0.0, virtual=0.0, loss=2, offset=0, size=1)
    record = united(records((write(0, "a"),), (write(2, "b"), cut)))
    assert [event.loss for event in record.of(CutEvent)] == [1]


def test_other_exchanges_on_another_rank_are_a_problem():
    record = united(records((exchange(1, 1.0),), (exchange(1, 1.0, 2.0),)))
    assert "same exchanges" in record.why_powerless()


def test_a_problem_of_one_rank_is_one_of_all():
    torn = EventRecord(events=(), rank=1, problems=("it has no end",))
    assert united([EventRecord(events=()), torn]).problems == ("rank 1: it has no end",)


def test_exchanges_in_pairs_give_no_order():
    record = united(records((exchange(1, 1.0, op="send", is_all=False),), ()))
    assert "send" in record.unordered


def test_a_sum_over_ranks_is_known_by_what_each_gave():
    record = united(
        records((exchange(3, 1.5, 4.0, got=(4.0, 9.0)),), (exchange(7, 2.5, 5.0, got=(4.0, 9.0)),))
    )
    found = RankSums(record, 0).equal_to(9.0, 10, 1e-12)
    assert [(part.rank, part.value) for part in found.parts] == [(0, 4.0), (1, 5.0)]


def test_a_sum_that_is_not_what_the_ranks_gave_is_none():
    record = united(records((exchange(3, 1.5, got=(7.0,)),), (exchange(7, 2.5, got=(7.0,)),)))
    assert RankSums(record, 0).all == []


def test_lines_of_other_ranks_are_not_printed_scores():
    from harness.dynamic.printed_metrics import printed_numbers

    line = PrintEvent(number=0, wall=0.0, virtual=0.0, text="val_bpb:1.5", to="stdout", values=())
    record = united(records((), (line,)))
    assert list(printed_numbers(record)) == []


def test_sums_of_two_ranks_at_one_line_come_apart():
    from harness.dynamic.accumulators import chains_of

    def added(number, before):
        return IncrementEvent(
            number=number, wall=0.0, virtual=0.0, site="a.py:1:0 total", op="+", value=2.0, before=before,
            whole=False,
        )  # fmt: skip

    steps = (added(0, 0.0), added(1, 2.0))
    assert [chain.totals for chain in chains_of(united(records(steps, steps)))] == [[2.0, 4.0]] * 2
