"""Train logs as typed data: a file is cut into runs, a run holds events with line numbers.

Types only; `text` decodes and strips, `grammar` recognises lines, `runs` assembles runs.
All times are seconds, all sizes bytes, all losses nats per token, all scores bits per byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.finding import Sourced


class PassKind(StrEnum):
    """What an evaluation pass measured."""

    IN_TRAINING = "in-training"  # a periodic validation during training, never counted
    DIAGNOSTIC = "diagnostic"  # pre-quantisation, post-EMA, non-headline comparison
    FINAL = "final"  # a candidate for the counted score
    PROGRESS = "progress"  # a running value inside a pass (chunk i of n)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalPass:
    """One line that reports a validation score.

    `label` is the text before the first score ("final_int8_zlib_roundtrip_exact"), "" if there is none.
    `digits` is the number of decimals printed for val_bpb (precision of checks depends on it).
    """

    label: str
    kind: PassKind
    val_bpb: Sourced[float]
    val_loss: Sourced[float] | None = None
    seconds: Sourced[float] | None = None
    step: int | None = None
    digits: int = 0
    loss_digits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLine:
    """One printed size: total, code or model bytes, with its label ("int8+zlib", "compressed", "")."""

    what: str  # "total" | "code" | "model"
    label: str
    size_bytes: Sourced[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A named activity with its duration (calibration, GPTQ, compression, warm-up, deserialisation ...).

    `after_stop` is True when the line stands after the end of training. `reads_data` is "train",
    "self-generated", "none" or "unknown": what the activity reads, as far as the log says.
    `inside_eval_timer` is True between the lines that announce an evaluation timer and print its total.
    """

    what: str
    seconds: Sourced[float]
    after_stop: bool
    reads_data: str = "unknown"
    inside_eval_timer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStop:
    """Where training ended. `reason` is the printed word ("wallclock_cap"), "" if none was printed."""

    reason: str
    train_seconds: Sourced[float]
    step: int | None
    planned_steps: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFall:
    """A training clock that goes back while steps go on: the longest reading before and the one after."""

    before: Sourced[float]
    after: Sourced[float]
    step_before: int | None = None
    step_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process's output: from its header to its last line.

    `first_losses` are the first four train losses in step order (a fingerprint of the start trajectory).
    `counters` are integer counters by printed name ("ngram_tilt.within_gate"). `hyperparameters` is the
    printed dump, values as text. `longest_train_seconds` is the largest training clock on any step or stop
    line, wherever in the run it stands; `clock_falls` are the places where that clock went back.
    `val_token_counts` are all different counts of validation tokens, `val_tokens` the one of highest rank.
    `run_id` is a printed run id or log-file UUID. `ended` is False when
    the run has training steps but nothing after them. `duplicate_of` is (file, first_line) of an equal run.
    """

    file: str
    first_line: int
    last_line: int
    seed: Sourced[int] | None = None
    seed_from_name: int | None = None
    world_size: Sourced[int] | None = None
    gpu_count: Sourced[int] | None = None
    gpu_name: Sourced[str] | None = None
    processor: Sourced[str] | None = None
    """What a run without a GPU ran on, as its `device:cpu` line says."""
    torch_version: Sourced[str] | None = None
    python_version: Sourced[str] | None = None
    started_at: Sourced[str] | None = None
    run_id: Sourced[str] | None = None
    wallclock_cap_seconds: Sourced[float] | None = None
    gptq_reserve_seconds: Sourced[float] | None = None
    train_shards: Sourced[int] | None = None
    val_tokens: Sourced[int] | None = None
    val_token_counts: tuple[Sourced[int], ...] = ()
    data_path: Sourced[str] | None = None
    model_params: Sourced[int] | None = None
    peak_memory_mib: Sourced[int] | None = None
    first_losses: tuple[float, ...] = ()
    last_step: Sourced[int] | None = None
    last_train_seconds: Sourced[float] | None = None
    longest_train_seconds: Sourced[float] | None = None
    clock_falls: tuple[ClockFall, ...] = ()
    step_avg_ms: Sourced[float] | None = None
    stop: TrainingStop | None = None
    passes: tuple[EvalPass, ...] = ()
    total_eval_seconds: Sourced[float] | None = None
    timed: tuple[Timed, ...] = ()
    sizes: tuple[SizeLine, ...] = ()
    counters: Mapping[str, Sourced[int]] = field(default_factory=dict)
    hyperparameters: Mapping[str, Sourced[str]] = field(default_factory=dict)
    traceback: Sourced[str] | None = None
    ended: bool = True
    duplicate_of: tuple[str, int] | None = None

    @property
    def has_training(self) -> bool:
        """True when the run trained (an evaluation-only run has no training steps and no stop)."""
        return self.stop is not None or self.last_step is not None

    @property
    def summed_train_seconds(self) -> float:
        """The training clock with what it had counted before each fall; zero when none was printed."""
        last = self.stop.train_seconds if self.stop is not None else self.last_train_seconds
        end = max((fall.after.value for fall in self.clock_falls[-1:]), default=0.0)
        return sum(fall.before.value for fall in self.clock_falls) + max(last.value if last else 0.0, end)

    @property
    def final_passes(self) -> tuple[EvalPass, ...]:
        """Candidates for the counted score, in printed order."""
        return tuple(p for p in self.passes if p.kind is PassKind.FINAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDump:
    """The script as printed into the log, cut out before any grammar is applied."""

    file: str
    first_line: int
    last_line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProblem:
    """Something about the file itself: empty, binary, padded, truncated, oversized, odd encoding."""

    # "empty" | "binary" | "padding" | "too-large" | "truncated" | "encoding" | "no-events" | "unreadable"
    kind: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """A parsed log file. `sha256` identifies byte-identical logs under two names."""

    path: str
    size_bytes: int
    sha256: str
    encoding: str
    runs: tuple[Run, ...] = ()
    dumps: tuple[SourceDump, ...] = ()
    problems: tuple[LogProblem, ...] = ()
    wall_stamps: tuple[str, ...] = ()  # first and last line timestamps, as printed, where lines carry them
    stamped_lines: int = 0  # how many lines carry such a timestamp

    @property
    def unreadable(self) -> bool:
        """True when nothing of the file could be read as text, so that its silence proves nothing."""
        return not self.runs and any(problem.kind in {"binary", "unreadable"} for problem in self.problems)
