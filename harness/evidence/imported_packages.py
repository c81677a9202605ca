"""Which packages the code of a submission imports, and where: from the syntax tree, never by running it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.finding import Place

if TYPE_CHECKING:
    from harness.submission import SourceFile, Submission

SCORING_CLIENT = "golf_scoring"  # put beside the script by golf-run; there is nothing to install
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPackage:
    """A package from outside the standard library and the folder, with its first import."""

    name: str
    place: Place


def _own_modules(submission: Submission) -> set[str]:
    """Names that a file or folder of the submission answers to."""
    names: set[str] = set()
    for entry in submission.files:
        path = PurePosixPath(entry.path)
        names.update(path.parts[:-1])
        if path.suffix in {".py", ".so", ".pyx"}:
            names.add(path.name.partition(".")[0])
    return names


def _python_files(submission: Submission) -> tuple[SourceFile, ...]:
    code = submission.code
    files = (code.entry, *code.closure) if code.entry is not None else code.closure
    return tuple(file for file in files if file.text is not None and file.path.endswith(".py"))


def imported_packages(submission: Submission) -> tuple[ImportedPackage, ...]:
    """Third-party packages of the entry script and its helpers, each once, sorted by name."""
    own = _own_modules(submission) | set(sys.stdlib_module_names) | {"__main__", SCORING_CLIENT}
    found: dict[str, ImportedPackage] = {}
    for file in _python_files(submission):
        for name, line in file.imports:
            if name not in own and name not in found:
                place = Place(file=file.path, line=line, unpacked=file.unpacked, note=f"imports {name}")
                found[name] = ImportedPackage(name=name, place=place)
    return tuple(found[name] for name in sorted(found))


def required_packages(submission: Submission) -> tuple[str, ...]:
    """Names listed in requirements files, lower case with '_' for '-'; options and links left out."""
    names: set[str] = set()
    for path, text in submission.texts.items():
        if not re.search(r"requirements[^/]*\.txt$", path, re.IGNORECASE):
            continue
        for line in text.text.splitlines():
            match = _NAME.match(line)
            if match is not None and "://" not in line.split("#")[0]:
                names.add(re.sub(r"[-.]+", "_", match.group(1)).lower())
    return tuple(sorted(names))
