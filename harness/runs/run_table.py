"""The end of a run as text: one row a seed, mean and spread, comparison, and what keeps it from counting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence.significance import mean, p_in_words
from harness.reports.escape import printable
from harness.runs.run_record import RunStatus
from harness.wording import count_of, listed

if TYPE_CHECKING:
    from harness.runs.projection import Projection
    from harness.runs.run_record import RunRecord
    from harness.runs.run_summary import RunSummary, SeedResult

_HEAD = ("seed", "status", "val_bpb", "score by", "train s", "evaluate s", "bytes", "attempt")
_MOST_REASONS, _MOST_QUESTIONS = 6, 12
_NOT_KNOWN = "-"


def render_summary(summary: RunSummary) -> str:
    """Everything there is to say when the last seed is over; ends with a newline."""
    lines = _table([_HEAD, *(_row(each) for each in summary.results)])
    lines += [line for each in summary.results for line in _fault_lines(each)]
    lines.append("")
    lines += _score_lines(summary)
    lines += _comparison_lines(summary)
    lines += _projection_lines(summary.projection)
    if summary.not_eligible:
        lines.append(f"not record-eligible: {listed(summary.not_eligible, _MOST_REASONS, '; ')}")
    elif summary.is_complete:
        lines.append("record-eligible: every seed ran as the track asks")
    questions = [f"  {said}" for said in summary.remarks]
    questions += [f"  seed {seed}: {notice.message}" for seed, notice in summary.open_questions]
    if questions:
        lines.append("for a person to look at:")
        lines += questions[:_MOST_QUESTIONS]
        if len(questions) > _MOST_QUESTIONS:
            lines.append(f"  and {len(questions) - _MOST_QUESTIONS} more, in the records")
    return "\n".join(printable(line) for line in lines) + "\n"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    left = {0, 1, 3}
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(result: SeedResult) -> tuple[str, ...]:
    record = result.record
    seed = f"{result.seed}{' (secret)' if result.is_secret else ''}"
    status = f"{result.status.value}{', found' if result.was_found else ''}"
    if record is None:
        return (seed, status, *[_NOT_KNOWN] * 6)
    score = record.val_bpb
    by = _NOT_KNOWN if score is None else "us" if record.measured is not None else "the script"
    return (
        seed,
        status,
        f"{score:.8f}" if score is not None else _NOT_KNOWN,
        by,
        _seconds(record, "train"),
        _seconds(record, "evaluate"),
        f"{record.artifact.total_bytes:,}" if record.artifact is not None else _NOT_KNOWN,
        str(record.attempt),
    )


def _seconds(record: RunRecord, phase: str) -> str:
    found = [each.seconds for each in record.phases if each.name == phase]
    return f"{found[0]:.1f}" if found else _NOT_KNOWN


def _fault_lines(result: SeedResult) -> list[str]:
    if result.status is RunStatus.FINISHED:
        return []
    record = result.record
    why = result.fault or (record.message if record is not None else "") or "no reason is known"
    whose = {
        RunStatus.FAILED: "the submission's own failure",
        RunStatus.COULD_NOT_RUN: "not the submission's fault",
        RunStatus.INTERRUPTED: "stopped; the same command runs it again",
    }.get(result.status, "")
    return [f"seed {result.seed}: {why} ({whose})"]


def _score_lines(summary: RunSummary) -> list[str]:
    if summary.mean is None:
        return ["no score: no seed finished with one"]
    std = f"{summary.std:.8f}" if summary.std is not None else "unknown for one seed"
    seeds = count_of(len(summary.scores), "seed")
    lines = [f"mean val_bpb {summary.mean:.8f} over {seeds}, sample standard deviation {std}"]
    if not summary.is_measured:
        lines.append("these are scores the script printed; none was measured")
    if not summary.is_complete:
        lines.append(
            f"incomplete: {len(summary.chosen) - len(summary.scores)} of {len(summary.chosen)} missing"
        )
    for each in summary.results:
        if each.is_secret and each.score is not None:
            apart = each.score - summary.mean
            spread = f", {abs(apart) / summary.std:.1f} standard deviations" if summary.std else ""
            lines.append(
                f"secret seed {each.seed}: {each.score:.8f}, {apart:+.8f} from the mean{spread} (in no mean)"
            )
    return lines


def _comparison_lines(summary: RunSummary) -> list[str]:
    found = summary.comparison()
    if found is None or summary.reference is None:
        return []
    gain = found.gain
    nats = f", {gain.nats_per_token:+.6f} nats per token" if gain.nats_per_token is not None else ""
    test = found.one_sample if len(found.old) == 1 else found.with_margin
    name = "one-sample t-test" if len(found.old) == 1 else "one-sided Welch test"
    old = f"mean {mean(found.old):.8f} of {count_of(len(found.old), 'score')}"
    least = f"{found.margin_bpb:.5f} bpb ({found.margin_nats:g} nats)"
    return [
        f"against {summary.reference.name} ({old}): {gain.bpb:+.8f} bpb lower{nats}",
        f"  {name} of a gain of at least {least}: {p_in_words(test)}",
    ]


def _projection_lines(projection: Projection | None) -> list[str]:
    if projection is None:
        return []
    if projection.factor is None:
        return [f"no projection to {projection.target}: {projection.why_not}"]
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in projection.seconds)
    return [
        f"PROJECTION to {projection.target}, not a measurement: {times}",
        f"  method: {projection.method} = x{projection.factor:.4f}; the score is not projected",
    ]
