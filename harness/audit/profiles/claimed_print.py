"""Which of the numbers a run printed is the claimed score: the one on the log's line that carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.profiles.log_templates import fits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.audit.events import Sink
    from harness.audit.profiles.log_templates import Template
    from harness.audit.profiles.log_witnesses import Witnesses

_LONGEST_LABEL = 300  # the interpreter cuts labels there
_LINES_OF_A_CALL = 12


@dataclass(frozen=True, slots=True)
class ClaimedPrint:
    """The line that carries the claim; `sink` printed it, or one of `by` without a number we followed."""

    line: int
    sink: Sink | None = None
    by: tuple[Template, ...] = ()


def claimed_print(
    found: Witnesses, sinks: Sequence[Sink], log_lines: Sequence[tuple[int, str]]
) -> ClaimedPrint:
    """What printed the claimed score: a finished number before a running one, more of its digits first."""
    templates = {one.line: one.by for one in found.claimed}
    running: ClaimedPrint | None = None
    for line, text in found.carrying:
        sink = _sink_of_line(text, line, sinks, log_lines)
        by = templates.get(line, ())
        sink = sink or _sink_but_for_blanks(text, sinks, by)
        if sink is None and len(by) == 1:  # the words came out otherwise than the walk thinks
            sink = _sink_of_template(by[0], sinks)
        if sink is not None and not sink.loops:
            return ClaimedPrint(line, sink, by)
        if sink is not None and running is None:
            running = ClaimedPrint(line, sink, by)
    if running is not None:
        return running
    if not found.claimed:
        return ClaimedPrint(found.carrying[0][0])
    return ClaimedPrint(found.claimed[0].line, None, found.claimed[0].by)


def _sink_of_line(
    text: str, line: int, sinks: Sequence[Sink], log_lines: Sequence[tuple[int, str]]
) -> Sink | None:
    """The sink whose words are those of the line; of several the one that is as late as the line is."""
    fitting = [sink for sink in sinks if says(sink.label, text)]
    if not fitting:
        return None
    best = max(_weight(sink.label) for sink in fitting)
    fitting = [sink for sink in fitting if _weight(sink.label) == best]
    alike = [number for number, other in log_lines if says(fitting[-1].label, other)]
    if len(alike) == len(fitting) and not any(sink.loops for sink in fitting):
        return fitting[alike.index(line)]
    return fitting[0] if len(alike) > 1 and line == alike[0] else fitting[-1]


def _sink_but_for_blanks(text: str, sinks: Sequence[Sink], by: Sequence[Template]) -> Sink | None:
    """The one sink whose words stand in the line with other blanks between them: the log was set anew.

    Where prints fit the line as it stands, it has to come from one of them.
    """
    line = "".join(text.split())
    fitting = [
        sink
        for sink in sinks
        if "{}" in sink.label and len(sink.label) < _LONGEST_LABEL and says("".join(sink.label.split()), line)
    ]
    if len(fitting) != 1:
        return None
    spots = (fitting[0].at, *fitting[0].calls)
    fits_by = not by or any(_within(one, spot.file, spot.line) for one in by for spot in spots)
    return fitting[0] if fits_by else None


def says(label: str, line: str) -> bool:
    """Whether a printed label may have become this line of a log."""
    if sum(map(str.isalpha, label)) < 2:
        return False
    if "{}" not in label:  # separate arguments of a print: where its numbers stood is not in the label
        return _in_order(label.split(), line)
    parts = label.split("{}")
    return fits((*parts, "") if len(label) >= _LONGEST_LABEL else parts, line)


def _in_order(words: list[str], line: str) -> bool:
    at = 0
    for word in words:
        found = line.find(word, at)
        if found < 0:
            return False
        at = found + len(word)
    return True


def _weight(label: str) -> int:
    return sum(len(part.strip()) for part in label.split("{}"))


def _sink_of_template(template: Template, sinks: Sequence[Sink]) -> Sink | None:
    """The last sink that this print made, itself or through a function it gave the text to."""
    made = [
        sink
        for sink in sinks
        if any(_within(template, spot.file, spot.line) for spot in (sink.at, *sink.calls))
    ]
    return made[-1] if made else None


def _within(template: Template, file: str, line: int) -> bool:
    return file == template.spot.file and template.spot.line <= line <= last_line(template)


def last_line(template: Template) -> int:
    """Where the print ends."""
    last = getattr(template.placed.node, "end_lineno", 0) or 0
    return max(template.spot.line, min(last, template.spot.line + _LINES_OF_A_CALL))
