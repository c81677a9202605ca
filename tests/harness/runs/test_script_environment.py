from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.ruleset import load_ruleset
from harness.runs.run_files import script_environment
from harness.runs.seed_job import SeedJob
from harness.runs.track import load_track

RULES = load_ruleset()
JOB = SeedJob(
    folder=Path("toy"),
    name="toy",
    seed=13,
    track=load_track("smoke", RULES.limits(RULES.newest)),
    data=Path("data"),
    wants_gpu=True,
)
SEEN_AT = {"work": "/golf/work", "data": "/golf/data"}


@pytest.mark.parametrize(("given", "seen"), [("0,1,2,3", "0,1,2,3"), ("", None), (None, None)])
def test_the_gpus_that_a_scheduler_gave_reach_the_script(
    given: str | None, seen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert script_environment(JOB, SEEN_AT).get("CUDA_VISIBLE_DEVICES") == seen
    assert "CUDA_VISIBLE_DEVICES" not in script_environment(replace(JOB, wants_gpu=False), SEEN_AT)


def test_settings_cannot_take_the_place_of_what_golf_run_says() -> None:
    job = replace(JOB, settings={"SEED": "1", "DATA_PATH": "/elsewhere", "ITERATIONS": "7"})
    environment = script_environment(job, SEEN_AT)
    assert (environment["SEED"], environment["DATA_PATH"]) == ("13", "/golf/data")
    assert environment["ITERATIONS"] == "7"
