"""Which packages the code of a submission imports, and where: from the syntax tree, never by running it."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.finding import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.submission import SourceFile, Submission

# Used only for files that this Python cannot parse (newer syntax, Python 2).
_IMPORT_LINE = re.compile(r"^[ \t]*(?:import|from)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPackage:
    """A package from outside the standard library and the folder, with its first import."""

    name: str
    place: Place


def _names_in(file: SourceFile) -> Iterator[tuple[str, int]]:
    """Top-level names of imports with their lines; only what the guarded reader could parse is parsed."""
    text = file.text or ""
    try:
        nodes = list(ast.walk(ast.parse(text))) if file.parses else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        nodes = None
    if nodes is None:
        for match in _IMPORT_LINE.finditer(text):
            yield match.group(1), text.count("\n", 0, match.start()) + 1
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], node.lineno


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
    own = _own_modules(submission) | set(sys.stdlib_module_names) | {"__main__"}
    found: dict[str, ImportedPackage] = {}
    for file in _python_files(submission):
        for name, line in _names_in(file):
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
