"""code-location: counted code lives in train_gpt.py; helper files a run uses must be counted with it.

What it checks
    Which files of the folder the entry script imports, executes or compiles, and whether the total still
    fits when they are added.
Why it matters
    Code moved into a second file weighs nothing in `len(train_gpt.py)`: a 74-byte entry script can run
    80,055 bytes of program.
What is allowed instead
    Put everything into train_gpt.py, or add the helpers to the printed code size.
How it is detected
    The files reached from the entry script by import, exec or compile, with their sizes on disk. Over the
    cap only because of them: a person decides (D3), the text profile fails. Within the cap: a warning.
    Helpers that the logged code size already includes (it is nearer to the size with them) pass.
What it cannot see
    Modules whose name is computed at run time, and whether a helper runs in training and evaluation or only
    prepares data before the clock starts.
Rulings
    README FAQ, a15093ada, 2026-03-18 (A1): counted code belongs in train_gpt.py.
    #1514, merged 2026-04-29 (A3): ngram_tilt.py and a C++ kernel, 27,030 bytes, uncounted: 16,021,634.
    #1412, merged (A3): an exec of an 80,055-byte file. Undecided: D3.
Example
    helper files add 27,030 bytes (ngram_tilt.py 8,624, fused_expert_kernel.cpp 18,406): 16,021,634 bytes,
    21,634 over the cap of 16,000,000 only because of them. Move them into train_gpt.py, or ship them
    packed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import Profile, failed, needs_human, not_applicable, passed, warned
from harness.evidence.byte_count import count_bytes, helper_files
from harness.finding import Place, Role
from harness.wording import count_of, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.byte_count import SeedBytes
    from harness.finding import Finding
    from harness.submission import SourceFile

RULE = "code-location"


def _places(helpers: tuple[SourceFile, ...]) -> list[Place]:
    """The line that reaches each helper; the helper itself when no line is known."""
    places = []
    for index, helper in enumerate(helpers[:5]):
        role = Role.PRIMARY if index == 0 else Role.RELATED
        note = f"reaches {helper.path} ({helper.shipped_bytes:,} bytes)"
        if helper.reached_from is not None:
            places.append(helper.reached_from.place(note, role))
        else:
            places.append(Place(file=helper.path, role=role, note=f"{helper.shipped_bytes:,} bytes"))
    return places


def _are_counted(seed: SeedBytes) -> bool:
    """True when the logged code size is nearer to the code with its helpers than to the entry alone."""
    shipped, entry = seed.code.shipped, seed.code.entry
    if seed.logged_code is None or shipped is None or entry is None:
        return False
    logged = seed.logged_code.value
    return abs(logged - shipped) < abs(logged - entry)


def _without_helpers(seed: SeedBytes) -> int | None:
    """The total the helpers come on top of: the stated one, or model plus entry script."""
    if seed.logged_total is not None:
        return seed.logged_total.value
    return seed.entry_total


def check(case: Case) -> Iterator[Finding]:
    """One finding about all helper files together."""
    code = case.submission.code
    if code.entry is None:
        yield not_applicable(RULE, "there is no entry script")
        return
    helpers = helper_files(code)
    if not helpers:
        yield passed(RULE, f"{code.entry.path} reaches no other file of the folder")
        return
    added = sum(helper.shipped_bytes for helper in helpers)
    names = listed([f"{helper.path} {helper.shipped_bytes:,}" for helper in helpers], 5)
    places = _places(helpers)
    seeds = count_bytes(case)
    if seeds and all(_are_counted(seed) for seed in seeds):
        yield passed(
            RULE,
            f"{count_of(len(helpers), 'helper file')} ({names}) in the logged code size",
            *places,
        )
        return
    cap = case.limits.integer("artifact.cap_bytes")
    bases = [base for seed in seeds if (base := _without_helpers(seed)) is not None and base <= cap]
    total = max(bases, default=0) + added
    if bases and total > cap:
        message = (
            f"helper files add {added:,} bytes ({names}): {total:,} bytes, {total - cap:,} over the cap of "
            f"{cap:,} only because of them. Move them into {code.entry.path}, or ship them packed"
        )
        if case.profile is Profile.TEXT:
            yield failed(RULE, message, *places)
            return
        yield needs_human(
            RULE,
            message,
            *places,
            ask="Do these files run in training or evaluation, and should they count?",
        )
        return
    known = f": {total:,} bytes with them, {cap - total:,} under the cap" if bases else ""
    yield warned(
        RULE,
        f"helper files add {added:,} bytes that the code size does not show ({names}){known}. Count them, "
        f"or move them into {code.entry.path}",
        *places,
    )
