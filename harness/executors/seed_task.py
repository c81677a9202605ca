"""One job on the machine that runs it, and the answer that its executor gets.

    python -m harness.executors.seed_task TASK.json

is what executors start in another process or on another machine; its last line is the answer. Whatever
happens here is told in the answer: an executor never has to guess from an exit status.
"""

from __future__ import annotations

import json
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import GolfError, SetupError
from harness.executors.job_file import read_task
from harness.executors.kept_run import kept_run
from harness.runs.machine_lacks import LACKS
from harness.runs.record_store import SeedHeldError
from harness.runs.run_record import RunStatus
from harness.runs.seed_job import tool_versions
from harness.sandbox.choose import choose_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.executors.job_file import SeedTask
    from harness.runs.run_record import RunRecord
    from harness.runs.run_steps import StepEvent

# A machine that went silent may hold the lock of the seed until its lease ends (NFS version 4: 90 s).
CLAIM_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAnswer:
    """What a worker says of a task: `status` of the seed's record, else the fault that left none.

    `is_machine_fault` says that another machine may do better; our own bugs are not tried again.
    """

    node: str
    status: str = ""
    fault: str = ""
    is_machine_fault: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "node": self.node,
            "status": self.status,
            "fault": self.fault,
            "is_machine_fault": self.is_machine_fault,
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> TaskAnswer:
        """The answer that `as_json` wrote."""
        return cls(
            node=str(data["node"]),
            status=str(data["status"]),
            fault=str(data["fault"]),
            is_machine_fault=data["is_machine_fault"] is True,
        )


def answer_to(
    task: SeedTask,
    on_event: Callable[[StepEvent], None] | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    claim_seconds: float = CLAIM_SECONDS,
) -> TaskAnswer:
    """Run the task to a record, or say what kept it from one; a held seed is waited for `claim_seconds`."""
    node = socket.gethostname()
    try:
        _refuse_other_versions(task)
        record = _kept(task, on_event, should_stop, claim_seconds)
    except SetupError as error:
        return TaskAnswer(node=node, fault=str(error), is_machine_fault=True)
    except GolfError as error:
        return TaskAnswer(node=node, fault=str(error))
    except OSError as error:
        return TaskAnswer(node=node, fault=f"{type(error).__name__}: {error}", is_machine_fault=True)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = f"a bug of ours: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        return TaskAnswer(node=node, fault=said[:1000])
    failed = record.status is RunStatus.COULD_NOT_RUN
    return TaskAnswer(
        node=node,
        status=record.status.value,
        fault=record.message if failed else "",
        is_machine_fault=failed and record.reason not in LACKS,
    )


def answer_to_file(path: str) -> dict[str, Any]:
    """The answer to the task in a file, as plain data: this name is what is shipped to other machines."""
    try:
        task = read_task(Path(path))
    except SetupError as error:
        fault = TaskAnswer(node=socket.gethostname(), fault=str(error), is_machine_fault=True)
        return fault.as_json()
    return answer_to(task).as_json()


def _kept(
    task: SeedTask,
    on_event: Callable[[StepEvent], None] | None,
    should_stop: Callable[[], bool],
    claim_seconds: float,
) -> RunRecord:
    sandbox = choose_sandbox(task.sandbox)
    deadline = time.monotonic() + claim_seconds
    while True:
        try:
            return kept_run(
                task.job,
                out=task.out,
                sandbox=sandbox,
                again=task.again,
                on_event=on_event,
                should_stop=should_stop,
            )
        except SeedHeldError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(1.0)


def _refuse_other_versions(task: SeedTask) -> None:
    """All seeds run on the same packages, those of the machine that asked."""
    here = tool_versions()
    for name in sorted({*here, *task.versions}):
        if here.get(name) != task.versions.get(name):
            raise SetupError(
                f"{socket.gethostname()} has {name} {here.get(name, 'not at all')}, the machine that asked "
                f"{task.versions.get(name, 'not at all')}; install the same on every machine"
            )


def main(arguments: list[str]) -> int:
    """Answer to the file named in `arguments`, as one line of JSON."""
    print(json.dumps(answer_to_file(arguments[0])), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
