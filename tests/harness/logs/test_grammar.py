"""Lines to values: one invented line per claim."""

from __future__ import annotations

import pytest

from harness.logs.reader import read_log
from harness.logs.training_log import EvalPass, PassKind, Run, SizeLine, Timed

STOP = "stopping_early: wallclock_cap train_time:599900ms step:13920/20000"


def run_of(*lines: str) -> Run:
    data = ("world_size:8\n" + "\n".join(lines) + "\n").encode()
    return read_log("train.log", data, len(data)).runs[0]


def pass_of(line: str) -> EvalPass:
    return run_of(STOP, line).passes[0]


def timed_of(*lines: str) -> Timed:
    return run_of(STOP, *lines).timed[0]


def size_of(line: str) -> SizeLine:
    return run_of(line).sizes[0]


@pytest.mark.parametrize(
    "line",
    [
        "seed:42",
        "  seed: 42",
        "config SEED=42 RUN=a",
        "=== SEED 42 ===",
        "{'lr': 1, 'seed': 42}",
        "ws:8 ga:1 s:42",
    ],
)
def test_a_printed_seed_is_read(line: str) -> None:
    seed = run_of(line).seed
    assert seed is not None
    assert (seed.value, seed.line) == (42, 2)


def test_another_seed_setting_is_not_the_seed() -> None:
    assert run_of("ttt_seed:7 data_seed=9").seed is None


def test_a_line_of_its_own_beats_a_seed_in_a_command() -> None:
    seed = run_of("SEED=1 torchrun train_gpt.py", "seed:42").seed
    assert seed is not None
    assert seed.value == 42


@pytest.mark.parametrize(
    ("line", "attribute", "value"),
    [
        ("params:7 L:10 d:768 h:8 kv:4 ws:4 ga:1 s:7", "gpu_count", None),
        ("Running PyTorch 2.9.1+cu128", "torch_version", "2.9.1+cu128"),
        ("Running Python 3.12.3 (main)", "python_version", "3.12.3"),
        ("iterations:20000 max_wallclock_seconds:600.000", "wallclock_cap_seconds", 600.0),
        ("gptq:reserving 12s, effective=588000ms", "gptq_reserve_seconds", 12.0),
        ("gptq:reserving 500ms", "gptq_reserve_seconds", 0.5),
        ("train_loader:dataset:x train_shards:80", "train_shards", 80),
        ("loaded shards 80/128", "train_shards", 80),
        ("val_loader:shards pattern=./d/val_*.bin tokens:62021632", "val_tokens", 62021632),
        ("val_loader:shards pattern=./d/val_*.bin tokens:62021632", "data_path", "./d/val_*.bin"),
        ("model_params:17059912", "model_params", 17059912),
        ("peak memory allocated: 10321 MiB reserved: 10640 MiB", "peak_memory_mib", 10321),
        ("logs/0a1b-2c.txt", "run_id", "0a1b-2c"),
        ("W0426 19:59:28.6 1 torch/distributed/run.py:803] ***", "started_at", "0426 19:59:28.6"),
        ("total_eval_time:508.8s", "total_eval_seconds", 508.8),
    ],
)
def test_a_header_line_gives_its_field(line: str, attribute: str, value: object) -> None:
    found = getattr(run_of(line), attribute)
    assert (found.value if found is not None else None) == value


def test_rows_of_nvidia_smi_count_the_gpus() -> None:
    row = "|   {}  NVIDIA H100 80GB HBM3          On  |   00000000:1{}:00.0 Off |    0 |"
    run = run_of(row.format(0, 0), row.format(1, 1))
    assert run.gpu_count is not None
    assert run.gpu_name is not None
    assert (run.gpu_count.value, run.gpu_name.value) == (2, "NVIDIA H100 80GB HBM3")


@pytest.mark.parametrize(
    "lines",
    [
        ("Hyperparameters:", "  use_ema: True", "  val_loss_every: 0"),
        ("--- Hyperparameters ---", "use_ema=True val_loss_every=0 a=1 b=2 c=3 d=4"),
        ("Hyperparameters(use_ema=True, val_loss_every=0)",),
        ("Namespace(use_ema=True, val_loss_every='0')",),
        ('{"use_ema": True, "val_loss_every": 0}',),
    ],
)
def test_every_style_of_dump_gives_the_hyperparameters(lines: tuple[str, ...]) -> None:
    settings = run_of(*lines).hyperparameters
    assert (settings["use_ema"].value, settings["val_loss_every"].value) == ("True", "0")


def test_a_step_line_carries_loss_clock_and_average() -> None:
    run = run_of("step:7/20000 train_loss:2.5000 train_time:301ms step_avg:43.00ms")
    assert (run.first_losses, run.last_step and run.last_step.value) == ((2.5,), 7)
    assert run.last_train_seconds is not None
    assert run.step_avg_ms is not None
    assert (run.last_train_seconds.value, run.step_avg_ms.value) == (0.301, 43.0)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("7/20000 train_loss: 2.5000 train_time: 1.5m tok/s: 8000000", 90.0),
        ("step:7/10000 loss:2.5000 t:91682ms avg:91.7ms", 91.682),
        ("myrun: step:7/500 train_loss:2.5000 train_time:91682ms step_avg:1.00ms", 91.682),
        ("s:7/20000 tl:2.5000 tt:91682ms sa:1.00ms", 91.682),
        ("step:7/20000 train_loss:2.5000 elapsed_ms:91682", 91.682),
        ("step    7 | loss 2.5000 | lr 3.00e-04 | time: 30s", 30.0),
    ],
)
def test_other_step_lines_carry_loss_and_clock(line: str, seconds: float) -> None:
    run = run_of(line)
    assert run.first_losses == (2.5,)
    assert run.last_train_seconds is not None
    assert run.last_train_seconds.value == seconds


@pytest.mark.parametrize(
    ("line", "reason", "seconds", "step"),
    [
        (STOP, "wallclock_cap", 599.9, 13920),
        ("stopping_early: wallclock_cap train_time: 599.9s step: 13920/20000", "wallclock_cap", 599.9, 13920),
        ("stopping_early train_time:10.0m", "", 600.0, None),
        ("Training complete in 590s (1858 steps)", "", 590.0, 1858),
        ("training_seconds: 300.2", "", 300.2, None),
    ],
)
def test_the_stop_line_ends_training(line: str, reason: str, seconds: float, step: int | None) -> None:
    stop = run_of(line).stop
    assert stop is not None
    assert (stop.reason, stop.train_seconds.value, stop.step) == (reason, seconds, step)


def test_a_score_line_gives_label_loss_time_and_digits() -> None:
    score = pass_of("quantized_ttt val_loss:2.31944212 val_bpb:1.05989454 eval_time:508785ms")
    assert score.val_loss is not None
    assert score.seconds is not None
    assert (score.label, score.kind, score.val_bpb.value) == ("quantized_ttt", PassKind.FINAL, 1.05989454)
    assert (score.val_loss.value, score.seconds.value) == (2.31944212, 508.785)
    assert (score.digits, score.loss_digits) == (8, 8)


@pytest.mark.parametrize(
    "line",
    [
        "final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:1.20000000",
        "final_slot val_loss:2.0 val_bpb:1.2000 steps:8 lr:0.012 eval_time:100ms",
        "ppm_mix bytes=151078222 mix_bpb=1.200000 nn_only=1.3",
        "Quantized BPB: 1.200000",
        "ttt_sliding:done val_loss=2.0 val_bpb=1.200000 elapsed=341.6s",
        "val_bpb:          1.20000000",
    ],
)
def test_a_headline_format_is_a_final_pass(line: str) -> None:
    score = pass_of(line)
    assert (score.kind, score.val_bpb.value) == (PassKind.FINAL, 1.2)


@pytest.mark.parametrize(
    "line",
    [
        "DIAGNOSTIC post_ema val_loss:1.9412 val_bpb:1.1497",
        "pre-quantization post-ema val_loss:2.8 val_bpb:1.08712345",
        "diagnostic quantized val_loss:2.3 val_bpb:1.07",
        "post-prequant-ttt val_bpb:1.04",
        "EMA BPB (no XSA): 1.023456",
        "Mean val_bpb: 1.1962",
        "baseline val_bpb:1.2244",
        "temp_search: temp=0.90 val_bpb=1.8360",
        "delta_bpb: 0.0012",
        "seed 42 final val_bpb: 1.1962",
    ],
)
def test_a_comparison_is_a_diagnostic(line: str) -> None:
    assert pass_of(line).kind is PassKind.DIAGNOSTIC


@pytest.mark.parametrize(
    "line",
    [
        "  ttt_chunk [40/900] bpb=1.234567 time=12.5s",
        "sliding_eval [ 98.2%] 7856/8000 windows running_bpb=2.012345",
        "chunk 12/96 (12.5%) bpb=1.123456",
        "rank0 batch 7000/7000 | BPB:1.1934 | 305s",
    ],
)
def test_a_running_value_is_progress(line: str) -> None:
    assert pass_of(line).kind is PassKind.PROGRESS


def test_a_running_block_line_holds_no_score() -> None:
    assert run_of(STOP, "ttp: b12/640 bl:2.7500 bb:1.2500 rl:2.3100 rb:1.0500").passes == ()


def test_a_validation_at_a_step_is_in_training() -> None:
    score = run_of("step:500/20000 val_loss:2.0 val_bpb:1.2 train_time:9ms step_avg:1.0ms").passes[0]
    assert (score.kind, score.step) == (PassKind.IN_TRAINING, 500)


@pytest.mark.parametrize(
    "line", ["final val_bpb:nan", "final val_bpb:inf", "final val_bpb:-1.2", "val_bpb:{x:.4f}"]
)
def test_what_is_no_positive_number_is_no_score(line: str) -> None:
    assert run_of(STOP, line).passes == ()


@pytest.mark.parametrize(
    ("line", "what", "label", "size"),
    [
        ("Total submission size int8+zlib: 15912345 bytes", "total", "int8+zlib", 15912345),
        ("Total submission int6+zstd: 15,912,345 bytes", "total", "int6+zstd", 15912345),
        ("budget:15987654/16000000 (15.99/16.00MB) FITS", "total", "", 15987654),
        ("artifact_bytes:   15540675", "total", "", 15540675),
        ("Artifact: 15,417,768 bytes (14.70 MB)", "total", "", 15417768),
        ("Code size: 47642 bytes", "code", "", 47642),
        ("Code size (compressed): 30123 bytes", "code", "compressed", 30123),
        ("Serialized model int8+zlib: 15843210 bytes", "model", "int8+zlib", 15843210),
        ("Serialized model: 67213579 bytes", "model", "", 67213579),
    ],
)
def test_a_printed_size_is_read(line: str, what: str, label: str, size: int) -> None:
    found = size_of(line)
    assert (found.what, found.label, found.size_bytes.value) == (what, label, size)


def test_three_sizes_on_one_line_are_three_sizes() -> None:
    sizes = run_of("model:15567567 code:53472 total:15621039 (15.62 MB)").sizes
    assert {s.what: s.size_bytes.value for s in sizes} == {
        "model": 15567567,
        "code": 53472,
        "total": 15621039,
    }


def test_megabytes_are_no_byte_count() -> None:
    assert run_of("artifact:15.92MB size: 15.92 MB").sizes == ()


@pytest.mark.parametrize(
    ("line", "what", "seconds"),
    [
        ("GPTQ:collected 60 Hessians in 5.2s", "calibration", 5.2),
        ("gptq:generated 64 sequences in 190.2s", "self-generation", 190.2),
        ("Serialize: per-group compression done in 88.4s", "compression", 88.4),
        ("Deserialize: decompression done in 21.6s", "decompression", 21.6),
        ("ttt_lora:compile warmup done (141.3s)", "warm-up", 141.3),
        ("prequant_ttt:done elapsed=300.1s", "prequant-ttt", 300.1),
        (
            "ngram_tilt:precompute n_tok=40540000 hints=9500000 (23.43%) elapsed=31.0s",
            "ngram-precompute",
            31.0,
        ),
        ("artifact_production_wallclock: 1118.0s (train_loop=600.0s)", "artifact-production", 1118.0),
    ],
)
def test_a_named_duration_after_the_stop_is_read(line: str, what: str, seconds: float) -> None:
    timed = timed_of(line)
    assert (timed.what, timed.seconds.value, timed.after_stop) == (what, seconds, True)


def test_a_duration_before_the_stop_is_marked() -> None:
    assert not run_of("GPTQ:collected 60 Hessians in 5.2s", STOP).timed[0].after_stop


@pytest.mark.parametrize(
    ("announced", "reads"),
    [
        ("gptq:generating autoregressive calibration data", "self-generated"),
        ("gptq:collecting Hessians from training data", "train"),
        ("gptq:collecting Hessians", "unknown"),
    ],
)
def test_calibration_reads_what_the_log_announced(announced: str, reads: str) -> None:
    assert timed_of(announced, "GPTQ:collected 60 Hessians in 5.2s").reads_data == reads


def test_a_reserve_or_a_budget_is_no_duration() -> None:
    assert run_of(STOP, "gptq:reserving 12s", "gptq:budget_check in 3s remaining").timed == ()


def test_gate_counters_are_keyed_by_their_prefix() -> None:
    run = run_of("ngram_tilt:hints total=47851520 gated=13023303 within_gate=0 ratio=0.5")
    assert {key: value.value for key, value in run.counters.items()} == {
        "ngram_tilt.total": 47851520,
        "ngram_tilt.gated": 13023303,
        "ngram_tilt.within_gate": 0,
    }


def test_a_counter_named_total_is_no_size() -> None:
    assert run_of("ngram_tilt:hints total=47851520 gated=13023303").sizes == ()


def test_a_traceback_is_kept_with_its_line() -> None:
    failure = run_of("Traceback (most recent call last):", "  File 'x'").traceback
    assert failure is not None
    assert failure.line == 2


@pytest.mark.parametrize("line", ["9m38.45s", "9m 38.45s", "9 min 38.45 sec", "0h 9m 38.45s"])
def test_minutes_and_seconds_are_one_duration(line: str) -> None:
    run = run_of(f"step 100/1000 loss 2.3456 elapsed {line}", f"total_eval_time: {line}")
    assert run.last_train_seconds is not None
    assert run.last_train_seconds.value == 578.45
    assert run.total_eval_seconds is not None
    assert run.total_eval_seconds.value == 578.45


def test_a_wall_clock_total_of_training_is_a_stop() -> None:
    stop = run_of("Total wall-clock training: 9m 39.58s").stop
    assert stop is not None
    assert stop.train_seconds.value == 579.58


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("[EVAL] pre-quant val_loss:2.0 val_bpb:1.2", PassKind.DIAGNOSTIC),
        ("[DIAG] val_bpb:1.2", PassKind.DIAGNOSTIC),
        ("val_bpb:1.2 [diagnostic]", PassKind.DIAGNOSTIC),
        ("[EVAL] final_int8_exact val_loss:2.0 val_bpb:1.2", PassKind.FINAL),
    ],
)
def test_a_tag_in_brackets_names_a_diagnostic(line: str, kind: PassKind) -> None:
    assert pass_of(line).kind is kind
