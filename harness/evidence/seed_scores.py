"""Which scores stand for a submission: proven by its logs where possible, else claimed, and said which."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from harness.evidence.significance import bytes_per_token, mean
from harness.finding import Place, Role
from harness.wording import count_of, listed, seed_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.evidence.seed_evidence import Evidence, SeedEvidence
    from harness.finding import Sourced
    from harness.submission import Submission

# Places listed with a finding: enough to check by hand, few enough to read.
PLACES_AT_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSample:
    """Scores in bits per byte, lower is better. `proven` False means they are claims that no log backs."""

    scores: tuple[Sourced[float], ...]
    proven: bool

    @property
    def values(self) -> tuple[float, ...]:
        """The bare numbers."""
        return tuple(score.value for score in self.scores)

    @property
    def mean(self) -> float:
        """Mean over seeds; raises `ValueError` for an empty sample."""
        return mean(self.values)

    def words(self) -> str:
        """What was tested: "3 logged scores 1.07928, 1.07997, 1.08025"."""
        kind = "logged" if self.proven else "claimed (not logged)"
        numbers = listed([f"{value:.5f}" for value in self.values], 8)
        return f"{count_of(len(self.values), f'{kind} score')} {numbers}"

    def places(self, note: str) -> tuple[Place, ...]:
        """The places of the first few scores: the first is primary."""
        return places_of(self.scores, note)


def places_of(values: Sequence[Sourced[float]], note: str) -> tuple[Place, ...]:
    """Places of some values under one phrase: the first primary, the others related."""
    return tuple(
        value.place(note, Role.PRIMARY if number == 0 else Role.RELATED)
        for number, value in enumerate(values[:PLACES_AT_MOST])
    )


def proven_seeds(evidence: Evidence) -> tuple[SeedEvidence, ...]:
    """Seeds with a counted score in a log; a seed that stands twice is taken once."""
    found: dict[object, SeedEvidence] = {}
    for number, seed in enumerate(evidence.seeds):
        if seed.counted is not None:
            found.setdefault(seed.seed if seed.seed is not None else f"unnamed {number}", seed)
    return tuple(found.values())


def name_of(seed: SeedEvidence) -> str:
    """The words for a seed: "seed 42", or its log's name when no seed is stated."""
    if seed.seed is not None:
        return seed_label(seed.seed)
    return f"the run in {seed.run.file}" if seed.run is not None else "an unnamed seed"


def claimed_sample(submission: Submission) -> ScoreSample | None:
    """What is stated per seed, in submission.json else the README, else the headline; None if nothing."""
    for claims in (submission.json.per_seed, submission.readme_claims.per_seed):
        claimed = tuple(claim.val_bpb for claim in claims if claim.val_bpb is not None)
        if claimed:
            return ScoreSample(scores=claimed, proven=False)
    headline = submission.json.headline
    return None if headline is None else ScoreSample(scores=(headline,), proven=False)


def score_sample(submission: Submission, evidence: Evidence) -> ScoreSample | None:
    """The scores to compare with the record: logged, else claimed per seed, else the headline, else None."""
    logged = tuple(seed.counted.val_bpb for seed in proven_seeds(evidence) if seed.counted is not None)
    if logged:
        return ScoreSample(scores=logged, proven=True)
    return claimed_sample(submission)


def evidence_bytes_per_token(submission: Submission, evidence: Evidence) -> float | None:
    """Bytes per scored token: the median over counted passes, else from the headline pair in the json."""
    ratios = [
        bytes_per_token(seed.counted.val_loss.value, seed.counted.val_bpb.value)
        for seed in proven_seeds(evidence)
        if seed.counted is not None and seed.counted.val_loss is not None
    ]
    known = [ratio for ratio in ratios if ratio is not None]
    if known:
        return median(known)
    headline, loss = submission.json.headline, submission.json.val_loss
    if headline is None or loss is None:
        return None
    return bytes_per_token(loss.value, headline.value)
