"""A submission against the standing record, in numbers and in words, for every rule about significance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.evidence.seed_scores import evidence_bytes_per_token, score_sample
from harness.evidence.significance import compare, p_in_words
from harness.wording import count_of

if TYPE_CHECKING:
    from harness.case import Case
    from harness.evidence.seed_scores import ScoreSample
    from harness.evidence.significance import Comparison
    from harness.evidence.standing_record import Reference
    from harness.finding import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordComparison:
    """The submission's scores, the record's, and what the tests say."""

    sample: ScoreSample
    reference: Reference
    numbers: Comparison

    def sides(self) -> str:
        """Both sides: "mean 1.07983 of 3 logged scores ... against #1493, mean 1.08100 of 3"."""
        old = self.numbers.old
        runs = count_of(len(old), "score")
        return (
            f"mean {self.sample.mean:.5f} of {self.sample.words()}, against {self.reference.name} with mean "
            f"{sum(old) / len(old):.5f} of {runs}"
        )

    def gain(self) -> str:
        """The gain in all three units, as D22 asks: nobody ever said which nats are meant."""
        gain = self.numbers.gain
        way = "lower" if gain.bpb >= 0 else "higher"
        per_token = (
            "nats per token unknown"
            if gain.nats_per_token is None
            else f"{gain.nats_per_token:+.4f} nats/token at {gain.bytes_per_token:.4f} bytes/token"
        )
        return f"{abs(gain.bpb):.5f} BPB {way} ({per_token}, {gain.nats_per_byte:+.4f} nats/byte)"

    def tests(self) -> str:
        """Both p-values: for any gain, and for the README's margin."""
        numbers = self.numbers
        text = (
            f"one-sided Welch: {p_in_words(numbers.no_margin)} for any gain, "
            f"{p_in_words(numbers.with_margin)} for {numbers.margin_nats} nats"
        )
        if len(numbers.old) == 1:
            text += f"; against the single score taken as exact {p_in_words(numbers.one_sample)}"
        return text

    def words(self) -> str:
        """Everything in one sentence."""
        return f"{self.sides()}: {self.gain()}; {self.tests()}"

    def places(self) -> tuple[Place, ...]:
        """Where the submission's scores stand."""
        return self.sample.places("counted score" if self.sample.proven else "claimed score")


def chain_covers(case: Case) -> bool:
    """True when staff's p < 0.25 chain decides this pull request instead of the README's margin.

    The chain was applied to pull requests from a number on; where the number is unknown the date decides.
    """
    pr = case.submission.origin.pr
    if pr is not None:
        return pr >= case.limits.integer("significance.chain_first_pr")
    first_day = case.limits.get("significance.chain_from")
    return bool(case.as_of >= first_day)


def compare_with_record(case: Case) -> RecordComparison | str:
    """The comparison, or in words what is missing for one."""
    sample = score_sample(case.submission, case.evidence)
    if sample is None:
        return "no score of this submission is known; state val_bpb in submission.json and ship the logs"
    if case.reference is None:
        return (
            "no standing record is known; judge it inside a clone with its pull request number, or name the "
            'record with --reference ("1.0611,1.0608,1.0622" or a submission folder)'
        )
    numbers = compare(
        sample.values,
        case.reference.scores,
        margin_nats=case.limits.number("significance.margin_nats"),
        bytes_per_token=evidence_bytes_per_token(case.submission, case.evidence),
    )
    return RecordComparison(sample=sample, reference=case.reference, numbers=numbers)
