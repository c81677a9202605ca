"""The scores a run printed, and which of them carries the claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.dynamic.events import PrintEvent
from harness.logs.events import Score
from harness.logs.grammar import read_events
from harness.logs.text import LogLine
from harness.logs.training_log import PassKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.dynamic.event_record import EventRecord
    from harness.logs.training_log import EvalPass


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedNumber:
    """A score on a printed line. `exact` is the number that was formatted, None where only digits are known.

    `label` is the text before it as the log grammar reads it, `unit` "bpb" or "loss" (nats per token).
    """

    number: int
    label: str
    kind: PassKind
    unit: str
    printed: float
    digits: int
    exact: float | None

    @property
    def value(self) -> float:
        """The best known value."""
        return self.printed if self.exact is None else self.exact


def printed_numbers(record: EventRecord) -> Iterator[PrintedNumber]:
    """Every score on a line that rank 0 printed, as the grammar of train logs reads them."""
    texts: dict[int, PrintEvent] = {}
    seen: set[tuple[str, int]] = set()
    for event in record.of(PrintEvent):
        if event.rank:
            continue
        # A logger writes a line to the console and to its file: the first counts.
        key = (event.text, event.number // 64)
        if key in seen or (event.text, event.number // 64 - 1) in seen:
            continue
        seen.add(key)
        texts[event.number] = event
    lines = tuple(
        LogLine(number + 1, line) for number, event in texts.items() for line in event.text.splitlines()[:8]
    )
    for found in read_events("stdout", lines):
        if not isinstance(found, Score):
            continue
        event = texts[found.line - 1]
        score = found.score
        yield _number(event, score, "bpb", score.val_bpb.value, score.digits)
        if score.val_loss is not None:
            yield _number(event, score, "loss", score.val_loss.value, score.loss_digits)


def _number(event: PrintEvent, score: EvalPass, unit: str, printed: float, digits: int) -> PrintedNumber:
    exact = [value for value in event.values if abs(value - printed) <= 0.500001 * 10.0**-digits]
    return PrintedNumber(
        number=event.number,
        label=score.label,
        kind=score.kind,
        unit=unit,
        printed=printed,
        digits=digits,
        exact=exact[0] if exact else None,
    )


def claimed_number(printed: Sequence[PrintedNumber], label: str | None) -> PrintedNumber | None:
    """The number that carries the claim: the last with `label`, by most digits; without one the last final.

    `label` is that of the pass in the submission's own logs that its claimed score equals.
    """
    scores = [each for each in printed if each.unit == "bpb"]
    if label is not None:
        wanted = plain_label(label)
        same = [each for each in scores if plain_label(each.label) == wanted]
        if same:
            most = max(each.digits for each in same)
            return [each for each in same if each.digits == most][-1]
        return None
    final = [each for each in scores if each.kind is PassKind.FINAL]
    return final[-1] if final else None


def plain_label(label: str) -> str:
    """A label without numbers and punctuation: `ttt chunk 3/9:` and `ttt chunk 1/2` are one."""
    return " ".join("".join(c if c.isalpha() else " " for c in label.lower()).split())
