from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from harness.runs.live_phases import LivePhases
from harness.runs.run_steps import RunStep, StepEvent, StepTeller
from harness.runs.told_outcome import tell_outcome
from harness.runs.track import load_track
from harness.watching.file_watch import FileEvent
from tests.harness.runs.test_run_summary import record
from tests.harness.runs.toy_runs import LIMITS

if TYPE_CHECKING:
    from pathlib import Path


class Following:
    """Live phases with a clock and file events of our own."""

    def __init__(self, work: Path) -> None:
        self.now = 0.0
        self.events: list[StepEvent] = []
        self.watch: Any = SimpleNamespace(events=[])
        teller = StepTeller(self.events.append, clock=lambda: self.now)
        track = load_track("smoke", LIMITS)
        self.live = LivePhases(teller, track, self.watch, work, clock=lambda: self.now)

    def at(self, seconds: float, *files: tuple[str, str]) -> StepEvent:
        self.now = seconds
        self.watch.events += [
            FileEvent(at=seconds, kind=kind, folder="out", path=path) for kind, path in files
        ]
        self.live.tick()
        return self.events[-1]


def test_a_run_is_in_training_until_it_reads_back_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "model.ptz").write_bytes(b"x" * 77)
    following = Following(tmp_path)
    assert following.at(5.0).step is RunStep.TRAINING
    written = following.at(10.0, ("written", "model.ptz"))
    assert (written.step, written.numbers["bytes"]) == (RunStep.TRAINING, 77.0)
    read = following.at(12.0, ("opened", "model.ptz"))
    assert (read.step, read.numbers["seconds"]) == (RunStep.EVALUATION, 2.0)


def test_logs_that_are_written_and_read_are_no_artifact(tmp_path: Path) -> None:
    following = Following(tmp_path)
    assert following.at(10.0, ("written", "a.log"), ("opened", "a.log")).step is RunStep.TRAINING


def test_an_artifact_that_is_gone_again_has_no_size(tmp_path: Path) -> None:
    following = Following(tmp_path)
    assert "bytes" not in following.at(10.0, ("written", "gone.ptz")).numbers


def test_what_the_log_says_is_told_along(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.now = 9.0
    following.live.line(9.0, b"step:3/40 train_loss:6.5\n")
    numbers = following.events[-1].numbers
    assert (numbers["told_step"], numbers["told_loss"], numbers["log_bytes"]) == (3.0, 6.5, 25)


def test_a_phase_over_its_limit_is_not_told_as_kept() -> None:
    events: list[StepEvent] = []
    slow = record(13)
    phases = tuple(replace(phase, seconds=700.0, boundary="seen") for phase in slow.phases)
    tell_outcome(StepTeller(events.append), replace(slow, phases=phases))
    said = {event.step: event for event in events}
    assert said[RunStep.TRAINING].state.value == "skipped"
    assert "700.0 s of 600 s by our clock (seen): over the limit" in said[RunStep.TRAINING].proved
    assert said[RunStep.SCORE].state.value == "done"
