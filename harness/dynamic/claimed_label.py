"""Which printed line carries the claimed score: by the submission's logs, and then in a run of its script."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.dynamic.printed_metrics import plain_label
from harness.evidence.seed_evidence import Match, collect_evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.ruleset import Limits
    from harness.submission import Submission

_EXACT = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedLabel:
    """The label of the pass whose score is the claimed one ("final_int8_zlib_roundtrip_exact").

    `logged` are the labels of all final passes of the logs it stands in, itself among them.
    """

    label: str
    logged: frozenset[str]

    def in_run(self, printed: Iterable[str]) -> str | None:
        """The label under which a run prints the same score; None where that is not to be told.

        Logs of an earlier state of a script may call it otherwise: where they have one name that the run
        does not print, and the run one name that they do not have, both are the same pass.
        """
        shown = {plain_label(one): one for one in printed}
        if plain_label(self.label) in shown:
            return self.label
        logged = {plain_label(one) for one in self.logged}
        gone, new = _stems(logged - shown.keys()), _stems(shown.keys() - logged)
        if len(gone) != 1 or len(new) != 1:
            return None
        (stem,) = new
        return shown.get(f"{stem} {_EXACT}") or shown.get(stem)


def claimed_label(submission: Submission, limits: Limits) -> ClaimedLabel | None:
    """The label most seeds agree on, None where no log shows it."""
    labels: Counter[str] = Counter()
    logged: set[str] = set()
    for seed in collect_evidence(submission, limits).seeds:
        if seed.counted is None or seed.match not in {Match.CLAIM, Match.CLAIM_NEAR, Match.HEADLINE}:
            continue
        labels[seed.counted.label] += 1
        if seed.run is not None:
            logged.update(one.label for one in seed.run.final_passes)
    if not labels:
        return None
    label = labels.most_common(1)[0][0]
    return ClaimedLabel(label=label, logged=frozenset(logged | {label}))


def _stems(labels: Iterable[str]) -> set[str]:
    """Labels without the word that only says that more digits follow."""
    return {label.removesuffix(_EXACT).strip() for label in labels}
