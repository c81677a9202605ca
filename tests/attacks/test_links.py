"""Links in the submission and links among its results, to read or to overwrite files of the machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.runs.run_record import RunStatus
from tests.attacks.whole_runs import HONEST, SECRET

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Attacked, Victim


def nothing_leaked(attacked: Attacked) -> bool:
    """No file that the run left holds the secret."""
    left = (path for path in attacked.attempt.rglob("*") if path.is_file() and not path.is_symlink())
    return all(SECRET.encode() not in path.read_bytes() for path in left)


@pytest.mark.parametrize("name", ["data.bin", "folder"])
def test_a_submission_with_a_link_outside_is_refused_by_name(victim: Victim, name: str) -> None:
    target = victim.secret if name == "data.bin" else victim.secret.parent
    (victim.submission / name).symlink_to(target)
    attacked = victim.run(HONEST)
    assert (attacked.record.status, attacked.record.reason) == (RunStatus.FAILED, "unsafe-submission")
    assert name in attacked.record.message
    assert nothing_leaked(attacked)


@pytest.mark.parametrize("make", ["os.symlink(secret, name)", "os.link(secret, name)", "os.mkfifo(name)"])
def test_an_artifact_that_is_no_file_of_its_own_is_not_sealed(victim: Victim, make: str) -> None:
    swap = f"name, secret = 'final_model.int8.ptz', os.environ['SECRET_AT']\\nos.remove(name)\\n{make}\\n"
    attacked = victim.run(HONEST + swap.replace("\\n", "\n"))
    assert attacked.record.status is RunStatus.FAILED
    assert attacked.record.artifact is None
    assert nothing_leaked(attacked)


def test_our_own_files_are_not_written_through_links_of_the_script(victim: Victim) -> None:
    names = ("../train.log", "../events.jsonl", "../artifact", "../run.json", "train.log", "events.jsonl")
    plants = "".join(
        f"try: os.symlink(os.environ['SECRET_AT'], {name!r})\nexcept OSError: pass\n" for name in names
    )
    attacked = victim.run(plants.join(("import os\n", HONEST)))
    assert attacked.record.status is RunStatus.FINISHED
    assert victim.secret.read_text() == SECRET
    assert not os.path.islink(attacked.attempt / "train.log")  # noqa: PTH114


def test_the_artifact_may_lie_in_a_folder_and_a_linked_folder_is_not_followed(victim: Victim) -> None:
    in_folder = HONEST.replace("final_model.int8.ptz", "out/model.ptz")
    attacked = victim.run("import os\nos.mkdir('out')\n" + in_folder)
    assert attacked.record.artifact is not None
    assert attacked.record.artifact.model_bytes == 1000
    swap = "os.rename('out', 'real')\nos.symlink(os.path.dirname(os.environ['SECRET_AT']), 'out')\n"
    attacked = victim.run(
        "import os\nos.mkdir('out')\n" + in_folder.replace("model.ptz", "expected.json") + swap
    )
    assert attacked.record.artifact is None
    assert nothing_leaked(attacked)
