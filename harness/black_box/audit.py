"""All probes of one scorer, and what they come to together.

from harness.black_box import Scorer, audit_scorer

audit_scorer(Scorer(score=my_losses, vocab_size=1024)).raise_on_breach()
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.black_box.causality_probes import coverage, doubled_stream, prefix_consistency, suffix_swap
from harness.black_box.document_probes import batch_mates, permuted_documents, two_ranks
from harness.black_box.learning_probes import canary, first_unit, noise_martingale
from harness.black_box.noise_floor import measured_noise
from harness.black_box.probability_probes import alternative_sum, distribution
from harness.black_box.probe_result import ProbeResult
from harness.black_box.scorer import ScorerError
from harness.black_box.streams import text
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from harness.black_box.noise_floor import NoiseFloor
    from harness.black_box.scorer import Losses, Scorer, Tokens

_LEAST_TOKENS = 64

# The probes in the order they run, behind the two that always do.
PROBES = (
    "suffix-swap", "prefix", "doubled-stream", "distribution", "alternative-sum", "noise-martingale",
    "canary", "first-unit", "batch-mates", "permuted-documents", "two-ranks",
)  # fmt: skip
# Of a scorer these say whether it can be asked at all, and nothing of what its losses depend on.
_FIRST_PROBES = ("replay", "coverage")
# What must have been seen clean when nobody says more: causality, and a probability by either of two ways.
_NEEDED_BY_DEFAULT = (("suffix-swap",), ("alternative-sum", "distribution"))


class BreachError(AssertionError):
    """A scorer breaks a rule, or too little of it was looked at; the message says which, with the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackBoxReport:
    """What each probe said, in the order they ran."""

    results: tuple[ProbeResult, ...]
    tokens: int
    seed: int

    @property
    def breaches(self) -> tuple[ProbeResult, ...]:
        """The probes that saw a rule broken."""
        return tuple(result for result in self.results if result.outcome == Outcome.BREACH)

    @property
    def unseen(self) -> tuple[ProbeResult, ...]:
        """The probes that could not have seen a breach: of what they look for nothing is known."""
        blind = (Outcome.NO_POWER, Outcome.NOT_REPRODUCIBLE, Outcome.NOT_RUN)
        return tuple(result for result in self.results if result.outcome in blind)

    def raise_on_breach(self, *, needs: Collection[str] | None = None) -> None:
        """Raises `BreachError` with the report if a probe saw a breach, or if too little was looked at.

        Each probe named in `needs` must be clean: one without power, not run, or left out by `only` is not.
        By default `suffix-swap` must be, and one of `alternative-sum` and `distribution`, where they were
        asked for. A probe besides `replay` and `coverage` must be clean in any case. Raises `ValueError` for
        a name that no probe has.
        """
        _refuse_unknown(needs or (), (*_FIRST_PROBES, *PROBES))
        if self.breaches:
            raise BreachError(str(self))
        missing = self._missing(needs)
        if missing:
            raise BreachError(f"too little was looked at: {'; '.join(missing)}\n{self}")

    def _missing(self, needs: Collection[str] | None) -> list[str]:
        """What must be clean and is not, in words."""
        outcomes = {result.probe: result.outcome for result in self.results}
        clean = {probe for probe, outcome in outcomes.items() if outcome == Outcome.CLEAN}
        if clean <= set(_FIRST_PROBES):
            return [f"no probe besides {' and '.join(_FIRST_PROBES)} is clean"]
        if needs is None:
            groups = [[probe for probe in ways if probe in outcomes] for ways in _NEEDED_BY_DEFAULT]
        else:
            groups = [[probe] for probe in needs]
        said = {probe: f"{probe} ({outcomes.get(probe, 'left out')})" for ways in groups for probe in ways}
        return [
            f"{' or '.join(said[probe] for probe in ways)} must be clean"
            for ways in groups
            if ways and not clean & set(ways)
        ]

    def __str__(self) -> str:
        """One line a probe, under a line that counts them."""
        counts = f"{len(self.breaches)} of {len(self.results)} probes saw a breach"
        if self.unseen:
            counts += f", {len(self.unseen)} could not have seen one"
        return "\n".join([f"{counts} ({self.tokens:,} tokens, seed {self.seed})", *map(str, self.results)])


def audit_scorer(
    scorer: Scorer,
    *,
    tokens: int = 1024,
    seed: int = 0,
    only: Collection[str] = PROBES,
    on_result: Callable[[ProbeResult], None] | None = None,
) -> BlackBoxReport:
    """Score drawn streams of about `tokens` tokens with `scorer` in many ways and compare.

    Costs 17 calls of `score`, and 3 V more for a vocabulary V up to 1,024 (288 at most beyond); up to 64 more
    for a `first_unit`, 6 for what else a scorer offers, and 86 of `dist`. `only` some of `PROBES` cost less.
    Choose `tokens` larger than several chunks, windows and batches of the scorer: a leak that needs more is
    not seen. What the scorer raises ends a probe, never the audit. `on_result` gets each result at once.
    Raises `ValueError` for fewer than 64 tokens and unknown probes.
    """
    if tokens < _LEAST_TOKENS:
        raise ValueError(f"an audit needs {_LEAST_TOKENS} tokens at least, not {tokens}")
    _refuse_unknown(only, PROBES)
    results: list[ProbeResult] = []
    wanted = set(only)
    if wanted & {"prefix", "doubled-stream"}:
        wanted.add("suffix-swap")  # tells a schedule over the length from knowledge of the tokens
    for result in _results(scorer, text(scorer, tokens, seed), seed, frozenset(wanted)):
        results.append(result)
        if on_result is not None:
            on_result(result)
    return BlackBoxReport(results=tuple(results), tokens=tokens, seed=seed)


def _refuse_unknown(asked: Collection[str], there_are: Collection[str]) -> None:
    unknown = sorted(set(asked) - set(there_are))
    if unknown:
        raise ValueError(f"there is no probe {', '.join(unknown)}; there are {', '.join(there_are)}")


def _results(scorer: Scorer, stream: Tokens, seed: int, only: frozenset[str]) -> Iterator[ProbeResult]:
    try:
        floor, base = measured_noise(scorer, stream)
    except ScorerError as error:
        yield ProbeResult("replay", "reproducible", Outcome.NOT_RUN, str(error))
        return
    if not floor.is_reproducible:
        yield ProbeResult(
            "replay", "reproducible", Outcome.NOT_REPRODUCIBLE,
            f"the same call twice gave losses that differ by up to {floor.noise:.3g} nats: fix seeds, and "
            "start each call from the same state; nothing else was probed",
            {"noise": floor.noise},
        )  # fmt: skip
        return
    yield ProbeResult(
        "replay", "reproducible", Outcome.CLEAN,
        f"the same call twice differs by {floor.noise:.1g} nats, so {floor.tolerance:.1g} counts as a "
        "difference",
        {"noise": floor.noise, "tolerance": floor.tolerance},
    )  # fmt: skip
    yield coverage(base)
    clean: set[str] = set()
    for name in PROBES:
        if name in only:
            result = _guarded(name, _probe(name, scorer, stream, base, floor, seed, clean))
            if result.outcome == Outcome.CLEAN:
                clean.add(name)
            yield result


def _probe(
    name: str, scorer: Scorer, stream: Tokens, base: Losses, floor: NoiseFloor, seed: int, clean: set[str]
) -> Callable[[], ProbeResult]:
    """The probe called `name`; `clean` are those that ran before it and saw nothing."""
    is_content_free = "suffix-swap" in clean
    is_prefix_enough = clean >= {"suffix-swap", "prefix"}
    calls: dict[str, Callable[[], ProbeResult]] = {
        "suffix-swap": lambda: suffix_swap(scorer, stream, base, floor, seed),
        "prefix": lambda: prefix_consistency(
            scorer, stream, base, floor, seed, is_content_free=is_content_free
        ),
        "doubled-stream": lambda: doubled_stream(
            scorer, stream, base, floor, is_content_free=is_content_free
        ),
        "distribution": lambda: distribution(scorer, stream, base, floor, seed),
        "alternative-sum": lambda: alternative_sum(
            scorer, stream, base, floor, seed, is_prefix_enough=is_prefix_enough
        ),
        "noise-martingale": lambda: noise_martingale(scorer, stream.size, seed),
        "canary": lambda: canary(scorer, stream, seed),
        "first-unit": lambda: first_unit(scorer, stream, base, floor),
        "batch-mates": lambda: batch_mates(scorer, stream, base, floor, seed),
        "permuted-documents": lambda: permuted_documents(scorer, stream, base, floor, seed),
        "two-ranks": lambda: two_ranks(scorer, stream, base, floor),
    }
    return calls[name]


def _guarded(name: str, probe: Callable[[], ProbeResult]) -> ProbeResult:
    try:
        return probe()
    except ScorerError as error:
        return ProbeResult(name, "c1-causal", Outcome.NOT_RUN, str(error))
