from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.dynamic.audit_run import (
    DATA,
    OUT,
    SUBMISSION,
    may_run_side_by_side,
    remove_left_behind,
    run_child,
)
from harness.dynamic.child.capture.recorder import Recorder
from harness.dynamic.child.ending import ending_of, write_ending
from harness.dynamic.data_folder import data_places
from harness.dynamic.fork_plan import ForkPlan
from harness.dynamic.run_causes import CauseKind
from harness.dynamic.run_plan import RunPlan
from harness.dynamic.tiny_data import Layout, tiny_data
from harness.dynamic.tiny_vocabulary import BYTE_VOCABULARY, Alphabet, VocabularyKey
from harness.errors import SubmissionError
from harness.tokens.shard_file import read_shard

KEY = VocabularyKey(alphabet=Alphabet.BYTES, size=BYTE_VOCABULARY)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOLF_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield tiny_data(KEY, Layout.SINGLE)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "submission"
    made.mkdir()
    (made / "train_gpt.py").write_text("print(1)\n")
    (made / "kept.bin").write_bytes(b"as it was")
    return made


def plan(**fields):
    places = data_places(KEY)
    return RunPlan(
        script=f"{SUBMISSION}/train_gpt.py",
        data=DATA,
        out=OUT,
        val_files=tuple(f"{DATA}/{name}" for name in places.val_files),
        vocab_size=BYTE_VOCABULARY,
        **fields,
    )


class FakeSandbox:
    """Shows files where they lie and lets `act` do what a script would do."""

    name = "fake"

    def __init__(self, act, lines=(), code=0):
        self.act, self.lines, self.requests, self.code = act, lines, [], code

    def seen_at(self, mount):
        return str(mount.host)

    def run(self, request, on_output, should_stop=None):
        self.requests.append(request)
        plan_path = Path(request.command[-1])
        self.act(Path(request.workdir), json.loads(plan_path.read_text()))
        for line in self.lines:
            on_output(0.0, line.encode() + b"\n")
        from tests.harness.dynamic.test_run_causes import outcome

        return outcome(code=self.code)


def test_files_that_are_new_or_changed_are_artifacts(folder, data):
    def act(work, _):
        (work / "model.ptz").write_bytes(b"abc")
        (work / "kept.bin").write_bytes(b"other")
        (work / "link.ptz").symlink_to("/etc/passwd")

    run = run_child(folder, plan(), data, FakeSandbox(act, ["val_bpb:1.5"]))
    assert {name: size for name, (size, _) in run.artifacts.items()} == {"kept.bin": 5, "model.ptz": 3}
    assert run.cause is None
    assert run.log_lines == ("val_bpb:1.5",)


def test_a_run_without_a_score_says_so(folder, data):
    run = run_child(folder, plan(), data, FakeSandbox(lambda *_: None))
    assert run.cause.kind is CauseKind.NO_METRIC


def test_the_script_finds_our_stream_where_its_plan_says(folder, data):
    seen = SimpleNamespace(tokens=None, linked=None)

    def act(work, told):
        seen.tokens = read_shard(Path(told["val_files"][0]))
        seen.linked = (work / "data" / "datasets").is_dir()

    run_child(folder, plan(), data.with_suffix_replaced(100), FakeSandbox(act))
    assert (seen.tokens == data.with_suffix_replaced(100).validation).all()
    assert seen.linked


def test_every_run_has_the_same_paths(folder, data):
    sandbox = FakeSandbox(lambda *_: None)
    run_child(folder, plan(), data, sandbox)
    run_child(folder, plan(environment={"A": f"{DATA}/x"}), data, sandbox)
    first, second = sandbox.requests
    assert (first.workdir, first.command) == (second.workdir, second.command)


def test_nothing_is_left_behind(folder, data):
    sandbox = FakeSandbox(lambda *_: None)
    run_child(folder, plan(), data, sandbox)
    assert not Path(sandbox.requests[0].workdir).exists()


def test_the_data_is_read_only_unless_asked_for(folder, data):
    sandbox = FakeSandbox(lambda *_: None)
    run_child(folder, plan(), data, sandbox)
    run_child(folder, plan(), data, sandbox, may_write_data=True)
    writable = [
        next(mount.is_writable for mount in one.mounts if mount.inside == DATA) for one in sandbox.requests
    ]
    assert writable == [False, True]


def test_a_folder_with_a_link_out_of_it_does_not_run(folder, data):
    (folder / "out").symlink_to("/etc/passwd")
    with pytest.raises(SubmissionError, match="leads out"):
        run_child(folder, plan(), data, FakeSandbox(lambda *_: None))


def test_a_link_in_place_of_the_submission_shows_nothing_of_the_host(folder, data):
    def act(work, _):
        work.rename(work.parent / "moved")
        work.symlink_to("/etc")

    run = run_child(folder, plan(), data, FakeSandbox(act))
    assert run.artifacts == {}


class MeetingSandbox:
    """Shows every mount where it was asked to be; a run goes on when another has come as far."""

    name = "meeting"

    def __init__(self):
        self.hosts, self._meeting = [], threading.Barrier(2, timeout=60)

    def seen_at(self, mount):
        return mount.inside

    def run(self, request, on_output, should_stop=None):
        self.hosts += [mount.host for mount in request.mounts if mount.inside == OUT]
        self._meeting.wait()
        from tests.harness.dynamic.test_run_causes import outcome

        return outcome(code=0)


def test_runs_side_by_side_have_folders_of_their_own(folder, data):
    sandbox = MeetingSandbox()
    threads = [
        threading.Thread(target=run_child, args=(folder, plan(), data, sandbox), kwargs={"slot": slot})
        for slot in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(sandbox.hosts)) == 2


def test_runs_are_side_by_side_only_where_the_sandbox_hides_the_folder():
    assert may_run_side_by_side(MeetingSandbox())
    assert not may_run_side_by_side(FakeSandbox(lambda *_: None))


def recorded_ranks(told, lines):
    """Two ranks that print a score each, with their records and keys."""
    for rank in range(told["world_size"]):
        recorder = Recorder(Path(told["out"]), rank=rank, world_size=2, tell_key=False)
        recorder.event("print", text=f"val_bpb:1.{rank}", to="stdout", values=[])
        recorder.close()
        lines += [f"golf-record {rank} {recorder.key}", f"val_bpb:1.{rank}"]


def test_a_run_of_two_ranks_has_the_record_of_each(folder, data):
    lines = []
    sandbox = FakeSandbox(lambda _, told: recorded_ranks(told, lines), lines)
    run = run_child(folder, plan(world_size=2), data, sandbox)
    assert sandbox.requests[0].command[3] == "harness.dynamic.child.ranks"
    assert [(record.rank, record.sealed, record.problems) for record in run.by_rank] == [
        (0, True, ()),
        (1, True, ()),
    ]
    assert run.events is run.by_rank[0]
    assert run.log_lines == ("val_bpb:1.0", "val_bpb:1.1")


def test_log_and_records_are_kept_where_they_are_asked_for(folder, data, tmp_path):
    lines = []
    sandbox = FakeSandbox(lambda _, told: recorded_ranks(told, lines), lines)
    run_child(folder, plan(world_size=2), data, sandbox, files=tmp_path / "base")
    assert (tmp_path / "base" / "log.txt").read_text().splitlines() == lines
    assert {path.name for path in (tmp_path / "base").glob("events*")} == {
        "events.jsonl.gz",
        "events.rank1.jsonl.gz",
    }


def test_the_records_of_forks_are_kept_with_that_of_their_run(folder, data, tmp_path):
    def act(_, told):
        for mark in ("", ".fork0", ".fork1"):
            (Path(told["out"]) / f"events{mark}.jsonl").write_text("{}\n")

    forks = ForkPlan(after_line=1, positions=((5,), (5,)), tokens=((7,), (8,)), most_events=(9, 9))
    run_child(
        folder, plan(fork=forks.as_json()), data, FakeSandbox(act, ["a line"]), files=tmp_path / "forks"
    )
    assert {path.name for path in (tmp_path / "forks").glob("events*")} == {
        "events.jsonl.gz",
        "events.fork0.jsonl.gz",
        "events.fork1.jsonl.gz",
    }


def test_a_score_that_no_rank_recorded_is_a_problem_of_the_record(folder, data):
    lines = []

    def act(_, told):
        recorded_ranks(told, lines)
        lines.append("val_bpb:0.9")

    run = run_child(folder, plan(world_size=2), data, FakeSandbox(act, lines))
    assert "past the record" in run.events.problems[0]


def test_the_rank_that_failed_first_tells_the_cause(folder, data):
    def act(_, told):
        out = Path(told["out"])
        write_ending(out, ending_of(RuntimeError("the other rank is gone")), 0)
        write_ending(out, ending_of(ValueError("not this rank")), 1)
        (out / "ranks.json").write_text('{"failed": 1}')

    sandbox = FakeSandbox(act, code=1)
    run = run_child(folder, plan(world_size=2), data, sandbox)
    assert (run.failed_rank, run.cause.message) == (1, "ValueError: not this rank")


def test_what_a_killed_audit_left_is_removed_and_that_of_a_living_one_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, alive = tmp_path / f"golf-dynamic-{ended.pid}-1", tmp_path / f"golf-dynamic-{os.getpid()}"
    other, link = tmp_path / "golf-dynamic-notes", tmp_path / f"golf-dynamic-{ended.pid}"
    for folder in (left, alive, other):
        (folder / "work").mkdir(parents=True)
    link.symlink_to(other)
    remove_left_behind()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, other.name, link.name])
