from __future__ import annotations

import io

import pytest

from harness.runs.run_clock import RunClock
from harness.runs.run_display import LineDisplay, QuietDisplay, TerminalDisplay, make_display
from harness.runs.run_steps import RunStep, StepEvent, StepState, StepTeller
from harness.runs.step_lines import event_line
from harness.runs.told_progress import ToldProgress


def told() -> tuple[StepTeller, list[StepEvent], list[float]]:
    events: list[StepEvent] = []
    now = [0.0]
    return StepTeller(events.append, clock=lambda: now[0]), events, now


def progress(**numbers: float) -> StepEvent:
    return StepEvent(step=RunStep.TRAINING, state=StepState.PROGRESS, numbers=numbers)


def test_steps_are_numbered_in_the_order_of_a_run() -> None:
    assert [step.title for step in RunStep] == [
        "machine check", "clean copy", "sandbox", "training", "seal", "evaluation", "score", "record",
    ]  # fmt: skip


def test_progress_is_thinned_out_and_ends_are_not() -> None:
    teller, events, now = told()
    for _ in range(10):
        now[0] += 0.1
        teller.progress(RunStep.TRAINING, seconds=now[0])
    teller.done(RunStep.TRAINING, "it ran")
    teller.done(RunStep.SEAL, "it is whole")
    assert [event.state for event in events].count(StepState.DONE) == 2
    assert 4 <= [event.state for event in events].count(StepState.PROGRESS) <= 6


def test_numbers_that_are_not_known_are_left_out() -> None:
    teller, events, _ = told()
    teller.progress(RunStep.TRAINING, seconds=1.0, told_step=None)
    assert events[0].as_json() == {
        "step": 4, "name": "training", "state": "progress", "proved": "", "numbers": {"seconds": 1.0},
    }  # fmt: skip


def test_a_teller_nobody_listens_to_still_knows_the_latest_step() -> None:
    teller = StepTeller(None)
    teller.started(RunStep.SEAL)
    assert teller.latest is RunStep.SEAL


def test_a_line_of_progress_has_seconds_step_loss_and_bytes() -> None:
    event = progress(
        seconds=12.2, limit_seconds=600, told_step=10, told_steps=40, told_loss=2.5, bytes=1000, log_bytes=77
    )
    said = "4 training       ...  12 s of 600 s, step 10/40, loss 2.5000, artifact 1,000 bytes, log 77 bytes"
    assert event_line(event) == said


def test_what_a_step_says_cannot_steer_a_terminal() -> None:
    event = StepEvent(step=RunStep.COPY, state=StepState.FAILED, proved="\x1b[2Jgone")
    assert event_line(event) == "2 clean copy     FAILED  \\x1b[2Jgone"


@pytest.mark.parametrize(
    ("line", "step", "steps", "loss"),
    [
        (b"step:100/20000 train_loss:3.1 train_time:1ms", 100, 20000, 3.1),
        (b"step 7 | loss 2.25", 7, None, 2.25),
        (b"iteration 5: all is well", None, None, None),
        (b"step:nan/inf train_loss:nan", None, None, None),
        (b"\xff\xfe step:3/4\x00 loss=1.5", 3, 4, 1.5),
        (b"x" * 100_000 + b"step:1/2", None, None, None),
    ],
)
def test_a_log_line_is_read_for_its_step_and_loss(
    line: bytes, step: float | None, steps: float | None, loss: float | None
) -> None:
    told = ToldProgress()
    told.read(line)
    assert (told.step, told.steps, told.loss) == (step, steps, loss)


def test_a_log_shows_ends_at_once_and_progress_now_and_then() -> None:
    now = [0.0]
    stream = io.StringIO()
    display = LineDisplay(stream, clock=lambda: now[0], seconds_between=10.0)
    for second in range(30):
        now[0] = float(second)
        display.event("seed 13", progress(seconds=second))
    display.event("seed 13", StepEvent(step=RunStep.TRAINING, state=StepState.DONE, proved="it ran"))
    lines = stream.getvalue().splitlines()
    assert lines[-1] == "seed 13  4 training       ok  it ran"
    assert len(lines) == 3


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_keeps_the_steps_of_a_seed_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = FakeTerminal()
    display = make_display(quiet=False, stream=stream)
    assert isinstance(display, TerminalDisplay)
    with display:
        for seed in ("seed 13", "seed 14"):
            display.event(seed, StepEvent(step=RunStep.MACHINE, state=StepState.STARTED))
            display.event(
                seed, StepEvent(step=RunStep.MACHINE, state=StepState.DONE, proved=f"[b]{seed}[/b] fits")
            )
    shown = stream.getvalue()
    assert "[b]seed 13[/b] fits" in shown  # text is text, not markup
    assert shown.rindex("seed 14") > shown.index("seed 13")
    assert "\x1b[?25h" in shown  # the cursor is given back


def test_quiet_shows_nothing() -> None:
    assert type(make_display(quiet=True, stream=FakeTerminal())) is QuietDisplay


def test_a_run_clock_stands_at_zero_until_it_is_started() -> None:
    now = [100.0]
    clock = RunClock(lambda: now[0])
    now[0] = 105.0
    assert clock() == 0.0
    clock.start()
    now[0] = 107.5
    assert clock() == 2.5
