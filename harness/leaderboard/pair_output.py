"""Two rows side by side: every number that goes into "is A better than B?"."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.evidence.significance import NotTestable, Welch, compare, population_std, sample_std
from harness.leaderboard.board_json import comparison_json
from harness.leaderboard.board_row import BoardRow, SeedScore, Standing
from harness.leaderboard.p_values import any_gain
from harness.leaderboard.report_rows import PLAUSIBLE_BPB, is_plausible
from harness.reports.escape import markdown, printable
from harness.wording import count_of

if TYPE_CHECKING:
    from harness.evidence.significance import Comparison
    from harness.ruleset import Limits


_NAME_CHARACTERS = 200


def row_of_scores(side: str, text: str) -> BoardRow | None:
    """A row of the numbers in `text` ("1.0611,1.0608"), None when it holds anything else.

    Raises `UsageError` for a number that is no score.
    """
    words = [word for word in re.split(r"[,;\s]+", text.strip()) if word]
    if not words or not all("." in word and re.fullmatch(r"[-+.\de]+", word) for word in words):
        return None
    try:
        values = [float(word) for word in words]
    except ValueError:
        return None
    for value in values:
        if not is_plausible(value):
            raise UsageError(
                f"{value:g} of {side} is no score between {PLAUSIBLE_BPB[0]} and {PLAUSIBLE_BPB[1]}"
            )
    scores = tuple(
        SeedScore(val_bpb=value, standing=Standing.CLAIMED, source="the command line") for value in values
    )
    return BoardRow(key=side, track="record", scores=scores)


def compared(a: BoardRow, b: BoardRow, limits: Limits) -> Comparison:
    """A against B. Raises `ValueError` where one of them has no score."""
    margin = limits.number("significance.margin_nats")
    return compare(a.values, b.values, margin_nats=margin, bytes_per_token=a.bytes_per_token)


def compared_with_reproductions(a: BoardRow, b: BoardRow, limits: Limits) -> Comparison | None:
    """The same with the further runs that others made of either; None where there are none."""
    if not (a.reproductions or b.reproductions):
        return None
    margin = limits.number("significance.margin_nats")
    old, new = b.values_with_reproductions, a.values_with_reproductions
    return compare(new, old, margin_nats=margin, bytes_per_token=a.bytes_per_token)


def _side(name: str, row: BoardRow) -> list[str]:
    runs = [
        f"{score.val_bpb:.8f}"
        + (f" (seed {score.seed}, {score.source})" if score.seed is not None else f" ({score.source})")
        for score in row.sample
    ]
    values = row.values
    spread = sample_std(values)
    lines = [
        f"{name}  {row.key}: {printable(row.name, _NAME_CHARACTERS)}",
        f"   {len(values)} {row.standing.value if row.standing else ''}: " + "; ".join(runs),
        f"   mean {row.mean:.8f}",
    ]
    if spread is not None:
        lines[-1] += f", sample std {spread:.8f} (population std {population_std(values):.8f})"
    if row.bytes_per_token is not None:
        lines.append(f"   {row.bytes_per_token:.5f} bytes per token")
    for further in row.reproductions:
        on = f" on {further.date}" if further.date else ""
        scores = "; ".join(f"{score:.8f}" for score in further.scores)
        lines.append(f"   {count_of(len(further.scores), 'reproduction run')} by {further.who}{on}: {scores}")
    return lines


def _tested(name: str, test: Welch | NotTestable) -> str:
    if isinstance(test, NotTestable):
        return f"{name}: not testable, {test.reason}"
    return (
        f"{name}: p = {test.p:.6g} (t = {test.t:.4f}, {test.degrees:.2f} degrees of freedom, "
        f"margin {test.margin_bpb:.6f} bpb)"
    )


def pair_lines(a: BoardRow, b: BoardRow, numbers: Comparison, wider: Comparison | None = None) -> list[str]:
    """What `golf-leaderboard compare` prints, a line each. `wider` counts the reproduction runs as well."""
    gain = numbers.gain
    per_token = (
        "nats per token unknown (A prints no loss)"
        if gain.nats_per_token is None
        else f"{gain.nats_per_token:+.6f} nats per token"
    )
    way = "below" if gain.bpb >= 0 else "above"
    unit = "token" if gain.bytes_per_token is not None else "byte"
    lines = [
        *_side("A", a),
        *_side("B", b),
        f"A is {abs(gain.bpb):.8f} bpb {way} B: {per_token}, {gain.nats_per_byte:+.6f} nats per byte",
        _tested("any gain, one-sided Welch", numbers.no_margin),
        _tested(f"{numbers.margin_nats} nats per {unit}, one-sided Welch", numbers.with_margin),
    ]
    if len(numbers.old) == 1:
        exact = "B's single run taken as exact"
        lines.append(_tested(f"any gain, {exact}", any_gain(numbers)))
        lines.append(_tested(f"{numbers.margin_nats} nats per {unit}, {exact}", numbers.one_sample))
    if wider is not None:
        sides = f"{len(wider.new)} runs against {len(wider.old)}"
        lines.append(_tested(f"any gain, with reproduction runs ({sides})", any_gain(wider)))
    return lines


def pair_text(a: BoardRow, b: BoardRow, numbers: Comparison, wider: Comparison | None = None) -> str:
    """For a terminal."""
    return (
        "\n".join(
            printable(line) if not line.startswith("   ") else "   " + printable(line[3:])
            for line in pair_lines(a, b, numbers, wider)
        )
        + "\n"
    )


def pair_markdown(a: BoardRow, b: BoardRow, numbers: Comparison, wider: Comparison | None = None) -> str:
    """For a comment."""
    return "".join(f"- {markdown(line.strip())}\n" for line in pair_lines(a, b, numbers, wider))


def pair_json(a: BoardRow, b: BoardRow, numbers: Comparison, wider: Comparison | None = None) -> str:
    """One JSON document, in ASCII."""
    document = {
        "schema_version": 1,
        "a": a.key,
        "b": b.key,
        **comparison_json(numbers),
        "with_reproductions": None if wider is None else comparison_json(wider),
    }
    return json.dumps(document, indent=1) + "\n"
