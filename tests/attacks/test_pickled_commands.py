"""The artifact is a pickle that runs a command when somebody loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.runs.run_record import RunStatus
from tests.attacks.whole_runs import HONEST

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

COMMAND = """
import pickle
class Bomb:
    def __reduce__(self):
        secret, mark = os.environ["SECRET_AT"], os.environ["ATTACK_MARK"]
        return (os.system, (f"echo loaded; touch {secret}.loaded /tmp/{mark}",))
with open("final_model.pt", "wb") as file: file.write(pickle.dumps(Bomb()))
os.remove("final_model.int8.ptz")
"""


def test_the_harness_loads_nothing(victim: Victim) -> None:
    attacked = victim.run(HONEST + COMMAND)
    assert attacked.record.status is RunStatus.FINISHED
    assert attacked.record.artifact is not None
    assert [file.name for file in attacked.record.artifact.files] == ["final_model.pt"]
    assert not victim.secret.with_name("expected.json.loaded").exists()


def test_a_script_that_loads_it_itself_runs_it_in_the_sandbox_and_is_told(victim: Victim) -> None:
    attacked = victim.run(HONEST + COMMAND + "pickle.load(open('final_model.pt', 'rb'))\n")
    assert "loaded" in attacked.log
    assert "touch" in attacked.notices["process"]
    assert not victim.secret.with_name("expected.json.loaded").exists()
