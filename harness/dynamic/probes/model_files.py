"""Which files of a run are the artifact: what it wrote before it scored the claim, logs left out."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.dynamic.events import OpenEvent, WriteEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.dynamic.probes.probe import ScoredRun

_TEXT = frozenset(
    {".txt", ".log", ".json", ".jsonl", ".csv", ".tsv", ".md", ".py", ".yaml", ".yml", ".html", ".tmp"}
)


def model_files(run: ScoredRun) -> Mapping[str, tuple[int, str]]:
    """Path to (bytes, sha256) of every artifact of `run`.

    A file that is written again after the claimed score is counted (a model after test-time training) is not
    what was scored; it is left out, and so is one that was never seen to be written.
    """
    first = _first_score(run)
    last_write: dict[str, int] = {}
    read_back = {
        PurePosixPath(event.path).name for event in run.record.of(OpenEvent) if event.split == "written"
    }
    for event in run.record.of(WriteEvent):
        last_write[PurePosixPath(event.path).name] = event.number
    kept: dict[str, tuple[int, str]] = {}
    for path, what in run.artifacts.items():
        name = PurePosixPath(path).name
        is_text = PurePosixPath(name).suffix.lower() in _TEXT and name not in read_back
        if name in last_write and last_write[name] < first and not is_text:
            kept[path] = what
    return kept


def last_artifact_write(run: ScoredRun) -> int | None:
    """Number of the event that opened the last artifact for writing, None without one."""
    names = {PurePosixPath(path).name for path in model_files(run)}
    return max(
        (event.number for event in run.record.of(WriteEvent) if PurePosixPath(event.path).name in names),
        default=None,
    )


def _first_score(run: ScoredRun) -> int:
    if run.metric is None or not run.metric.score.values.size:
        return max((event.number for event in run.record.events), default=0) + 1
    return int(min(run.score.scored_at.min(), run.score.counted_at.min()))
