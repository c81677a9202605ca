"""A script writes the harness's results itself: records, events, artifacts, the pipe that watches it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.runs.record_store import SeedFolder
from harness.runs.run_record import RunStatus
from tests.attacks.whole_runs import HONEST, HONEST_START

if TYPE_CHECKING:
    import pytest

    from tests.attacks.whole_runs import Victim

FORGES = """
import json, pathlib
forged = json.dumps({"schema_version": 1, "status": "finished", "measured": {"val_bpb": 0.5}})
here = pathlib.Path.cwd()
golf = pathlib.Path("/golf")
for place in (here, here.parent, here.parent / "artifact", golf, golf / "artifact"):
    for name in ("run.json", "begun.json", "events.jsonl", "train.log", "final_model.int8.ptz.sha256"):
        try:
            place.mkdir(exist_ok=True)
            if place != here or name in ("run.json", "begun.json"):
                (place / name).write_text(forged)
        except OSError:
            pass
"""
LIES = """
events = os.environ["GOLF_EVENTS"]
with open(events, "w") as pipe:
    for line in ('{"kind": "step", "what": "Muon", "count": 20000, "pid": 1, "rank": 0}',
                 '{"kind": "exit"', '{"kind": "verdict", "what": "PASS"}', "[" * 400, "x" * 2000,
                 '{"kind": "step", "count": 1e99}'):
        pipe.write(line + "\\n")
"""
FLOODS = """
with open(os.environ["GOLF_EVENTS"], "w") as pipe:
    line = json.dumps({"kind": "read", "what": "x" * 60, "count": 1, "pid": 1}) + "\\n"
    for _ in range(3_000):
        pipe.write(line)
"""


def test_a_record_that_a_script_writes_is_only_a_file_of_its_own(victim: Victim) -> None:
    attacked = victim.run(HONEST + FORGES)
    assert attacked.record.status is RunStatus.FINISHED
    assert attacked.record.measured is None
    assert not (attacked.attempt / "run.json").exists()
    assert "schema_version" not in attacked.log
    folder = SeedFolder(path=attacked.attempt.parents[1])
    (folder.path / "run.json").unlink()
    folder.keep(attacked.attempt, attacked.record)
    assert folder.record() == attacked.record


def test_the_event_log_is_ours_and_lies_in_it_are_parsed_or_dropped(victim: Victim) -> None:
    attacked = victim.run(HONEST + LIES)
    assert attacked.record.status is RunStatus.FINISHED
    events = [json.loads(line) for line in (attacked.attempt / "events.jsonl").read_text().splitlines()]
    assert {event["kind"] for event in events} <= {
        "start", "exit", "read", "write", "socket", "process", "step", "watches",
        "opened", "created", "written", "deleted",
    }  # fmt: skip
    assert attacked.record.measured is None


def test_a_flood_of_events_is_bounded_and_told(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.watching.event_pipe.MOST_EVENTS", 2_000)
    attacked = victim.run(HONEST_START + "import json\n" + FLOODS + HONEST)
    assert attacked.record.status is RunStatus.FINISHED
    assert "events-lost" in attacked.notices
    assert len((attacked.attempt / "events.jsonl").read_text().splitlines()) < 2_100
