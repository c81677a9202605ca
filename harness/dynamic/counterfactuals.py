"""Which other runs are made beside the first, and which probes judge them.

The first run is compared with runs of other tokens. A score or a file that comes out the same, bit for bit,
shows by itself that nothing random stands in it, so the very same run is made twice only where something
differs: no difference counts before that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.alternative_forks import forked_alternatives
from harness.dynamic.probes.access_timeline import access_timeline
from harness.dynamic.probes.artifact_independence import PROBE as ARTIFACT
from harness.dynamic.probes.artifact_independence import artifact_independence
from harness.dynamic.probes.byte_denominator import byte_denominator
from harness.dynamic.probes.coverage import coverage
from harness.dynamic.probes.documents import (
    BOUNDARY,
    ISOLATION,
    MATES,
    batch_mates,
    boundary_to_replace,
    document_boundary,
    document_to_replace,
)
from harness.dynamic.probes.doubled_stream import PROBE as DOUBLED
from harness.dynamic.probes.doubled_stream import doubled_stream
from harness.dynamic.probes.first_unit import PROBE as FIRST_UNIT
from harness.dynamic.probes.first_unit import first_unit
from harness.dynamic.probes.noise_martingale import PROBE as NOISE
from harness.dynamic.probes.noise_martingale import attributed, noise_martingale
from harness.dynamic.probes.normalisation import PROBE as NORMALISATION
from harness.dynamic.probes.prefix_invariance import PROBE as PREFIX
from harness.dynamic.probes.prefix_invariance import prefix_invariance, telling_cut
from harness.dynamic.probes.probe import ProbeResult, scored_run
from harness.dynamic.probes.processing_order import PROBE as ORDER
from harness.dynamic.probes.processing_order import processing_order, scored_last
from harness.dynamic.probes.replay import PROBE as REPLAY
from harness.dynamic.probes.replay import repeated, replay, without_proof
from harness.dynamic.probes.scattered_targets import PROBE as SCATTERED
from harness.dynamic.probes.scattered_targets import scattered_places, scattered_targets, suspects
from harness.dynamic.tiny_data import Layout, tiny_data
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.dynamic.audit_run import AuditRun
    from harness.dynamic.probes.probe import ScoredRun
    from harness.dynamic.run_ladder import Attempt
    from harness.dynamic.run_plan import RunPlan
    from harness.dynamic.run_pool import BegunRun, RunPool
    from harness.dynamic.tiny_data import TinyData
    from harness.dynamic.tiny_vocabulary import VocabularyKey

    Pending = Callable[[], ScoredRun | None]

# Inside a window of 256 and a chunk of 512, not at their borders: adapt-then-score looks clean there.
CUT_SHARE = 0.75
HALF_SHARE = 0.5
_OFF_BORDER = 37
# Where a made-up passage ends that stood in the stream before: a lookup knows how it goes on.
_PLANTED_SHARE = 0.62
_FORKED_RUN = 1.5  # of a run's seconds: what forks take at least


class Counterfactuals:
    """The other runs of a submission whose first run, of `first_data`, reached a score."""

    def __init__(self, key: VocabularyKey, label: str | None) -> None:
        """`label` is the printed name of the claimed score, None where the logs do not tell."""
        plain = tiny_data(key, Layout.SINGLE)
        self._label = label
        self._place = int(plain.validation.size * _PLANTED_SHARE)
        self._cut = int(plain.validation.size * CUT_SHARE) + _OFF_BORDER
        self._half = int(plain.validation.size * HALF_SHARE) + _OFF_BORDER
        self.data = plain.with_planted(self._place)
        """What the first run is made with."""
        self._noise = self.data.with_noise()
        self._several = tiny_data(key, Layout.SEVERAL)

    def scored(self, name: str, run: AuditRun, data: TinyData) -> ScoredRun:
        """`run` with the claimed number taken apart."""
        return scored_run(name, run, stream_tokens=data.validation.size, label=self._label)

    def begin_beside(self, plan: RunPlan, pool: RunPool) -> BegunRun:
        """The one other run whose tokens need no knowledge of the first: begun together with it."""
        return pool.begin("documents", "several documents", plan, self._several, least_seconds=0.0)

    def judged(
        self, base: ScoredRun, attempt: Attempt, pool: RunPool, beside: BegunRun, *, thorough: bool
    ) -> list[ProbeResult]:
        """Make the runs and judge them. `thorough` takes the probes whose question others ask as well.

        `beside` is what `begin_beside` began.
        """
        return _Judging(self, base, attempt, pool, beside).results(thorough=thorough)


class _Judging:
    def __init__(
        self, made: Counterfactuals, base: ScoredRun, attempt: Attempt, pool: RunPool, beside: BegunRun
    ) -> None:
        self._made = made
        self._base = base
        self._plan = attempt.plan
        self._seconds = attempt.run.outcome.seconds
        self._pool = pool
        self._beside = beside
        self._cut = telling_cut(base) or made._cut

    def results(self, *, thorough: bool) -> list[ProbeResult]:
        base, made = self._base, self._made
        alone = [byte_denominator(base, byte_counts=made.data.token_bytes()), *access_timeline(base)]
        if base.metric is None:
            self._beside.forget()
            return [coverage(base), *alone, self._prefix(base), self._on_noise(base), self._artifacts(base)]
        suffix = self._begin(
            "suffix",
            f"tokens from position {self._cut:,} on replaced",
            made.data.with_suffix_replaced(self._cut),
        )
        # The longest run goes beside it; where runs go one at a time, a breach must be repeated before.
        forks = self._begin_forks() if self._pool.workers > 1 else None
        changed = suffix()
        alone.insert(0, coverage(base, changed))
        prefix = self._prefix(changed)
        again = None
        if changed is not None and prefix.outcome is not Outcome.CLEAN:
            again = self._begin("replay", "the same tokens again", made.data)
        # Each run is begun before the next answer is waited for: two go side by side.
        forks = forks or self._begin_forks()
        drawn = replace(self._plan, drawn_weights=tuple(made.data.noise_weights().tolist()))
        noise = self._begin("noise", "every token drawn by chance", made._noise, drawn)
        orders = None
        if prefix.outcome is Outcome.BREACH:
            self._beside.forget()
        else:
            orders = self._begin_orders(self._documents(), thorough=thorough)
        on_noise, artifacts, forked = self._on_noise(noise()), self._artifacts(noise()), forks()
        is_broken = any(one.outcome is Outcome.BREACH for one in (prefix, on_noise, artifacts, forked))
        if again is None and is_broken:
            again = self._begin("replay", "the same tokens again", made.data)
        scattered = self._scattered() if not base.learns and not is_broken else []
        compared = [prefix, *(orders() if orders is not None else [])]
        is_blind_to_later = any(one.outcome is Outcome.CLEAN for one in compared)
        on_noise = attributed(on_noise, noise(), is_blind_to_later=is_blind_to_later)
        compared += [on_noise, artifacts, forked, *scattered]
        if (by_chance := noise()) is not None and alone[0].outcome is not Outcome.BREACH:
            # Which chunk is the hardest seldom changes with a suffix, but it does with all tokens.
            of_noise = coverage(base, by_chance)
            alone[0] = of_noise if of_noise.outcome is Outcome.BREACH else alone[0]
        if thorough or (base.learns and prefix.outcome is Outcome.NO_POWER):
            compared.append(self._first_unit())
        if thorough:
            compared.append(self._doubled())
        if again is None and any(one.outcome is Outcome.BREACH for one in (alone[0], *compared)):
            again = self._begin("replay", "the same tokens again", made.data)
        same = self._replayed(changed, again)
        if same.outcome is Outcome.NOT_REPRODUCIBLE:
            compared = []
        return without_proof([*alone, same, *compared], same)

    def _begin(self, name: str, what: str, data: TinyData, plan: RunPlan | None = None) -> Pending:
        """Another run as the first; the answer waits for it, and is None where no time was left."""
        begun = self._pool.begin(name, what, plan or self._plan, data, least_seconds=self._seconds)
        return self._scored(name, begun, data)

    def _documents(self) -> Pending:
        """The run that was begun beside the first, or the same again where the first was driven otherwise."""
        name, data = "documents", self._made._several
        if self._beside.is_unwanted.is_set():
            return self._begin(name, "several documents", data)
        return self._scored(name, self._beside, data)

    def _scored(self, name: str, begun: BegunRun, data: TinyData) -> Pending:
        found: list[ScoredRun | None] = []

        def wait() -> ScoredRun | None:
            if not found:
                run = begun.result()
                found.append(self._made.scored(name, run, data) if run is not None else None)
            return found[0]

        return wait

    def _prefix(self, changed: ScoredRun | None) -> ProbeResult:
        if changed is None:
            return _left_out(PREFIX, "c1-causal")
        counts = self._made.data.token_bytes()
        return prefix_invariance(self._base, changed, cut=self._cut, byte_counts=counts)

    def _replayed(self, changed: ScoredRun | None, again: Pending | None) -> ProbeResult:
        """Whether the first run comes again: by the same once more, or by what stays in another run."""
        if again is not None:
            second = again()
            return replay(self._base, second) if second is not None else _left_out(REPLAY, "reproducible")
        if changed is None:
            return _left_out(REPLAY, "reproducible")
        return repeated(self._base, changed)

    def _begin_forks(self) -> Callable[[], ProbeResult]:
        """Every token at one place, in forks of one run, which is begun at once: it takes the longest."""
        made = self._made
        if self._plan.world_size > 1:
            sentence = "forks of several ranks could not speak to each other; one rank shows it"
            return lambda: _no_power(NORMALISATION, "c2-normalized", sentence)

        def begin(plan: RunPlan) -> Callable[[], AuditRun | None]:
            return self._pool.begin(
                "forks",
                f"other tokens at position {made._place:,} and elsewhere, each in a fork",
                plan,
                made.data,
                least_seconds=_FORKED_RUN * self._seconds,
                may_write_data=True,
            ).result

        def rerun(position: int, token: int) -> ScoredRun | None:
            data = made.data.with_token(position, token)
            return self._begin("token", f"token {token} at position {position:,} from the start", data)()

        return forked_alternatives(self._base, made.data, made._place, self._plan, begin, rerun)

    def _scattered(self) -> list[ProbeResult]:
        """Other tokens at places that do not see each other; nothing where that is no question."""
        places = scattered_places(self._base)
        if places is None or self._plan.world_size > 1:
            return []
        changed = self._begin_replaced("scattered", f"other tokens at {places.size} places", places)()
        if changed is None:
            return [_left_out(SCATTERED, "c1-causal")]
        differing = suspects(self._base, changed, places.tolist())[0] if changed.metric is not None else []
        alone = None
        if differing:
            what = f"another token at position {differing[0]:,}"
            alone = self._begin_replaced("one place", what, np.array(differing[:1]))()
        return [scattered_targets(self._base, changed, places.tolist(), alone)]

    def _begin_replaced(self, name: str, what: str, places: np.ndarray) -> Pending:
        where = np.zeros(self._made.data.validation.size, dtype=np.bool_)
        where[places] = True
        return self._begin(name, what, self._made.data.with_replaced(where))

    def _on_noise(self, run: ScoredRun | None) -> ProbeResult:
        if run is None:
            return _left_out(NOISE, "c1-causal")
        return noise_martingale(run, chances=self._made._noise.chances())

    def _artifacts(self, run: ScoredRun | None) -> ProbeResult:
        if run is None:
            return _left_out(ARTIFACT, "no-val-in-artifact")
        replaced = int((self._made.data.validation != self._made._noise.validation).sum())
        return artifact_independence(self._base, run, replaced=replaced)

    def _begin_orders(self, documents: Pending, *, thorough: bool) -> Callable[[], list[ProbeResult]]:
        """Several documents: what was scored before the last ones must not know them."""
        several = self._made._several
        first = documents()
        if first is None:
            return lambda: [_left_out(ORDER, "c1-causal")]
        last = scored_last(first)
        if last is None:
            sentence = first.why_not or "where the counted scores belong in the stream is unknown"
            return lambda: [_no_power(ORDER, "c1-causal", sentence)]
        where = np.zeros(several.validation.size, dtype=np.bool_)
        where[last] = True
        waiting = self._begin("last documents", "tokens scored last replaced", several.with_even(where))

        def judged() -> list[ProbeResult]:
            asked = [*self._mates(first), *self._boundary(first)] if thorough else []
            changed = waiting()
            if changed is None:
                return [_left_out(ORDER, "c1-causal"), *asked]
            results = [processing_order(first, changed, replaced=last), *asked]
            # What is chosen by how text is scored may stay for the noise, which has its common tokens.
            kept = artifact_independence(first, changed, replaced=int(last.size))
            return [*results, kept] if kept.outcome is Outcome.BREACH else results

        return judged

    def _mates(self, first: ScoredRun) -> list[ProbeResult]:
        several = self._made._several
        document = document_to_replace(first, several.documents())
        if document is None:
            return [_no_power(MATES, "c1-causal", "no document was scored beside or behind another")]
        where = np.zeros(several.validation.size, dtype=np.bool_)
        where[document.start : document.stop] = True
        what = f"the document at position {document.start:,} replaced"
        changed = self._begin("one document", what, several.with_replaced(where))()
        if changed is None:
            return [_left_out(MATES, "c1-causal")]
        return [batch_mates(first, changed, document=document)]

    def _boundary(self, first: ScoredRun) -> list[ProbeResult]:
        several = self._made._several
        found = boundary_to_replace(first, several.documents())
        if found is None:
            return [_no_power(BOUNDARY, ISOLATION, "no document is scored behind the end of another")]
        replaced, document = found
        where = np.zeros(several.validation.size, dtype=np.bool_)
        where[replaced.start : replaced.stop] = True
        what = f"the last {len(replaced)} tokens before the document at position {document.start:,} replaced"
        changed = self._begin("boundary", what, several.with_replaced(where))()
        if changed is None:
            return [_left_out(BOUNDARY, ISOLATION)]
        return [document_boundary(first, changed, replaced=replaced, document=document)]

    def _first_unit(self) -> ProbeResult:
        """Adaptation taken back: what is scored before any must stay."""
        still = self._base if not self._base.learns else self._begin(
            "unadapted",
            "steps on validation tokens taken back",
            self._made.data,
            replace(self._plan, adapts=False),
        )()  # fmt: skip
        if still is None:
            return _left_out(FIRST_UNIT, "c3-score-before-update")
        return first_unit(self._base, still)

    def _doubled(self) -> ProbeResult:
        """The stream twice."""
        made = self._made
        what = f"tokens from position {made._half:,} on are those from the start"
        doubled = self._begin("doubled", what, made.data.with_repetition(made._half))()
        if doubled is None:
            return _left_out(DOUBLED, "c4-single-pass")
        return doubled_stream(doubled, self._base, half=made._half)


def _left_out(probe: str, condition: str) -> ProbeResult:
    return ProbeResult(
        probe=probe,
        condition=condition,
        outcome=Outcome.NOT_RUN,
        sentence="no time was left for the runs it needs",
    )


def _no_power(probe: str, condition: str, sentence: str) -> ProbeResult:
    return ProbeResult(probe=probe, condition=condition, outcome=Outcome.NO_POWER, sentence=sentence)
