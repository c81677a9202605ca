"""R7: what was opened, sent and started, and when: training data after the artifact, network, programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.dynamic.events import ForwardEvent, NetworkEvent, OpenEvent, ProgramEvent, StepEvent, WriteEvent
from harness.dynamic.probes.model_files import last_artifact_write
from harness.dynamic.probes.probe import ProbeResult
from harness.probe_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.dynamic.probes.probe import ScoredRun

PROBE = "access-timeline"
TRAIN = "no-train-data-at-eval"
NETWORK = "no-network-at-eval"
# Compilers of Triton and inductor, and questions about the machine; anything else is somebody's program.
_KNOWN_PROGRAMS = ("nvidia-smi", "gcc", "cc", "g++", "clang", "ldconfig", "lscpu", "uname", "lrzip", "git")
_LOCAL = ("127.", "localhost", "::1", "/")


def access_timeline(base: ScoredRun) -> Iterator[ProbeResult]:
    """One answer on training data after the artifact, one on network and programs."""
    yield _training_data(base)
    yield _outside(base)


def _training_data(base: ScoredRun) -> ProbeResult:
    record, runs = base.record, (base.name,)
    hole = record.why_powerless(("opens", "writes"))
    written = last_artifact_write(base)
    if written is None or hole:
        return ProbeResult(
            probe=PROBE,
            condition=TRAIN,
            outcome=Outcome.NO_POWER,
            sentence=hole or "no artifact was seen to be written: nothing can come after it",
            runs=runs,
        )
    wrote = next(e for e in record.of(WriteEvent) if e.number == written)
    opens = [e for e in record.of(OpenEvent) if e.split == "train" and record.is_before(wrote, e)]
    passes = [e for e in record.of(ForwardEvent) if e.source == "train" and record.is_before(wrote, e)]
    steps = [e.number for e in record.of(StepEvent) if e.source == "train" and e.number < written]
    last_step = max(steps, default=0)
    between = [e for e in record.of(ForwardEvent) if e.source == "train" and last_step < e.number < written]
    numbers = {
        "train_opens_after": len(opens),
        "train_passes_after": len(passes),
        "train_passes_between": len(between) if steps else 0,
    }
    if opens or passes:
        what = f"{len(passes):,} batches of training tokens go through a model" if passes else ""
        if opens:
            what += f"{' and ' if what else ''}{len(opens):,} training shards are opened"
        return ProbeResult(
            probe=PROBE,
            condition=TRAIN,
            outcome=Outcome.BREACH,
            numbers=numbers,
            sentence=f"{what} after the artifact was written",
            runs=runs,
        )
    return ProbeResult(
        probe=PROBE,
        condition=TRAIN,
        outcome=Outcome.CLEAN,
        numbers=numbers,
        sentence="no training shard is opened and no training token goes through a model after the "
        "artifact is written"
        + (
            f"; {len(between):,} batches do between the last step and the artifact: their time belongs to "
            "training"
            if steps and between
            else ""
        ),
        runs=runs,
    )


def _outside(base: ScoredRun) -> ProbeResult:
    record, runs = base.record, (base.name,)
    written = last_artifact_write(base)
    asked = [e for e in record.of(NetworkEvent) if e.is_package or not _is_local(e.address)]
    late = [e for e in asked if not e.is_package and written is not None and e.number > written]
    programs = [e for e in record.of(ProgramEvent) if not e.answered and not _is_known(e.command)]
    numbers = {"addresses": len(asked), "addresses_after": len(late), "programs": len(programs)}
    if late:
        return ProbeResult(
            probe=PROBE,
            condition=NETWORK,
            outcome=Outcome.BREACH,
            numbers=numbers,
            sentence=f"the script asked for {late[0].address[:80]} after the artifact was written "
            f"({len(late):,} requests)",
            runs=runs,
        )
    if asked:
        return ProbeResult(
            probe=PROBE,
            condition=NETWORK,
            outcome=Outcome.NO_POWER,
            numbers=numbers,
            sentence=f"the script reached for {asked[0].address[:80]}; what it does where that answers is "
            "not seen here",
            runs=runs,
        )
    if programs or record.why_powerless():
        shown = record.why_powerless() or f"another program was started ({programs[0].command[:80]})"
        return ProbeResult(
            probe=PROBE,
            condition=NETWORK,
            outcome=Outcome.NO_POWER,
            numbers=numbers,
            sentence=f"{shown}; what it does is not seen here",
            runs=runs,
        )
    return ProbeResult(
        probe=PROBE,
        condition=NETWORK,
        outcome=Outcome.CLEAN,
        numbers=numbers,
        sentence="no address and no program of its own was asked for",
        runs=runs,
    )


def _is_local(address: str) -> bool:
    return any(mark in address.split(" ", maxsplit=1)[0] or address.startswith(mark) for mark in _LOCAL)


def _is_known(command: str) -> bool:
    words = command.split()
    return bool(words) and any(word.rsplit("/", 1)[-1] in _KNOWN_PROGRAMS for word in words[:2])
