"""One row of the board: a submission's scores and everything that decides whether it holds the record.

A value that people will quote is a `Told`: it carries who says so (measured by a run of ours, logged by the
submission, claimed by it, curated by hand) and where. Scores of different standing are never averaged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.evidence.significance import mean, sample_std

if TYPE_CHECKING:
    import datetime

T = TypeVar("T")


class Standing(StrEnum):
    """Who says a value, the most trusted first."""

    MEASURED = "measured"  # by golf-run: our clock, our tokens, our score
    LOGGED = "logged"  # a log of the submission proves it
    CLAIMED = "claimed"  # stated, and no log shows it
    CURATED = "curated"  # written by hand in leaderboard.toml, with an author and a date


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Generic[T]):
    """A value, who says it, and where: "submission.json", "train_seed42.log:921", "leaderboard.toml"."""

    value: T
    standing: Standing
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScore:
    """One seed's score (bits per byte) and loss (nats per token), seconds and bytes; None where unknown.

    `log` is the file that proves it, relative to the submission's folder, `line` the line of the score.
    """

    val_bpb: float
    standing: Standing
    source: str
    seed: int | None = None
    val_loss: float | None = None
    train_seconds: float | None = None
    eval_seconds: float | None = None
    total_bytes: int | None = None
    log: str | None = None
    line: int | None = None


class Outcome(StrEnum):
    """What a person decided about a row."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRuling:
    """A decision about one row. `date` is None for a merge, which a clone does not date reliably."""

    outcome: Outcome
    who: str
    why: str
    source: str
    date: datetime.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """Scores (bits per byte) of further runs of the same code, made by somebody else or later."""

    scores: tuple[float, ...]
    who: str
    source: str
    date: datetime.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What golf-check says of the row, the rules that the chain itself decides left out.

    `verdict` is one of golf-check's words. `failed`, `asked` and `open` are rule ids.
    """

    verdict: str
    failed: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One submission. `key` names it on the board and in links: "#1855", "#65 records/...", "run name".

    `created_at` is when its pull request was opened, `evidence_at` when the claimed score was in it; order
    goes by them where known, else by number (`progression`). `bytes_per_token` turns bits per byte into nats
    per token. `scores` may hold several standings; `sample` is the set that counts.
    """

    key: str
    track: str
    pr: int | None = None
    folder: str | None = None
    commit: str | None = None
    title: Told[str] | None = None
    summary: Told[str] | None = None
    author: Told[str] | None = None
    github_id: Told[str] | None = None
    date: Told[str] | None = None
    created_at: Told[datetime.datetime] | None = None
    evidence_at: Told[datetime.datetime] | None = None
    scores: tuple[SeedScore, ...] = ()
    reproductions: tuple[Reproduction, ...] = ()
    bytes_per_token: float | None = None
    judged: Judged | None = None
    ruling: RowRuling | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def sample(self) -> tuple[SeedScore, ...]:
        """The scores of the most trusted standing that has any; never a mixture."""
        for standing in Standing:
            found = tuple(score for score in self.scores if score.standing is standing)
            if found:
                return found
        return ()

    @property
    def values(self) -> tuple[float, ...]:
        """The sample's scores, bits per byte."""
        return tuple(score.val_bpb for score in self.sample)

    @property
    def values_with_reproductions(self) -> tuple[float, ...]:
        """The sample's scores and those of every further run of the same code, bits per byte."""
        return (*self.values, *(score for runs in self.reproductions for score in runs.scores))

    @property
    def standing(self) -> Standing | None:
        """Who says the sample, None without scores."""
        return self.sample[0].standing if self.sample else None

    @property
    def mean(self) -> float | None:
        """Mean of the sample, bits per byte; None without scores."""
        return mean(self.values) if self.scores else None

    @property
    def sample_std(self) -> float | None:
        """Sample deviation (divisor n - 1), bits per byte; None below two scores."""
        return sample_std(self.values) if self.scores else None

    @property
    def name(self) -> str:
        """What people call it: the title, else the folder, else the key."""
        if self.title is not None and self.title.value.strip():
            return self.title.value
        return self.folder.rsplit("/", 1)[-1] if self.folder else self.key
