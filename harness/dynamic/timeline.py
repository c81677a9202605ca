"""A run at one look: validation positions against the order of events, as a picture (SVG) and as a table.

Blue marks are scores that count, orange ones tokens that were trained on, grey ones passes whose scores do
not count, red lines updates of weights by validation tokens. Score-first is blue before orange in every band
of positions; adapt-then-score is orange before blue.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from harness.dynamic.events import ForwardEvent, LossEvent, StepEvent
from harness.dynamic.loss_places import positions_of
from harness.dynamic.probes.model_files import last_artifact_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.dynamic.probes.probe import ScoredRun

_WIDTH, _HEIGHT = 1080, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 56, 64
_MOST_MARKS = 6_000
_LEAST_MARK = 1.5  # pixels
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #333; }
  .title { font-size: 15px; font-weight: 600; }
  .ground { fill: #fff; } .axis { stroke: #888; fill: none; } .faint { fill: #f3f3f0; }
  .look { fill: #b9b9b2; } .learn { fill: #f28e2b; } .score { fill: #2a6fb0; }
  .step { stroke: #d6272866; stroke-width: 1; } .line { stroke: #555; stroke-dasharray: 4 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd; } .ground { fill: #16181b; } .axis { stroke: #777; } .faint { fill: #202327; }
    .look { fill: #5c6066; } .score { fill: #6cb2f0; } .line { stroke: #aaa; }
  }
"""


def timeline_svg(run: ScoredRun, *, title: str = "") -> str:
    """The picture, a whole SVG document. `title` and everything a run printed are escaped."""
    picture = _Picture(run)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title or run.name)}: positions against time</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'<text class="title" x="{_LEFT}" y="22">{escape((title or run.name)[:110])}</text>',
        *_legend(),
        *picture.marks(),
        *picture.axes(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Picture:
    """Places of events: those that are not drawn take a tenth of the room."""

    def __init__(self, run: ScoredRun) -> None:
        self.run = run
        weights: dict[int, float] = {}
        for event in run.record.events:
            if isinstance(event, ForwardEvent | StepEvent | LossEvent):
                is_drawn = isinstance(event, LossEvent) or (
                    isinstance(event, StepEvent) and event.source == "val"
                )
                weights[event.number] = 1.0 if is_drawn else 0.1
        numbers = np.array(sorted(weights), dtype=np.int64)
        reached = np.cumsum([weights[number] for number in numbers.tolist()]) if numbers.size else np.zeros(0)
        self._numbers = numbers
        self._places = _LEFT + (_WIDTH - _LEFT - _RIGHT) * reached / max(float(reached[-1:].sum()), 1.0)
        self._mark = max((_WIDTH - _LEFT - _RIGHT) / max(float(reached[-1:].sum()), 1.0), _LEAST_MARK)

    def x(self, number: int) -> float:
        """Where event `number` stands."""
        at = int(np.searchsorted(self._numbers, number, side="right")) - 1
        return float(self._places[at]) if at >= 0 else float(_LEFT)

    def y(self, position: float) -> float:
        """Where a position stands; the stream runs downwards."""
        share = position / max(self.run.stream_tokens, 1)
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * min(max(share, 0.0), 1.0)

    def marks(self) -> Iterator[str]:
        """Passes, trained tokens, counted scores and updates, in that order, the last on top."""
        top, bottom = self.y(0), self.y(self.run.stream_tokens)
        yield (
            f'<rect class="faint" x="{_LEFT}" y="{top:.1f}" width="{_WIDTH - _LEFT - _RIGHT}" '
            f'height="{bottom - top:.1f}"/>'
        )
        left = _MOST_MARKS
        for kind, number, first, length in self._spans():
            left -= 1
            if left < 0:
                yield f'<text x="{_LEFT}" y="{_HEIGHT - 6}">more marks than are drawn</text>'
                break
            height = max(self.y(first + length) - self.y(first), _LEAST_MARK)
            yield (
                f'<rect class="{kind}" x="{self.x(number) - self._mark:.1f}" y="{self.y(first):.1f}" '
                f'width="{self._mark:.1f}" height="{height:.1f}"/>'
            )
        for event in self.run.record.of(StepEvent):
            if event.source == "val" and left > 0:
                left -= 1
                at = self.x(event.number)
                yield (
                    f'<line class="step" x1="{at:.1f}" x2="{at:.1f}" y1="{top - 6:.1f}" '
                    f'y2="{bottom + 6:.1f}"/>'
                )

    def _spans(self) -> Iterator[tuple[str, int, int, int]]:
        counted = self._counted()
        for event in self.run.record.of(LossEvent):
            if event.number in counted:
                continue
            kind = "learn" if event.grad else "look"
            for first, length in _runs(positions_of(event)):
                yield kind, event.number, first, length
        for number, positions in counted.items():
            for first, length in _runs(positions):
                yield "score", number, first, length

    def _counted(self) -> Mapping[int, np.ndarray]:
        if self.run.metric is None:
            return {}
        score = self.run.score
        return {
            int(number): score.positions[score.scored_at == number] for number in np.unique(score.scored_at)
        }

    def axes(self) -> Iterator[str]:
        """Border, positions, and the events that cut the run in parts."""
        top, bottom = self.y(0), self.y(self.run.stream_tokens)
        yield f'<path class="axis" d="M{_LEFT} {top:.1f}V{bottom:.1f}H{_WIDTH - _RIGHT}"/>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            position = round(share * self.run.stream_tokens)
            at = self.y(position) + 4
            yield f'<text x="{_LEFT - 8}" y="{at:.1f}" text-anchor="end">{position:,}</text>'
        yield f'<text x="{_LEFT}" y="{bottom + 22:.1f}">order of events</text>'
        written = last_artifact_write(self.run)
        cuts = [] if written is None else [(written, "artifact written")]
        if self.run.metric is not None:
            metric = self.run.metric.metric
            cuts.append((metric.number, f"{metric.label} {metric.printed:.{metric.digits}f}".strip()))
        for row, (number, name) in enumerate(cuts):
            at = self.x(number)
            anchor = "end" if at > _WIDTH / 2 else "start"
            yield f'<line class="line" x1="{at:.1f}" x2="{at:.1f}" y1="{top:.1f}" y2="{bottom + 10:.1f}"/>'
            yield (
                f'<text x="{at:.1f}" y="{bottom + 38 + 14 * row:.1f}" text-anchor="{anchor}">'
                f"{escape(name[:70])}</text>"
            )


def _legend() -> Iterator[str]:
    at = float(_LEFT)
    for kind, name in (
        ("score", "scored, counted"),
        ("learn", "trained on"),
        ("look", "looked at, not counted"),
        ("step", "update of weights"),
    ):
        if kind == "step":
            yield f'<line class="step" x1="{at + 5}" x2="{at + 5}" y1="33" y2="45"/>'
        else:
            yield f'<rect class="{kind}" x="{at}" y="34" width="10" height="10"/>'
        yield f'<text x="{at + 16}" y="43">{name}</text>'
        at += 28 + 7.0 * len(name)


def _runs(positions: np.ndarray) -> Iterator[tuple[int, int]]:
    """Unbroken runs of known positions: (first, length)."""
    known = np.unique(positions[positions >= 0])
    if not known.size:
        return
    starts = np.r_[0, np.flatnonzero(np.diff(known) != 1) + 1]
    ends = np.r_[starts[1:], known.size]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield int(known[start]), end - start
