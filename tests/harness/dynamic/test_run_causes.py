from __future__ import annotations

import json

import pytest

from harness.dynamic.run_causes import CauseKind, cause_of, read_ending
from harness.dynamic.score_lines import has_score
from harness.sandbox.request import EndKind, SandboxOutcome


def outcome(kind=EndKind.EXITED, code=1):
    return SandboxOutcome(
        kind=kind,
        detail="as it was",
        exit_code=code,
        signal=None,
        seconds=1.0,
        log_bytes=0,
        peak_memory_bytes=None,
        survivors_killed=0,
        protections=(),
    )


def ending(error, message="", file="/golf/work/records/track_10min_16mb/submission/train_gpt.py", text=""):
    frame = {"file": file, "line": 7, "function": "main", "text": text}
    return {"status": 1, "error": error, "message": message, "frames": [frame]}


def test_an_end_with_a_score_has_no_cause():
    assert cause_of(outcome(code=0), {}, [], has_metric=True) is None


@pytest.mark.parametrize(
    ("how", "said", "kind"),
    [
        (outcome(code=0), {}, CauseKind.NO_METRIC),
        (outcome(EndKind.TIME_LIMIT, None), {}, CauseKind.TIME),
        (outcome(EndKind.MEMORY_LIMIT, None), {}, CauseKind.MEMORY),
        (outcome(EndKind.SIGNAL, None), {}, CauseKind.CRASH),
        (outcome(), ending("ModuleNotFoundError", "No module named 'mamba_ssm'"), CauseKind.CUDA_MODULE),
        (outcome(), ending("ModuleNotFoundError", "No module named 'regex'"), CauseKind.MISSING_MODULE),
        (
            outcome(),
            ending("RuntimeError", "required packages are absent: flash-linear-attention"),
            CauseKind.CUDA_MODULE,
        ),
        (outcome(), ending("RuntimeError", "pip install regex first"), CauseKind.MISSING_MODULE),
        (outcome(), ending("NameError", "name 'x' is not defined"), CauseKind.BROKEN_SCRIPT),
        (outcome(), ending("AssertionError", "seq_len"), CauseKind.SETTINGS),
        (
            outcome(),
            ending("AttributeError", "x", "/golf/package/harness/dynamic/child/facade/clock.py"),
            CauseKind.STAND_IN,
        ),
    ],
)
def test_each_end_has_its_cause(how, said, kind):
    assert cause_of(how, said, [], has_metric=False).kind is kind


def test_a_traceback_in_the_log_counts_where_the_child_said_nothing():
    cause = cause_of(outcome(), {}, ["Traceback ...", "ValueError: too small", "bye"], has_metric=False)
    assert cause.message == "ValueError: too small"


def test_settings_an_error_names_are_found_with_its_line():
    cause = cause_of(
        outcome(),
        ending("ValueError", "TRAIN_BATCH_TOKENS too small", text="if n < args.seq_len:"),
        [],
        has_metric=False,
    )
    assert cause.line == 7
    assert {"train_batch_tokens", "seq_len"} <= cause.names


def test_an_ending_that_is_a_link_or_too_long_is_not_read(tmp_path):
    target = tmp_path / "elsewhere"
    target.write_text(json.dumps({"error": "X"}))
    (tmp_path / "ending.json").symlink_to(target)
    assert read_ending(tmp_path) == {}
    (tmp_path / "ending.json").unlink()
    (tmp_path / "ending.json").write_text("[" * 70_000)
    assert read_ending(tmp_path) == {}


@pytest.mark.parametrize(
    "said",
    [
        '{"error": "E", "message": "m", "frames": 5}',
        '{"error": "E", "message": "m", "frames": {"file": "/submission/x"}}',
        '{"error": "E", "message": "m", "frames": [5, null, [], {"file": 7, "line": "7", "text": {"a": 1}}]}',
        '{"error": "E", "message": "m", "frames": [{"file": "/submission/x", "line": true, "text": NaN}]}',
        '{"error": "E", "message": "m", "frames": [{"file": "/submission/x", "line": -Infinity}]}',
        f'{{"error": "E", "message": "m", "frames": [{{"file": "/submission/x", "line": 1{"0" * 4_000}}}]}}',
    ],
)
def test_frames_of_an_ending_that_are_none_are_left_out(tmp_path, said):
    (tmp_path / "ending.json").write_text(said)
    cause = cause_of(outcome(), read_ending(tmp_path), [], has_metric=False)
    assert (cause.message, cause.line) == ("E: m", None)


@pytest.mark.parametrize("error", ["5", "[" * 400 + "]" * 400, '{"a": {}}', "NaN", "true"])
def test_an_error_that_is_no_text_is_none(tmp_path, error):
    (tmp_path / "ending.json").write_text(f'{{"error": {error}, "message": "m", "frames": []}}')
    cause = cause_of(outcome(), read_ending(tmp_path), [], has_metric=False)
    assert (cause.kind, cause.message) == (CauseKind.CRASH, "as it was")


def test_what_an_ending_says_is_cut_and_text(tmp_path):
    (tmp_path / "ending.json").write_text(
        json.dumps(ending("E" * 9_000, "\ud800" * 3_000, text="x_" * 9_000))
    )
    cause = cause_of(outcome(), read_ending(tmp_path), [], has_metric=False)
    assert len(cause.message) <= 400
    assert len(cause.message.encode()) <= 400
    assert all(len(name) <= 300 for name in cause.names)


def test_an_ending_is_read(tmp_path):
    (tmp_path / "ending.json").write_text(json.dumps(ending("X")))
    assert read_ending(tmp_path)["error"] == "X"


def test_a_score_is_a_number_after_its_name():
    assert has_score(["final_int8 val_loss:2.1 val_bpb:1.2345"])
    assert has_score(["Bits per byte: 1.10"])
    assert not has_score(["val_bpb:nan", "bpb will follow", "2.5 bits"])


def test_an_error_without_words_is_told_by_its_line_and_the_phase():
    silent = ending("AssertionError", text="    assert n % 8 == 0")
    cause = cause_of(outcome(), silent, [], has_metric=False, phase="in training, after 2 optimizer steps")
    assert cause.message == "AssertionError at `assert n % 8 == 0` (in training, after 2 optimizer steps)"


def test_an_exit_status_of_its_own_is_told_as_that():
    cause = cause_of(outcome(code=3), ending("SystemExit"), [], has_metric=False)
    assert cause.message == "it ended itself with exit status 3"


def test_too_many_processes_and_too_much_output_are_no_matter_of_memory_and_disk():
    many = cause_of(outcome(EndKind.PROCESS_LIMIT, None), {}, [], has_metric=False)
    much = cause_of(outcome(EndKind.LOG_LIMIT, None), {}, [], has_metric=False)
    assert (many.kind, much.kind) == (CauseKind.PROCESSES, CauseKind.OUTPUT)
