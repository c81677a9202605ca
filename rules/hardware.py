"""hardware: the run was measured on one node of 8x H100 SXM, not projected.

What it checks
    World size and GPU name printed by every counted run.
Why it matters
    600 seconds mean nothing without the machine; a projection from fewer GPUs was never measured.
What is allowed instead
    Run all seeds on 8x H100 SXM and let the log print world size and nvidia-smi; elsewhere, file it as
    non-record.
How it is detected
    A printed world size other than 8, or a GPU that is no H100 SXM, fails. An H200 is put to a person, since
    one row was accepted on it. Nothing printed means not checked. A run the headline does not rest on only
    gets a warning.
What it cannot see
    Whether the printed machine is the real one, and how it was cooled, clocked or shared.
Rulings
    README 954a15810 (2026-03-18): 8x H100 SXM. #1959 (2026-05-02) was refused for times projected from four
    GPUs. #39 is a row measured on 8x H200 and says so; two nodes of four (#44) were never ruled on.
Example
    seed 42 ran on 4 GPUs, not 8; times on another machine are projections: run it on 8x H100 SXM or file
    it as non-record
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, passed, warned
from harness.evidence.headline_runs import carries_headline
from harness.finding import Role
from harness.wording import count_of, seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding, Sourced
    from harness.logs.training_log import Run

RULE = "hardware"


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed for the world size, one for the GPU where either is printed."""
    if not case.evidence.seeds:
        yield not_checked(RULE, "no log of a counted run: nothing shows the machine")
    for seed in case.evidence.seeds:
        run = seed.training_run or seed.run
        if run is None:
            yield not_checked(RULE, f"{seed_label(seed.seed)}: no log, so nothing shows its machine")
            continue
        yield _world_size(case, seed, run)
        yield _gpu(case, seed, run)


def _world_size(case: Case, seed: SeedEvidence, run: Run) -> Finding:
    wanted = case.limits.integer("hardware.world_size")
    who, printed = seed_label(seed.seed), run.world_size or run.gpu_count
    if printed is None:
        return not_checked(RULE, f"{who}: no world size in {run.file}; print it")
    if printed.value == wanted:
        return passed(RULE, f"{who} ran on {wanted} GPUs", printed.place("world size"))
    said = f"{who} ran on {count_of(printed.value, 'GPU')}, not {wanted}"
    if not carries_headline(case, seed):
        return warned(RULE, f"{said}; the headline comes from another run", printed.place("world size"))
    return failed(
        RULE,
        f"{said}; times on another machine are projections: run it on {_machine(case)} or file it as "
        "non-record",
        printed.place("world size"),
    )


def _machine(case: Case) -> str:
    count = case.limits.integer("hardware.world_size")
    return f"{count}x {case.limits.text('hardware.gpu_name')} {case.limits.text('hardware.gpu_form')}"


def _gpu(case: Case, seed: SeedEvidence, run: Run) -> Finding:
    who, printed = seed_label(seed.seed), run.gpu_name
    if printed is None:
        return _stated_gpu(case, who, run)
    name = printed.value
    place = printed.place("GPU as nvidia-smi names it")
    if case.limits.text("hardware.gpu_name") in name and not _form_refused(case, name):
        return passed(RULE, f"{who} ran on {name}", place)
    said = f"{who} ran on {name}, not on {_machine(case)}"
    if not carries_headline(case, seed):
        return warned(RULE, f"{said}; the headline comes from another run", place)
    if any(tolerated in name for tolerated in case.limits.get("hardware.tolerated_gpus")):
        return needs_human(
            RULE,
            f"{said}; a row was accepted on this GPU once, with the README saying so (#39)",
            place,
            ask=f"Is {name} accepted in place of {_machine(case)}?",
        )
    return failed(RULE, f"{said}; run it there, or file it as non-record", place)


def _form_refused(case: Case, name: str) -> bool:
    return any(form.lower() in name.lower() for form in case.limits.get("hardware.refused_forms"))


def _stated_gpu(case: Case, who: str, run: Run) -> Finding:
    stated: Sourced[str] | None = case.submission.json.hardware
    claim = f"; submission.json states {stated.value[:120]!r}, which proves nothing" if stated else ""
    return not_checked(
        RULE,
        f"{who}: {run.file} does not name its GPU (nvidia-smi prints it){claim}",
        *((stated.place("stated hardware", Role.RELATED),) if stated else ()),
    )
