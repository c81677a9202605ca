"""A script reads what it should not know: expected losses, other checkpoints, the harness's own memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.attacks.whole_runs import HONEST, SECRET

if TYPE_CHECKING:
    import pytest

    from tests.attacks.whole_runs import Victim

READS = """
import pathlib
def look(path):
    try:
        found = pathlib.Path(path)
        print("READ", path, found.read_bytes()[:4000] if found.is_file() else list(found.iterdir()))
    except OSError as error:
        print("refused", error.errno)
secret = pathlib.Path(os.environ["SECRET_AT"])
runs = secret.parent.parent / "runs" / "toy" / "13"
for path in (secret, secret.parent, runs / "run.json", runs, "/root", "/home", "/etc/shadow"):
    look(path)
for process in (HARNESS, os.getppid(), 1):
    for name in ("environ", "mem", "maps", "cwd", "root", "fd"):
        look(f"/proc/{process}/{name}")
"""


def test_nothing_of_the_machine_can_be_read(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLF_TEST_TOKEN", SECRET)
    attacked = victim.run(HONEST + READS.replace("HARNESS", str(os.getpid())))
    assert "refused" in attacked.log
    assert SECRET not in attacked.log
    assert "run.json" not in attacked.log
    assert "hidden-host-files" in attacked.record.protections


def test_validation_data_read_while_training_is_told(victim: Victim) -> None:
    script = "import os\nopen(os.environ['DATA_PATH'] + '/fineweb_val_000000.bin').read()\n" + HONEST
    attacked = victim.run(script)
    assert "fineweb_val_000000.bin" in attacked.notices["validation-in-training"]


def test_training_data_read_while_evaluating_is_told(victim: Victim) -> None:
    attacked = victim.run(HONEST + "open(data + '/fineweb_train_000000.bin', 'rb').read()\n")
    assert "fineweb_train_000000.bin" in attacked.notices["train-data-in-evaluation"]
