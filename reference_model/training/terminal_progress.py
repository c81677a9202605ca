"""A progress bar on standard error for people at a terminal; nothing where nobody looks."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from reference_model.training.train import RunProgress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_model.evaluation.score_tally import EvaluationProgress


@contextlib.contextmanager
def shown_on_terminal(*, is_main: bool, quiet: bool) -> Iterator[RunProgress]:
    """Progress of training, of counting n-grams and of each evaluation, on a terminal only."""
    if quiet or not is_main or not sys.stderr.isatty():
        yield RunProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[score]}"),
    )
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    ) as bar:
        task = bar.add_task("training", total=None, score="")

        def training(step: int, steps: int, loss: float) -> None:
            bar.update(task, completed=step, total=steps, score=f"loss {loss:.4f}")

        def evaluation(state: EvaluationProgress) -> None:
            bar.update(
                task,
                description=state.activity,
                completed=state.done,
                total=state.total,
                score="" if state.val_bpb is None else f"{state.val_bpb:.4f} bpb",
            )

        yield RunProgress(training=training, evaluation=evaluation)
