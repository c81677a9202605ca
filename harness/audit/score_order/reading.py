"""One profile's events read as a whole: breaches, or why it is clean, or why nobody can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.score_order.breaches import PAIR_LIMIT, find_breaches
from harness.audit.score_order.clean_witness import find_witness, why_open
from harness.audit.score_order.event_index import EventIndex
from harness.audit.score_order.protocols import used_protocols
from harness.audit.score_order.throwaway import throwaway_updates

if TYPE_CHECKING:
    from harness.audit.events import ProfileAudit, Score, Update
    from harness.audit.score_order.breach import Breach
    from harness.audit.score_order.clean_witness import Witness
    from harness.audit.score_order.protocols import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReading:
    """`open_reason` is set when nothing may be called clean; `witness` shows why the rest is."""

    index: EventIndex
    breaches: tuple[Breach, ...]
    open_reason: str | None
    witness: Witness | None
    protocols: dict[Protocol, tuple[Score, Update]]
    throwaway: tuple[Update, ...]

    @property
    def adapts(self) -> bool:
        """True when the claimed score depends on something learned from validation tokens."""
        return bool(self.protocols) or bool(self.breaches) or self._learns_beside()

    def _learns_beside(self) -> bool:
        return self.witness is not None and self.witness.update is not None

    @property
    def is_clean(self) -> bool:
        """True when the claimed score was followed from tokens to print without any breach."""
        return not self.breaches and self.open_reason is None and self.witness is not None

    @property
    def is_proven_breach(self) -> bool:
        """True when at least one chain has no gap."""
        return any(breach.is_proven for breach in self.breaches)


def read_order(
    audit: ProfileAudit, *, log_adapts: bool = False, words: str | None = None, hidden: str | None = None
) -> OrderReading:
    """What the events of one profile say about the order of scoring and learning.

    `words` is why the submission's own words keep a script that never adapts from being called clean;
    `hidden` is code that runs and cannot be read, which keeps any script from it.
    """
    index = EventIndex(audit)
    breaches, complete = find_breaches(index)
    reason = why_open(index, log_adapts=log_adapts)
    if words is not None and not index.validation_updates():
        reason = reason or words
    if hidden is not None:
        reason = f"unresolved: {hidden}"
    if not complete:
        reason = reason or f"unresolved: more than {PAIR_LIMIT:,} pairs of scores and updates"
    return OrderReading(
        index=index,
        breaches=breaches,
        open_reason=reason,
        witness=find_witness(index),
        protocols=used_protocols(index),
        throwaway=throwaway_updates(index),
    )
