"""wrapped-code: a self-extracting train_gpt.py counts with its size on disk, if it can be unpacked.

What it checks
    Whether the entry script is a self-extracting wrapper, how large it is on disk and unpacked, and whether
    it can be undone without running it.
Why it matters
    Wrapping saves 40,000 to 120,000 counted bytes. It is accepted because a reviewer can still read the code;
    a wrapper nobody can undo hides it from every other check.
What is allowed instead
    An `exec` of lzma, zlib, brotli or zstd data in base64 or base85, with a readable copy beside it.
How it is detected
    The reader undoes the layers statically, with limits on their number and size, and names them. A wrapper
    it cannot undo is a question for a person: nothing else can be checked behind it.
What it cannot see
    Whether the readable copy beside a wrapper is the same program.
Rulings
    #1394, opened 2026-04-05, merged (A3): 15,516 bytes with the readable copy beside it; later #1413, #1477,
    #1493 and #1514.
Example
    train_gpt.py is a wrapper of 15,516 bytes (lzma, base85) around 58,367 bytes of readable code: it counts
    with 15,516
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_applicable, noted
from harness.evidence.byte_count import count_code
from harness.finding import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "wrapped-code"


def check(case: Case) -> Iterator[Finding]:
    """One finding for the entry script, one for each wrapper that could not be undone."""
    code = case.submission.code
    stuck = [problem for problem in code.problems if problem.kind in {"undecodable", "bomb"}]
    for problem in stuck:
        yield needs_human(
            RULE,
            f"{problem.message}; ship a wrapper that lzma, zlib, brotli or zstd undoes, or the readable "
            "script",
            Place(file=problem.file or "train_gpt.py", line=problem.line, note="cannot be unpacked"),
            ask="Have you read the code behind this wrapper, and is it the program that made the logs?",
        )
    if code.entry is None or not code.entry.unpacked:
        if not stuck:
            yield not_applicable(RULE, "the entry script is not a self-extracting wrapper")
        return
    readable = count_code(code).readable or 0
    layers = ", ".join(code.entry.layers) or "unnamed layers"
    yield noted(
        RULE,
        f"{code.entry.path} is a wrapper of {code.entry.shipped_bytes:,} bytes ({layers}) around "
        f"{readable:,} bytes of readable code: it counts with {code.entry.shipped_bytes:,}",
        Place(file=code.entry.path, note="self-extracting"),
    )
