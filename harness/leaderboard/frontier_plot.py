"""The record over pull requests as a picture, for places that run no script: SVG and PNG by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import SetupError
from harness.leaderboard.progression import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.leaderboard.progression import Step

# A drawing of fixed size and a fixed salt, so that the same board gives the same bytes.
_INCHES = (10.0, 4.6)
_DOTS_PER_INCH = 150
_SALT = "golf-leaderboard"


def write_plots(steps: Sequence[Step], paths: Sequence[Path]) -> None:
    """Draw the chain with one sample deviation as error bars and rejected rows as crosses.

    `paths` end in .svg or .png. Raises `SetupError` when matplotlib is missing.
    """
    if not paths:
        return
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise SetupError("plots need matplotlib; run: pip install 'golf-harness[site]'") from None
    with mpl.rc_context({"svg.hashsalt": _SALT, "svg.fonttype": "none"}):
        figure = Figure(figsize=_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        _draw(figure.subplots(), steps)
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=metadata)


def _draw(axes: Any, steps: Sequence[Step]) -> None:
    axes.set_xlabel("pull request")
    axes.set_ylabel("bits per byte")
    axes.grid(visible=True, alpha=0.25)
    records = [step.row for step in steps if step.is_record]
    if not records:
        axes.text(0.5, 0.5, "no record yet", transform=axes.transAxes, ha="center")
        return
    means = [row.mean or 0.0 for row in records]
    low, high = min(means), max(means)
    pad = (high - low) * 0.08 or 0.01
    best = [min(means[: at + 1]) for at in range(len(means))]
    pulls = [row.pr or 0 for row in records]
    axes.step([*pulls, max(pulls)], [*best, best[-1]], where="post", color="#1257b8")
    axes.errorbar(
        pulls, means, yerr=[row.sample_std or 0.0 for row in records],
        fmt="o", color="#1257b8", markersize=4, label="held the record",
    )  # fmt: skip
    for label, marker, colour, points in (
        ("rejected", "x", "#b3261e", _others(steps, rejected=True)),
        ("other rows", ".", "#888888", _others(steps, rejected=False)),
    ):
        seen = [(pr, mean) for pr, mean in points if low - pad <= mean <= high + pad]
        if seen:
            axes.scatter(*zip(*seen, strict=True), marker=marker, c=colour, s=14, alpha=0.5, label=label)
    axes.set_ylim(low - pad, high + pad)
    axes.legend(loc="upper right")


def _others(steps: Sequence[Step], *, rejected: bool) -> list[tuple[int, float]]:
    return [
        (step.row.pr or 0, step.row.mean)
        for step in steps
        if step.row.track == "record" and step.row.mean is not None and not step.is_record
        if (step.status is Status.REJECTED) is rejected
    ]
