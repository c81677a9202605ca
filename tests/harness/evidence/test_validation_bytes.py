from __future__ import annotations

import datetime
import math

import pytest

from harness.evidence.seed_evidence import Match, SeedEvidence
from harness.evidence.validation_bytes import (
    Agreement,
    bytes_per_token,
    diagnose,
    equation,
    implied_bytes,
    known_streams,
    measure,
    printed_byte_count,
    stream_of_ratio,
    stream_of_tokens,
)
from harness.finding import Sourced
from harness.logs.training_log import EvalPass, PassKind, Run
from harness.ruleset import Limits, load_ruleset


def limits() -> Limits:
    return load_ruleset().limits(datetime.date(2026, 5, 2))


def seed(
    tokens: int | None,
    loss: float | None,
    bpb: float,
    *,
    digits: int = 8,
    label: str = "final",
    line: str = "",
) -> SeedEvidence:
    counted = EvalPass(
        label=label,
        kind=PassKind.FINAL,
        val_bpb=Sourced(bpb, "train.log", 9, line or None),
        val_loss=None if loss is None else Sourced(loss, "train.log", 9),
        digits=digits,
        loss_digits=digits,
    )
    val_tokens = None if tokens is None else Sourced(tokens, "train.log", 2)
    run = Run(file="train.log", first_line=1, last_line=9, val_tokens=val_tokens, passes=(counted,))
    return SeedEvidence(seed=42, claim=None, match=Match.CLAIM, run=run, training_run=run, counted=counted)


def agreement(evidence: SeedEvidence) -> Agreement | None:
    implied = measure(evidence)
    found = diagnose(implied, limits()) if implied else None
    return found.agreement if found else None


def test_the_identity_on_a_printed_case() -> None:
    assert implied_bytes(47_851_520, 2.40073153, 1.00692894) == pytest.approx(164_594_398, abs=1)


def test_a_loss_of_ln_2_at_one_bit_per_byte_is_one_byte_per_token() -> None:
    assert bytes_per_token(math.log(2), 1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["sp1024", "sp4096", "sp8192", "CaseOps 8192", "byte260"])
def test_every_known_stream_agrees_with_the_text(name: str) -> None:
    stream = next(each for each in known_streams(limits()) if each.name == name)
    ratio = stream.implied_bytes / stream.scored
    assert agreement(seed(stream.scored, 1.1 * math.log(2) * ratio, 1.1)) is Agreement.EXACT


def test_the_launch_export_is_told_from_an_error() -> None:
    evidence = seed(63_779_840, 1.2 * math.log(2) * 155_769_746 / 63_779_840, 1.2)
    assert agreement(evidence) is Agreement.OLD_EXPORT


def test_a_subset_at_a_known_ratio_is_told_from_a_wrong_denominator() -> None:
    assert agreement(seed(9_662_464, 1.1 * math.log(2) * 3.15736, 1.1)) is Agreement.SUBSET


def test_a_known_cause_is_named_with_its_rule() -> None:
    implied = measure(seed(47_851_520, 2.40073153, 1.00692894))
    assert implied is not None
    found = diagnose(implied, limits())
    assert found is not None
    assert (found.agreement, found.rule) == (Agreement.OFF, "caseops-sidecar")


def test_rounding_widens_the_bands() -> None:
    loss = 1.2 * math.log(2) * 151_080_891 * 1.00013 / 62_021_632
    assert agreement(seed(62_021_632, loss, 1.2, digits=8)) is Agreement.TAIL
    assert agreement(seed(62_021_632, loss, 1.2, digits=4)) is Agreement.EXACT


def test_without_a_token_count_there_is_no_diagnosis() -> None:
    assert agreement(seed(None, 2.0, 1.2)) is None


def test_a_score_without_a_loss_implies_nothing() -> None:
    assert measure(seed(62_021_632, None, 1.2)) is None


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_scores_imply_nothing(bad: float) -> None:
    assert measure(seed(62_021_632, 2.0, bad)) is None


def test_a_tail_belongs_to_its_stream_and_a_tenth_does_not() -> None:
    found = stream_of_tokens(62_021_632, limits())
    assert found is not None
    assert found.name == "sp1024"
    assert stream_of_tokens(6_202_163, limits()) is None


def test_a_ratio_between_two_streams_belongs_to_none() -> None:
    assert stream_of_ratio(2.7523, limits()) is None


@pytest.mark.parametrize(
    ("label", "line", "count"),
    [
        ("final", "final val_bpb:0.93 N_bytes=40540160", 40_540_160),
        ("ppm_mix", "ppm_mix bytes=151,078,222 val_bpb:0.9", 151_078_222),
        ("final", "final total_bytes:11189842 val_bpb:1.2", None),
        ("final", "final val_bpb:1.2 eval_time:1400ms", None),
    ],
)
def test_a_byte_count_is_read_from_the_score_line(label: str, line: str, count: int | None) -> None:
    counted = seed(None, None, 1.2, label=label, line=line).counted
    assert counted is not None
    assert printed_byte_count(counted) == count


def test_the_equation_shows_what_it_is_measured_against() -> None:
    implied = measure(seed(47_851_520, 2.40073153, 1.00692894))
    assert implied is not None
    assert equation(implied, limits()) == (
        "47,851,520 tokens x 2.40073153 / (ln 2 x 1.00692894) imply 164,594,398 bytes, +8.94 % against the "
        "151,080,891 bytes of the validation text"
    )
