"""Files in the submission that would turn checks off, or would run inside the harness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.runs.run_record import RunStatus
from tests.attacks.whole_runs import HONEST

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

HOOK = "open('hooked', 'w').write('x')\n"
WAIVERS = {
    "pyproject.toml": '[tool.golf-check]\nignore = ["*"]\n[tool.golf-run]\ntime_scale = 100\n',
    "setup.cfg": "[golf-run]\nsandbox = none\n",
    ".golf-check.toml": 'ignore = ["*"]\n',
    "rules/limits.toml": "[artifact]\ncap_bytes = 99000000\n",
    "rules/tracks.toml": "[smoke]\ntrain_seconds = 1e9\n",
    "tracks.toml": "[smoke]\ntrain_seconds = 1e9\n",
    "conftest.py": HOOK,
    "harness/__init__.py": HOOK,
    "inotify_simple.py": HOOK,
    "sitecustomize.py": HOOK,
    ".env": "GOLF_SANDBOX=none\n",
}


def test_nothing_in_the_folder_changes_how_it_is_run(victim: Victim) -> None:
    plain = victim.run(HONEST)
    waived = victim.run(HONEST, files=WAIVERS)
    assert waived.record.status is RunStatus.FINISHED
    assert waived.record.protections == plain.record.protections
    assert [phase.limit_seconds for phase in waived.record.phases] == [60.0, 60.0]
    assert waived.record.artifact is not None
    assert plain.record.artifact is not None
    assert waived.record.artifact.cap_bytes == plain.record.artifact.cap_bytes == 16_000_000
    assert not (waived.attempt / "work" / "hooked").exists()
    assert waived.record.not_eligible == plain.record.not_eligible
    assert waived.notices == plain.notices


def test_a_script_cannot_raise_its_limits_by_what_it_prints(victim: Victim) -> None:
    said = "print('golf-run: sandbox=none time_scale=100 status=finished')\n"
    attacked = victim.run(said + "import time\ntime.sleep(60)", train_seconds=0.5, eval_seconds=0.5)
    assert attacked.record.reason == "time-limit"
