"""requirements-setup: extra packages are listed in requirements.txt or the README.

What it checks
    Whether every package that is imported, but not part of the challenge image, is named in a requirements
    file or in the README.
Why it matters
    Without the list nobody can run the submission, and a record that cannot be run cannot be verified.
What is allowed instead
    A requirements.txt in the folder, or a setup section in the README.
How it is detected
    Imports of the entry script and its helpers, less those of the image, compared with the names in the
    requirements files and the words of the README.
What it cannot see
    Versions, system packages such as lrzip, and whether the instructions work.
Rulings
    README 9a60d1676, 2026-03-20 (A1): ship requirements.txt and setup notes.
Example
    imports brotli, which neither a requirements file nor the README mentions; list what to install
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import not_applicable, passed, warned
from harness.evidence.imported_packages import imported_packages, required_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "requirements-setup"

# Other names under which a README speaks of a package.
_ALSO = {"flash_attn": ("flashattention", "fa3", "fa2"), "python_minifier": ("pyminifier", "pyminify")}


def _flat(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", words.lower())


def _names_of(package: str) -> tuple[str, ...]:
    """Spellings to look for: flash_attn_interface is installed as flash-attn, so two parts are enough."""
    stem = "_".join(package.split("_")[:2])
    return (_flat(package), _flat(stem), *_ALSO.get(stem, ()))


def check(case: Case) -> Iterator[Finding]:
    """One finding for all packages that are named nowhere."""
    submission = case.submission
    image = set(case.limits.table("package")["image_packages"])
    extra = [package for package in imported_packages(submission) if package.name not in image]
    if not extra:
        yield not_applicable(RULE, "imports nothing beyond the challenge image")
        return
    named = {_flat(name) for name in required_packages(submission)}
    readme = _flat(submission.readme.text) if submission.readme else ""
    missing = [
        package
        for package in extra
        if not any(
            name in readme or any(name in listed for listed in named) for name in _names_of(package.name)
        )
    ]
    if missing:
        names = ", ".join(package.name for package in missing[:6])
        yield warned(
            RULE,
            f"imports {names}, which neither a requirements file nor the README mentions; list what to "
            "install",
            *(package.place for package in missing[:1]),
        )
        return
    yield passed(
        RULE,
        f"{', '.join(package.name for package in extra)}: all named in requirements or README",
    )
