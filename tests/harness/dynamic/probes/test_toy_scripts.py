from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.dynamic.events import LossEvent
from harness.dynamic.probes.access_timeline import access_timeline
from harness.dynamic.probes.artifact_independence import artifact_independence
from harness.dynamic.probes.byte_denominator import byte_denominator
from harness.dynamic.probes.coverage import coverage
from harness.dynamic.probes.prefix_invariance import prefix_invariance
from harness.dynamic.probes.probe import ProbeResult, ScoredRun, scored_run
from harness.dynamic.probes.processing_order import processing_order, scored_last
from harness.dynamic.probes.replay import replay
from harness.probe_outcome import Outcome
from tests.harness.dynamic.toy_runs import VAL_TOKENS, toy_run, validation
from tests.programs.dynamic import toy_scripts as toys

CUT = 800  # inside a chunk of 128, inside a row of 64
BYTES = 1 + validation() % 4


def _scored(source: str, *, replaced_from: int | None = None, number: int = 0) -> ScoredRun:
    run = toy_run(source, replaced_from=replaced_from, number=number)
    return scored_run(f"from {replaced_from}", run, stream_tokens=VAL_TOKENS, label=None)


def _prefix(source: str) -> ProbeResult:
    return prefix_invariance(_scored(source), _scored(source, replaced_from=CUT), cut=CUT)


LEGAL = {
    "frozen": toys.FROZEN,
    "score first": toys.SCORE_FIRST,
    "online pairs": toys.ONLINE_PAIRS,
    "window mixer": toys.WINDOW_MIXER,
}


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_script_is_clean_in_every_probe(name: str) -> None:
    base = _scored(LEGAL[name])
    results = [
        _prefix(LEGAL[name]),
        processing_order(base, _scored(LEGAL[name], replaced_from=CUT), replaced=np.arange(CUT, VAL_TOKENS)),
        artifact_independence(base, _scored(LEGAL[name], replaced_from=1), replaced=VAL_TOKENS - 1),
        coverage(base),
        byte_denominator(base, byte_counts=BYTES),
        *access_timeline(base),
    ]
    assert {result.outcome for result in results} == {Outcome.CLEAN}


@pytest.mark.parametrize(
    ("source", "condition", "changed"),
    [
        (toys.ADAPT_THEN_SCORE, "c3-score-before-update", 799),
        (toys.DISCARDED_SCORES, "c3-score-before-update", 799),
        (
            toys.MULTI_EPOCH_LAST_SCORE,
            "c3-score-before-update",
            31,
        ),  # from the chunk's begin at 769 to the cut
    ],
)
def test_scores_that_know_their_future_change_with_it(source: str, condition: str, changed: int) -> None:
    result = _prefix(source)
    assert (result.outcome, result.condition) == (Outcome.BREACH, condition)
    assert result.numbers["prefix_changed"] == changed
    assert f"{changed:,} of them had been trained on" in result.sentence


def test_counts_of_the_whole_stream_in_numpy_are_seen_too() -> None:
    result = _prefix(toys.TWO_PASS)
    assert result.outcome is Outcome.BREACH
    assert (result.numbers["prefix_scores"], result.numbers["prefix_changed"]) == (799, 731)
    assert result.numbers["suffix_changed"] == 225


def test_a_cut_at_the_border_of_a_chunk_hides_what_a_cut_inside_it_shows() -> None:
    source, border = toys.MULTI_EPOCH_LAST_SCORE, 769  # first target of the last chunk but one
    at_border = prefix_invariance(_scored(source), _scored(source, replaced_from=border), cut=border)
    assert at_border.outcome is Outcome.CLEAN
    assert _prefix(source).outcome is Outcome.BREACH


def test_processing_order_finds_training_before_scoring() -> None:
    base = _scored(toys.ADAPT_THEN_SCORE)
    changed = _scored(toys.ADAPT_THEN_SCORE, replaced_from=CUT)
    result = processing_order(base, changed, replaced=np.arange(CUT, VAL_TOKENS))
    assert (result.outcome, result.condition) == (Outcome.BREACH, "c3-score-before-update")


def test_what_is_scored_last_is_known_from_the_run() -> None:
    last = scored_last(_scored(toys.FROZEN))
    assert last is not None
    assert last.tolist() == list(range(193, 1025))  # from the middle of the second chunk on


def test_what_was_read_ahead_at_the_begin_of_the_stream_shows_among_the_tokens_scored_last() -> None:
    def ordered(source: str) -> ProbeResult:
        changed = _scored(source, replaced_from=193)
        return processing_order(_scored(source), changed, replaced=np.arange(193, VAL_TOKENS))

    ahead = toys.TWO_PASS.replace("zip(val[:-1].tolist()", "zip(val[:256].tolist()")
    assert _prefix(ahead).outcome is Outcome.CLEAN
    assert ordered(ahead).outcome is Outcome.BREACH
    assert ordered(toys.ONLINE_PAIRS).outcome is Outcome.CLEAN


def test_an_artifact_that_holds_validation_data_changes_with_it() -> None:
    pair = (_scored(toys.CALIBRATED_ON_VAL), _scored(toys.CALIBRATED_ON_VAL, replaced_from=1))
    result = artifact_independence(*pair, replaced=VAL_TOKENS - 1)
    assert (result.outcome, result.condition) == (Outcome.BREACH, "no-val-in-artifact")
    legal = (_scored(toys.CALIBRATED_ON_TRAIN), _scored(toys.CALIBRATED_ON_TRAIN, replaced_from=1))
    assert artifact_independence(*legal, replaced=VAL_TOKENS - 1).outcome is Outcome.CLEAN


def test_equal_artifacts_say_nothing_where_only_the_end_was_replaced() -> None:
    pair = (_scored(toys.CALIBRATED_ON_VAL), _scored(toys.CALIBRATED_ON_VAL, replaced_from=CUT))
    assert artifact_independence(*pair, replaced=VAL_TOKENS - CUT).outcome is Outcome.NO_POWER


def test_a_byte_too_many_per_row_is_found_to_the_byte() -> None:
    result = byte_denominator(_scored(toys.BYTES_MISCOUNTED), byte_counts=BYTES)
    assert (result.outcome, result.numbers["off"]) == (Outcome.BREACH, 16)


def test_a_chunk_counted_three_times_is_found() -> None:
    result = coverage(_scored(toys.COUNTED_TWICE))
    assert (result.outcome, result.condition) == (Outcome.BREACH, "c4-single-pass")
    assert result.numbers["again"] == 256


def test_training_tokens_after_the_artifact_are_found() -> None:
    training, outside = access_timeline(_scored(toys.TRAINS_AFTER_PACKING))
    assert (training.outcome, training.condition) == (Outcome.BREACH, "no-train-data-at-eval")
    assert outside.outcome is Outcome.CLEAN


def test_the_same_run_twice_is_the_same() -> None:
    result = replay(_scored(toys.SCORE_FIRST), _scored(toys.SCORE_FIRST, number=1))
    assert result.outcome is Outcome.CLEAN
    assert result.numbers["values"] == 1024


def test_a_run_of_chance_is_not_reproducible() -> None:
    source = toys.FROZEN.replace("torch.manual_seed(1337)", "torch.seed()")
    result = replay(_scored(source), _scored(source, number=1))
    assert result.outcome is Outcome.NOT_REPRODUCIBLE
    assert "1,024 of 1,024 counted losses" in result.sentence


def test_a_score_that_is_printed_and_not_computed_is_never_clean() -> None:
    source = toys.FROZEN.replace("val_bpb = loss_sum / math.log(2.0) / byte_count", "val_bpb = 1.0123")
    base, changed = _scored(source), _scored(source, replaced_from=CUT)
    results = [
        prefix_invariance(base, changed, cut=CUT),
        coverage(base),
        byte_denominator(base, byte_counts=BYTES),
    ]
    assert {result.outcome for result in results} == {Outcome.NO_POWER}
    assert "no sum that was seen gives" in results[0].sentence


def test_a_script_that_hides_its_sum_from_the_hooks_is_never_clean() -> None:
    source = toys.FROZEN.replace(
        "    loss_sum += nll.double().sum().item()\n",
        "    loss_sum = loss_sum.__add__(float(torch.sum(nll)))\n",
    )
    assert _prefix(source).outcome is Outcome.NO_POWER


def _without_lessons(run: ScoredRun) -> ScoredRun:
    """As a script with a loss of its own leaves its record: no loss with gradient was seen."""
    events = tuple(one for one in run.record.events if not (isinstance(one, LossEvent) and one.grad))
    return replace(run, record=replace(run.record, events=events))


def test_rows_with_gradient_show_what_was_trained_on_where_no_loss_of_it_was_seen() -> None:
    base = _without_lessons(_scored(toys.ADAPT_THEN_SCORE))
    changed = _without_lessons(_scored(toys.ADAPT_THEN_SCORE, replaced_from=CUT))
    result = prefix_invariance(base, changed, cut=CUT)
    assert (result.outcome, result.condition) == (Outcome.BREACH, "c3-score-before-update")
