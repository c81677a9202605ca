"""Per seed: what was claimed, which run proves it, and which pass of that run is the counted score."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.finding import Sourced
    from harness.submission import SeedClaim
    from harness.training_log import EvalPass, Run


class Match(StrEnum):
    """How the counted pass was found."""

    CLAIM = "claim"  # equals the per-seed claim within 1e-4
    CLAIM_NEAR = "claim-near"  # within 1e-3
    HEADLINE = "headline"  # no per-seed claim; close to the headline
    LAST = "last"  # no usable claim; last final pass of the run
    NONE = "none"  # no pass of this seed's logs fits


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedEvidence:
    """The evidence for one seed.

    `run` is the run whose pass is counted (it may be evaluation-only); `training_run` the run that trained
    the artifact (equal to `run` in most submissions). Sizes, steps and times come from these two only, never
    from another retry in the same file. `other_runs` are the seed's remaining runs, duplicates left out.
    """

    seed: int | None
    claim: SeedClaim | None
    match: Match
    run: Run | None
    training_run: Run | None
    counted: EvalPass | None
    total_bytes: Sourced[int] | None = None
    code_bytes: Sourced[int] | None = None
    model_bytes: Sourced[int] | None = None
    other_runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All seeds, in order of the claims, then of the logs; `unused_runs` belong to no claimed seed."""

    seeds: tuple[SeedEvidence, ...]
    unused_runs: tuple[Run, ...] = ()

    @property
    def counted_scores(self) -> tuple[Sourced[float], ...]:
        """The counted score of each seed that has one, bits per byte."""
        return tuple(s.counted.val_bpb for s in self.seeds if s.counted is not None)
