"""Where a run ends, and which runs are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.logs.reader import read_log
from harness.logs.seed_name import seed_from_name

if TYPE_CHECKING:
    from harness.logs.training_log import Run


def part(seed: int, *, loss: float = 6.9, final: float = 1.2, stop: int = 600_000) -> str:
    """One run of the baseline's layout, from its header to its last line."""
    return (
        f"logs/run-{seed}.txt\nworld_size:8\nseed:{seed}\n"
        f"step:1/20000 train_loss:{loss:.4f} train_time:43ms step_avg:43.00ms\n"
        f"step:2/20000 train_loss:{loss - 0.5:.4f} train_time:86ms step_avg:43.00ms\n"
        f"step:9000/20000 train_loss:2.0000 train_time:599000ms step_avg:43.00ms\n"
        f"stopping_early: wallclock_cap train_time:{stop}ms step:9001/20000\n"
        f"Total submission size int8+zlib: 15800000 bytes\n"
        f"final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:{final:.8f}\n"
    )


def runs_of(text: str, path: str = "train.log") -> tuple[Run, ...]:
    return read_log(path, text.encode(), len(text.encode())).runs


def seeds(runs: tuple[Run, ...]) -> list[int | None]:
    return [run.seed.value if run.seed else None for run in runs]


def test_a_file_with_one_process_is_one_run() -> None:
    run = runs_of(part(42))[0]
    assert (run.first_line, run.last_line, run.ended) == (1, 9, True)


def test_a_run_on_a_processor_says_so() -> None:
    (run,) = runs_of("device:cpu (x86_64, 2 cores, 1 threads)\n" + part(42))
    assert run.processor is not None
    assert run.processor.value == "cpu (x86_64, 2 cores, 1 threads)"


def test_several_seeds_in_one_file_are_several_runs() -> None:
    runs = runs_of(part(1, final=1.1) + part(2, loss=6.8, final=1.3))
    assert seeds(runs) == [1, 2]
    assert [run.final_passes[-1].val_bpb.value for run in runs] == [1.1, 1.3]
    assert [run.first_line for run in runs] == [1, 10]


def test_a_retry_of_one_seed_is_another_run() -> None:
    runs = runs_of(part(7, stop=600_019) + part(7, loss=6.8, final=1.3, stop=596_063))
    assert [run.stop and run.stop.train_seconds.value for run in runs] == [600.019, 596.063]
    assert [run.duplicate_of for run in runs] == [None, None]


def test_the_same_run_twice_is_marked_and_kept() -> None:
    runs = runs_of(part(42) + part(42))
    assert [run.duplicate_of for run in runs] == [None, ("train.log", 1)]


def test_the_fuller_of_two_copies_is_the_original() -> None:
    short = part(42).replace("Total submission size int8+zlib: 15800000 bytes\n", "")
    assert [run.duplicate_of for run in runs_of(short + part(42))] == [("train.log", 9), None]


def test_lines_doubled_by_a_logger_are_one_run() -> None:
    doubled = "".join(line + "\n" + line + "\n" for line in part(42).splitlines())
    assert len(runs_of(doubled)) == 1


def test_a_run_cut_off_in_training_has_not_ended() -> None:
    log = read_log("a.log", part(42).encode()[:250], 250)
    assert [run.ended for run in log.runs] == [False]
    assert [problem.kind for problem in log.problems] == ["truncated"]


def test_training_that_starts_again_takes_the_header_before_it() -> None:
    first = part(42).replace("logs/run-42.txt\n", "")
    runs = runs_of(first + first.replace("world_size:8", "world_size:4").replace("6.9", "6.8"))
    assert [run.world_size and run.world_size.value for run in runs] == [8, 4]


def test_an_evaluation_without_training_is_a_run() -> None:
    run = runs_of("seed:42\nquantized_ttt val_loss:2.3 val_bpb:1.06 eval_time:500s\n")[0]
    assert (run.has_training, run.final_passes[0].val_bpb.value) == (False, 1.06)


def test_a_summary_over_seeds_starts_no_run() -> None:
    runs = runs_of(part(42) + "seed 1: val_bpb 1.3\nseed 2: val_bpb 1.4\n")
    assert seeds(runs) == [42]
    assert [p.val_bpb.value for p in runs[0].final_passes] == [1.2]


def test_the_printed_seed_and_the_named_seed_are_both_kept() -> None:
    run = runs_of(part(1337), path="train_seed42.log")[0]
    assert (run.seed and run.seed.value, run.seed_from_name) == (1337, 42)


def test_a_later_summary_does_not_replace_the_stop_line() -> None:
    stop = runs_of(part(42, stop=599_123) + "total_train_time: 600s\n")[0].stop
    assert stop is not None
    assert stop.train_seconds.value == 599.123


@pytest.mark.parametrize(
    ("path", "seed"),
    [
        ("train_seed42.log", 42),
        ("logs/seed_1337/train.log", 1337),
        ("seeds/7/run.txt", 7),
        ("run_s314.log", 314),
        ("3_seed_log_13.txt", 3),
        ("seed_1/train_seed2.log", 2),
        ("train_1337.log", 1337),
        ("train.log", None),
        ("steps2048.log", None),
        ("train_v2.txt", None),
    ],
)
def test_a_path_names_its_seed(path: str, seed: int | None) -> None:
    assert seed_from_name(path) == seed
