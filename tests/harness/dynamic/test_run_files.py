from __future__ import annotations

import gzip
import json
import os
import random

import jsonschema
import numpy as np
import pytest

from harness.dynamic.child.capture.recorder import Recorder
from harness.dynamic.event_record import SCHEMA_PATH, read_event_record, take_keys
from harness.dynamic.run_files import LEFT_OUT_NAME, LOG_NAME, PLAN_NAME, RunFiles, take_files
from harness.errors import SetupError

ONE = [(0, "")]
PLAN = {"script": "train_gpt.py"}


@pytest.fixture
def out(tmp_path):
    made = tmp_path / "out"
    made.mkdir()
    return made


def recorded(out, *, rank=0, text="val_bpb:1.5"):
    """A rank's record of three losses and a printed line; the log that tells its key."""
    recorder = Recorder(out, rank=rank, world_size=rank + 1, tell_key=False)
    nll = recorder.array(np.array([1.0, 2.0, 4.0]), site="train_gpt.py:3")
    recorder.event("red", site="train_gpt.py:3", op="sum", value=7.0, size=3, array=nll)
    recorder.event("print", text=text, to="stdout", values=[1.5])
    recorder.close()
    return [f"golf-record {rank} {recorder.key}", text]


def unpacked(place, folder):
    folder.mkdir()
    for path in place.glob("*.gz"):
        (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return folder


def test_a_taken_record_is_read_again_and_fits_the_key_in_the_taken_log(tmp_path, out):
    take_files(tmp_path / "base", out, recorded(out), ONE, plan=PLAN)
    keys, lines = take_keys((tmp_path / "base" / LOG_NAME).read_text().splitlines())
    record = read_event_record(unpacked(tmp_path / "base", tmp_path / "again"), key=keys[0])
    assert (record.sealed, record.problems, lines) == (True, (), ["val_bpb:1.5"])
    assert record.events[0].array.tolist() == [1.0, 2.0, 4.0]


def test_what_a_run_was_asked_to_do_is_taken_with_it(tmp_path, out):
    take_files(tmp_path / "base", out, [], ONE, plan={"script": "train_gpt.py", "argv": ["--small"]})
    assert json.loads((tmp_path / "base" / PLAN_NAME).read_text())["argv"] == ["--small"]


def test_every_line_of_a_taken_record_is_as_published(tmp_path, out):
    take_files(tmp_path / "base", out, recorded(out), ONE, plan=PLAN)
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text()))
    with gzip.open(tmp_path / "base" / "events.jsonl.gz", "rt") as lines:
        kinds = []
        for line in lines:
            validator.validate(json.loads(line))
            kinds.append(json.loads(line)["k"])
    assert kinds == ["start", "array", "red", "print", "end"]


def test_each_rank_has_files_of_its_own(tmp_path, out):
    lines = recorded(out) + recorded(out, rank=1)
    take_files(tmp_path / "base", out, lines, [(0, ""), (1, "")], plan=PLAN)
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == [
        "arrays.f64.gz", "arrays.rank1.f64.gz", "events.jsonl.gz", "events.rank1.jsonl.gz",
        LOG_NAME, PLAN_NAME,
    ]  # fmt: skip


def test_what_is_beyond_the_bound_is_left_out_and_told(tmp_path, out):
    lines = recorded(out)
    (out / "arrays.f64").write_bytes(random.Random(1).randbytes(20_000))
    take_files(tmp_path / "base", out, lines, ONE, plan=PLAN, most_bytes=10_000)
    assert not (tmp_path / "base" / "arrays.f64.gz").exists()
    assert sum(path.stat().st_size for path in (tmp_path / "base").iterdir()) < 10_000
    assert (tmp_path / "base" / LEFT_OUT_NAME).read_text() == (
        "arrays.f64.gz is left out: the files of a run have at most 10,000 bytes\n"
    )


def test_a_link_in_the_place_of_a_record_is_not_followed(tmp_path, out):
    secret = tmp_path / "secret"
    secret.write_text("ours")
    (out / "events.jsonl").symlink_to(secret)
    take_files(tmp_path / "base", out, [], ONE, plan=PLAN)
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == [
        LEFT_OUT_NAME,
        LOG_NAME,
        PLAN_NAME,
    ]
    assert "events.jsonl cannot be read" in (tmp_path / "base" / LEFT_OUT_NAME).read_text()


def test_a_later_run_in_the_same_place_replaces_the_files_of_the_one_before(tmp_path, out):
    take_files(tmp_path / "base", out, recorded(out), ONE, plan=PLAN)
    (out / "events.jsonl").unlink()
    take_files(tmp_path / "base", out, ["second"], ONE, plan=PLAN)
    assert (tmp_path / "base" / LOG_NAME).read_text() == "second\n"
    assert not (tmp_path / "base" / "events.jsonl.gz").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_a_fault_of_the_machine(tmp_path, out):
    tmp_path.chmod(0o500)
    with pytest.raises(SetupError, match="cannot be put there"):
        take_files(tmp_path / "base", out, [], ONE, plan=PLAN)


def test_of_runs_with_one_name_the_one_begun_last_is_named(tmp_path):
    files = RunFiles(tmp_path)
    for text in ("first", "second"):
        take_files(files.place("last documents"), tmp_path, [text], [], plan=PLAN)
    (place,) = files.named({"last documents"})
    assert (place.name, (place / LOG_NAME).read_text()) == ("last-documents-2", "second\n")


def test_a_run_that_left_nothing_is_not_named(tmp_path):
    files = RunFiles(tmp_path)
    files.place("suffix")
    assert files.named({"suffix"}) == []
