"""What every executor does, and what is known of a seed when it is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.runs.run_record import RunRecord
    from harness.runs.run_steps import StepEvent
    from harness.runs.seed_job import SeedJob

USUAL_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What holds for all jobs, whoever runs them.

    `out` is the folder of runs, which every machine must see under the same path. `tries` bounds the attempts
    at one job made now, `again` runs seeds that have a record too. `own` are options of the executor itself.
    `on_event` hears of the steps of runs in this process, `tell` of attempts that are made again.
    """

    out: Path
    sandbox: str = "auto"
    tries: int = USUAL_TRIES
    again: bool = False
    own: Mapping[str, str] = field(default_factory=dict)
    on_event: Callable[[SeedJob, StepEvent], None] = lambda _, __: None
    tell: Callable[[str], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """What became of one job.

    `record` is the seed's record: found (`was_found`, nothing was run), or of this submission of jobs. It is
    None when no attempt left one; `fault` then says why in one sentence. `tries` counts the attempts made
    now, 0 for a found record; every one of them has a folder. `node` is the machine of the last one.
    """

    job: SeedJob
    record: RunRecord | None
    was_found: bool = False
    tries: int = 0
    fault: str = ""
    node: str = ""


class Executor(Protocol):
    """Runs jobs, each at most once to an end of its own; only a fault of a machine is tried again."""

    @property
    def name(self) -> str:
        """`local`, `ray` or `slurm`."""
        ...

    def submit(self, jobs: Sequence[SeedJob]) -> Iterator[JobOutcome]:
        """Run `jobs` and yield what became of each as it is done, found ones first.

        Leaving the iterator early ends what still runs. Raises `UsageError` for two jobs of one seed of one
        submission, `SetupError` for a seed whose record is of other code, data or limits, and when the
        executor itself does not work here.
        """
        ...
