"""What a person should know of all seeds together: runs that do not count, and seeds that changed nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.runs.record_store import SeedFolder, read_record
from harness.runs.run_record import RunStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from harness.runs.run_record import RunRecord

_MOST_SEEDS = 1_000
_MOST_NAMED = 12


def other_runs(out: Path, submission: str, seeds: Collection[int], code: str) -> tuple[str, ...]:
    """Sentences about runs below `out` of the files with digest `code` that are none of those counted.

    Counted is the record of each of `seeds`. Runs in other folders, and records that somebody took away,
    cannot be seen here.
    """
    others: list[RunRecord] = []
    said = []
    for seed in _seeds(out / submission):
        runs = [record for record in _finished(SeedFolder.of(out, submission, seed)) if _is_of(record, code)]
        if seed not in seeds:
            others += runs[-1:]
        elif len(runs) > 1:
            said.append(f"seed {seed} was run {len(runs)} times to an end: {_listed(runs, 'attempt')}")
    if others:
        said.append(f"seeds that are not counted were run too: {_listed(others, 'seed')}")
    return tuple(said)


def same_results(records: Iterable[RunRecord]) -> tuple[str, ...]:
    """Sentences about finished runs of different seeds whose scores are the same to the last digit."""
    by_score: dict[float, list[int]] = {}
    for record in records:
        if record.status is RunStatus.FINISHED and record.val_bpb is not None:
            by_score.setdefault(record.val_bpb, []).append(record.seed)
    return tuple(
        f"seeds {', '.join(map(str, seeds[:_MOST_NAMED]))} have the same score to the last digit "
        f"({score!r}): the script may not use its seed"
        for score, seeds in by_score.items()
        if len(seeds) > 1
    )


def _seeds(folder: Path) -> list[int]:
    try:
        names = [each.name for each in folder.iterdir() if each.name.isdecimal() and len(each.name) <= 12]
    except OSError:
        return []
    return sorted(map(int, names))[:_MOST_SEEDS]


def _finished(folder: SeedFolder) -> Iterator[RunRecord]:
    for attempt in folder.attempts():
        try:
            record = read_record(attempt / "run.json")
        except SetupError:
            continue  # a damaged record says nothing for or against
        if record is not None and record.status in {RunStatus.FINISHED, RunStatus.FAILED}:
            yield record


def _is_of(record: RunRecord, code: str) -> bool:
    return record.digests.get("code") == code


def _score(record: RunRecord) -> str:
    is_known = record.status is RunStatus.FINISHED and record.val_bpb is not None
    return f"{record.val_bpb:.6f}" if is_known else "failed"


def _listed(records: list[RunRecord], what: str) -> str:
    named = [f"{getattr(record, what)} ({_score(record)})" for record in records[:_MOST_NAMED]]
    more = f" and {len(records) - _MOST_NAMED} more" if len(records) > _MOST_NAMED else ""
    return ", ".join(named) + more
