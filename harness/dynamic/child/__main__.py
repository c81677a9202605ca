"""Runs a submission's script as it is, on the machine that the plan describes.

    python -m harness.dynamic.child PLAN.json [RANK]

With RANK it is one of the ranks that `ranks` starts. The exit status is the script's; `ending.json` in the
plan's output folder says more.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import traceback
import types
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.dynamic.run_plan import RunPlan
from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable

_HASH_SEED = "PYTHONHASHSEED"


def main(arguments: list[str]) -> int:
    """Run the plan that `arguments` names; the exit status."""
    if len(arguments) not in {1, 2}:
        print("usage: python -m harness.dynamic.child PLAN.json [RANK]", file=sys.stderr)
        return 2
    _fix_hashes()
    try:
        plan = RunPlan.from_json(json.loads(Path(arguments[0]).read_text()))
        if len(arguments) == 2:
            plan = replace(plan, rank=int(arguments[1]))
        source = Path(plan.script).read_bytes()
    except (OSError, ValueError, SetupError) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 2
    return run(plan, source, wait=_wait_for_ranks if len(arguments) == 2 else lambda: None)


def run(plan: RunPlan, source: bytes, *, wait: Callable[[], None] = lambda: None) -> int:
    """Run `source`, the plan's script, in this process; the exit status.

    `wait` is called when the key of the record is told and no code of the submission has run yet.
    """
    from harness.dynamic.child.ending import ending_of, write_ending
    from harness.dynamic.child.facade import install_facade
    from harness.dynamic.child.facade.randomness import install_randomness
    from harness.dynamic.child.facade.told import listen
    from harness.dynamic.child.literals import with_literals
    from harness.dynamic.child.script_source import ScriptSource
    from harness.dynamic.child.size_limits import with_small_limits
    from harness.dynamic.micro_batches import with_one_micro_batch

    folder = str(Path(plan.script).parent)
    finish: Callable[[], None] = lambda: None  # noqa: E731 - replaced where the run is captured
    recorder: Any = None
    if plan.captures:
        from harness.dynamic.child import capture

        recorder = capture.open_recorder(plan)
        finish = lambda: capture.finish(recorder)  # noqa: E731
    wait()
    _enter(plan, folder)
    clock = install_facade(plan)
    scripts = ScriptSource((folder,))
    scripts.transforms.append(lambda tree, _: with_literals(tree, plan.literals, plan.local_literals))
    scripts.transforms.append(lambda tree, _: with_small_limits(tree, plan.element_scale))
    if plan.one_micro_batch:
        scripts.transforms.append(lambda tree, _: with_one_micro_batch(tree))
    if recorder is not None:
        recorder.virtual_seconds = lambda: clock.seconds
        clock.is_validation = lambda: recorder.learns_from() == "val"
        listen(lambda kind, fields: recorder.event(kind, **fields))
        scripts.looks.append(lambda tree, name: capture.look(recorder, tree, name))
        scripts.transforms.extend(capture.install(plan, recorder))
    scripts.install()
    install_randomness(plan.rank)  # last: names that the capture draws are not to be guessed
    error: BaseException | None = None
    try:
        script = types.ModuleType("__main__")
        vars(script).update(__file__=plan.script, __builtins__=__builtins__)
        sys.modules["__main__"] = script
        exec(scripts.compiled(source, plan.script), vars(script))
        atexit._run_exitfuncs()
    except BaseException as caught:  # whatever a script raises is its ending
        error = caught
    ending = ending_of(error)
    if ending["error"] and error is not None:
        with contextlib.suppress(Exception):
            traceback.print_exception(error)
            if ending["message"] and ending["error"] == "SystemExit":
                print(ending["message"], file=sys.stderr)
    finish()
    write_ending(plan.out, ending, plan.rank)
    return int(ending["status"])


def _wait_for_ranks() -> None:
    """Until all ranks have come this far: whoever started us then writes a line."""
    sys.stdin.readline()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _fix_hashes() -> None:
    """Start anew with the same hashes of strings in every run: the order of sets is an input."""
    if os.environ.get(_HASH_SEED) != "0":
        os.environ[_HASH_SEED] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "harness.dynamic.child", *sys.argv[1:]])


def _enter(plan: RunPlan, folder: str) -> None:
    """Working folder, arguments, paths and environment as a launcher of the script leaves them."""
    sys.dont_write_bytecode = True
    os.environ.update(
        {
            "RANK": str(plan.rank),
            "LOCAL_RANK": str(plan.rank),
            "WORLD_SIZE": str(plan.world_size),
            "LOCAL_WORLD_SIZE": str(plan.world_size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": "29500",
            "TORCHELASTIC_RUN_ID": "none",
            "CUDA_VISIBLE_DEVICES": ",".join(map(str, range(plan.world_size))),
        }
    )
    os.environ.update(plan.environment)
    os.chdir(folder)
    sys.argv = [plan.script, *plan.argv]
    sys.path[0] = folder


if __name__ == "__main__":
    status = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    # Threads and exit handlers of the script are over with it.
    os._exit(status)
