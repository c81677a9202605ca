"""Rows from golf-run's records: what was measured here, one row for each submission's folder of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.leaderboard.board_row import BoardRow, SeedScore, Standing
from harness.leaderboard.report_rows import is_plausible
from harness.runs.record_store import read_record
from harness.runs.run_record import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.runs.run_record import RunRecord


def rows_of_runs(out: Path) -> tuple[BoardRow, ...]:
    """One row for each submission under golf-run's --out folder, its finished seeds as scores.

    A run on a machine that is no record machine gives a row of track "unlimited": its score stands beside
    the board, not on it. Raises `SetupError` when `out` is no folder of runs or a record is damaged.
    """
    if not out.is_dir():
        raise SetupError(f"{out} is no folder; name the --out folder of golf-run with --runs")
    found = {folder.name: tuple(_records(folder)) for folder in sorted(out.iterdir()) if folder.is_dir()}
    rows = tuple(_row(name, records) for name, records in found.items() if records)
    if not rows:
        raise SetupError(
            f"{out} holds no run.json at <submission>/<seed>/: name the --out folder of golf-run"
        )
    return rows


def _records(folder: Path) -> Iterator[RunRecord]:
    seeds = [seed for seed in folder.iterdir() if seed.is_dir() and seed.name.removeprefix("-").isdigit()]
    for seed in sorted(seeds, key=lambda path: int(path.name)):
        record = read_record(seed / "run.json")
        if record is not None:
            yield record


def _row(name: str, records: tuple[RunRecord, ...]) -> BoardRow:
    scores: list[SeedScore] = []
    notes: list[str] = []
    ratios: list[float] = []
    eligible = True
    for record in records:
        if record.status is not RunStatus.FINISHED:
            notes.append(f"seed {record.seed}: {record.status.value}: {record.message}")
            continue
        eligible = eligible and not record.not_eligible
        score = _score(record)
        if score is None:
            notes.append(f"seed {record.seed}: no score between the bounds of a language model")
            continue
        scores.append(score)
        if record.measured is not None and record.measured.scored_tokens:
            ratios.append(record.measured.scored_bytes / record.measured.scored_tokens)
    return BoardRow(
        key=f"run {name}",
        track="record" if eligible and scores else "unlimited",
        scores=tuple(scores),
        bytes_per_token=sorted(ratios)[len(ratios) // 2] if ratios else None,
        notes=tuple(notes),
    )


def _score(record: RunRecord) -> SeedScore | None:
    """The measured score; a printed one stays a claim, even though we watched it being printed."""
    measured, claimed = record.measured, record.claimed
    bpb = measured.val_bpb if measured is not None else claimed.val_bpb
    if not is_plausible(bpb) or bpb is None:
        return None
    seconds = {phase.name: phase.seconds for phase in record.phases}
    return SeedScore(
        val_bpb=bpb,
        val_loss=measured.val_loss_nats if measured is not None else claimed.val_loss_nats,
        seed=record.seed,
        standing=Standing.MEASURED if measured is not None else Standing.CLAIMED,
        source=f"run {record.record_id[:12]}",
        train_seconds=seconds.get("train"),
        eval_seconds=seconds.get("evaluate"),
        total_bytes=record.artifact.total_bytes if record.artifact is not None else None,
    )
