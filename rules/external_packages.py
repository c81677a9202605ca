"""external-packages: packages may be imported if they carry no weights, text or counted code.

What it checks
    Which packages from outside the standard library the entry script and its helpers import.
Why it matters
    A package is not counted. One that brings trained weights or a text corpus is a model for free.
What is allowed instead
    Kernels, codecs and tools: FlashAttention, Triton, brotli, zstandard and the like, listed in
    requirements.txt with a setup note in the README.
How it is detected
    Imports in the syntax tree of the unpacked code, against the allow-list in limits.toml. Packages that can
    load weights or text (transformers, datasets, huggingface_hub ...) go to a person (D5); unknown ones are a
    warning. Names in requirements.txt that no code imports do not matter.
What it cannot see
    What a package contains, imports by computed name, and whether an import runs in evaluation.
Rulings
    README 9a60d1676, 2026-03-20 (A1): packages are free if they do not smuggle compute, capability or code
    size; FlashAttention is named. brotli, python-minifier, lrzip and fla stand in merged rows (A3). D5 is
    undecided.
Example
    train_gpt.py imports transformers, through which trained weights or text could enter uncounted
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import needs_human, not_applicable, passed, warned
from harness.evidence.imported_packages import imported_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "external-packages"


def check(case: Case) -> Iterator[Finding]:
    """One finding for each package a person must look at, one for unknown ones, one for the rest."""
    entry = case.submission.code.entry
    if entry is None or entry.text is None:
        yield not_applicable(RULE, "there is no readable entry script whose imports could be listed")
        return
    table = case.limits.table("package")
    allowed, capable = set(table["allowed_packages"]), set(table["capable_packages"])
    packages = imported_packages(case.submission)
    for package in packages:
        if package.name in capable:
            yield needs_human(
                RULE,
                f"{package.place.file} imports {package.name}, through which trained weights or text could "
                "enter uncounted",
                package.place,
                ask=f"Is {package.name} used only for things that carry no learned weights and no text?",
            )
    unknown = [package for package in packages if package.name not in allowed | capable]
    if unknown:
        names = ", ".join(package.name for package in unknown[:6])
        yield warned(
            RULE,
            f"imports packages that are on no list: {names}; the README must say what they are for",
            *(package.place for package in unknown[:1]),
        )
    known = [package.name for package in packages if package.name in allowed]
    if known or not packages:
        yield passed(
            RULE,
            f"imports {', '.join(known)}" if known else "imports the standard library only",
        )
