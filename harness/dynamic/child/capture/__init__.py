"""What a run of a script is watched by: `install` before its source is compiled, `finish` after its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from harness.dynamic.child.capture.recorder import Recorder
    from harness.dynamic.child.capture.token_streams import TokenStreams
    from harness.dynamic.child.forks import ForkServer
    from harness.dynamic.run_plan import RunPlan

_ends: list[Callable[[], None]] = []
_SMALLEST_SIZE = 512


def open_recorder(plan: RunPlan) -> Recorder:
    """The record of this process; before any code of the submission runs."""
    from harness.dynamic.child import forks  # noqa: F401 - takes the real clock before the script's is there
    from harness.dynamic.child.capture.recorder import Recorder

    return Recorder(Path(plan.out), rank=plan.rank, world_size=plan.world_size)


def install(plan: RunPlan, recorder: Recorder) -> list[Callable[[ast.Module, str], ast.Module]]:
    """Watch this process from now on; the changes to make to every source before it is compiled."""
    from harness.dynamic.child.capture.file_audit import FileAudit, follow_saves
    from harness.dynamic.child.capture.hook_values import HookValues
    from harness.dynamic.child.capture.printed_lines import read_along
    from harness.dynamic.child.capture.source_hooks import HookNames, hooked
    from harness.dynamic.child.capture.thresholds import Thresholds
    from harness.dynamic.child.capture.token_streams import TokenStreams
    from harness.dynamic.child.capture.torch_calls import StepsBack, TorchCalls, start_torch_calls
    from harness.dynamic.child.capture.weight_sums import WeightSums

    if not plan.captures:
        return []
    streams = TokenStreams.of_files(
        [Path(each) for each in plan.val_files], [Path(each) for each in plan.train_files]
    )
    weights = WeightSums()
    calls = TorchCalls(recorder, streams, weights, plan.vocab_size, plan.drawn_weights)
    recorder.learns_from = lambda: calls.grad_source
    values = HookValues(recorder, calls)
    server = _fork_server(plan, recorder, streams)

    def tell_line(line: str) -> None:
        values.line(line, to="stdout")
        recorder.flush()  # a run that is killed later is known up to here
        if server is not None and line.strip():  # as they are told
            server.after_line()

    names = HookNames()
    thresholds = Thresholds(_sizes(plan, streams), lambda: calls.source == "val")

    def tell_unseen() -> None:
        for each in thresholds.unseen():
            recorder.remark("unseen", each)

    audit = FileAudit(recorder, val_files=plan.val_files, train_files=plan.train_files, data=plan.data)
    audit.start()
    weights.start()
    _ends.extend(
        [
            values.unfold,
            tell_unseen,
            thresholds.start(),
            audit.stop,
            weights.stop,
            follow_saves(audit),
            read_along(tell_line),
            names.publish(values.by_name(names)),
            start_torch_calls(calls),
        ]
    )
    if not plan.adapts:
        _ends.append(StepsBack(calls).start())
    # In this order: after the hooks a printed line no longer looks like one.
    return [thresholds.hooked, lambda tree, filename: hooked(tree, filename, names)]


def look(recorder: Recorder, tree: ast.AST, filename: str) -> None:
    """Tell where a source names the audit; of the source as it is, before anything is changed in it."""
    from harness.dynamic.child.capture.audit_awareness import awareness

    for each in awareness(tree, filename):
        recorder.remark("reached", each)


def _sizes(plan: RunPlan, streams: TokenStreams) -> frozenset[int]:
    """What a script may take for the size of the data: tokens, bytes of tokens and of files.

    Not the number of targets: it is 2,048, as many sizes of weights are.
    """
    tokens = [streams.validation_count, int(streams.tokens.size) - streams.validation_count]
    files = [Path(each).stat().st_size for each in (*plan.val_files, *plan.train_files)]
    sizes = [*tokens, *(2 * count for count in tokens), *files]
    return frozenset(size for size in sizes if size > _SMALLEST_SIZE)


def _fork_server(plan: RunPlan, recorder: Recorder, streams: TokenStreams) -> ForkServer | None:
    from harness.dynamic.child.forks import ForkServer
    from harness.dynamic.fork_plan import ForkPlan

    if plan.fork is None:
        return None
    stream = streams.tokens[: streams.validation_count]
    return ForkServer(plan, ForkPlan.from_json(plan.fork), recorder, stream)


def finish(recorder: Recorder) -> None:
    """Stop watching and end the record; also after a script that failed."""
    for end in reversed(_ends):
        try:
            end()
        except Exception:  # a script took it away itself: what else there is to tell is told
            recorder.remark("reached", "what watches it was ended")
    _ends.clear()
    recorder.close()
