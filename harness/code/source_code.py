"""Reads the code of a submission: the entry script, what it reaches, its real text and its size.

The bytes are handed to a guarded process, because source and wrappers may be made to kill whoever reads them.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from harness.code.entry_script import Script, choose_entry
from harness.code.guarded_process import Guard, LimitHit, shared_worker
from harness.errors import SetupError
from harness.finding import Sourced
from harness.submission import Code, CodeProblem, FileKind, OptionDefault, SourceFile

if TYPE_CHECKING:
    from harness.file_tree import FileTree
    from harness.submission import FileEntry

GUARD = Guard()
# The largest script in the wild has 1.6 MB, the largest folder 100 scripts.
SCRIPT_LIMIT_BYTES = 8 * 2**20
SCRIPTS_AT_MOST = 400
CONTENTS_LIMIT_BYTES = 48 * 2**20
_ROUNDS = 8  # a wrapper that reads a file that is a wrapper that reads a file
_READER = "harness.code.source_reading:read_sources"


def start_reader() -> None:
    """Start the guarded reader in the background, while the caller does something else.

    A failure to start is left to `read_code`, which meets it again and says so.
    """

    def start() -> None:
        with contextlib.suppress(SetupError):
            shared_worker(_READER, GUARD).start()

    threading.Thread(target=start, daemon=True).start()


def read_code(tree: FileTree, files: tuple[FileEntry, ...]) -> Code:
    """The code of the folder `tree`, whose entries are `files`.

    What is wrong with the submission's code becomes a `CodeProblem`; raises `SetupError` only when this
    machine cannot run the guarded reader.
    """
    contents = _Contents(tree, files)
    contents.read([path for path in contents.sizes if path.lower().endswith(".py")][:SCRIPTS_AT_MOST])
    worker = shared_worker(_READER, GUARD)
    result: dict[str, Any] = {}
    for _ in range(_ROUNDS):
        argument = {"sizes": contents.sizes, "contents": list(contents.data)}
        try:
            result = worker.call(argument, list(contents.data.values()))
        except LimitHit as hit:
            return _unreadable(contents, hit)
        if not contents.read(result["wanted"]):
            break
    return _code(result, contents.problems)


class _Contents:
    """Bytes of the folder's files, read on demand and capped."""

    def __init__(self, tree: FileTree, files: tuple[FileEntry, ...]) -> None:
        self._tree = tree
        self._refused: set[str] = set()
        self._left_bytes = CONTENTS_LIMIT_BYTES
        self.sizes = {entry.path: entry.size_bytes for entry in files if entry.kind is FileKind.FILE}
        self.data: dict[str, bytes] = {}
        self.problems: list[CodeProblem] = [
            CodeProblem(
                kind="missing-blob",
                message=f"{entry.path} is listed in the commit, but its content is not in the clone: "
                "fetch it (git fetch) and run again",
                file=entry.path,
            )
            for entry in files
            if entry.kind is FileKind.MISSING and entry.path.lower().endswith(".py")
        ]

    def read(self, paths: list[str]) -> bool:
        """Read the paths not yet at hand; False when none was new."""
        new = [path for path in paths if path not in self.data and path not in self._refused]
        for path in new:
            self._read_one(path)
        return any(path in self.data for path in new)

    def _read_one(self, path: str) -> None:
        self._refused.add(path)
        limit = min(SCRIPT_LIMIT_BYTES, self._left_bytes)
        size = self.sizes.get(path)
        if size is not None and size > limit:
            self._too_large(path, f"{size:,}", limit)
            return
        try:
            data = self._tree.read(path, limit + 1)
        except SetupError as error:
            self.problems.append(
                CodeProblem(kind="missing-blob", message=f"{path} could not be read: {error}", file=path)
            )
            return
        if len(data) > limit:
            self._too_large(path, f"more than {limit:,}", limit)
            return
        self._left_bytes -= len(data)
        self.data[path] = data

    def _too_large(self, path: str, size: str, limit: int) -> None:
        self.problems.append(
            CodeProblem(
                kind="too-large",
                message=f"{path} has {size} bytes; code is read up to {limit:,}: not looked into",
                file=path,
            )
        )


def _unreadable(contents: _Contents, hit: LimitHit) -> Code:
    """The code when the guarded reader hit a limit: entry by name, nothing looked into."""
    names = [path for path in contents.sizes if path.lower().endswith(".py")]
    choice = choose_entry([Script(path=path, text="unread") for path in sorted(names)], tuple(contents.sizes))
    problem = CodeProblem(
        kind="bomb" if hit.limit in {"memory", "cpu", "wall", "reply"} else "unparseable",
        message=f"the code of this folder could not be read within limits: {hit}. "
        "Submit a script that Python's own parser takes in seconds.",
        file=choice.path,
    )
    entry = None
    if choice.path is not None:
        size = contents.sizes[choice.path]
        entry = SourceFile(
            path=choice.path,
            shipped_bytes=size if size is not None else len(contents.data.get(choice.path, b"")),
            text=None,
            parses=False,
            parse_error=str(hit),
        )
    return Code(entry=entry, how_chosen=choice.why, problems=(*contents.problems, problem))


def _code(result: dict[str, Any], problems: list[CodeProblem]) -> Code:
    entry = result["entry"]
    return Code(
        entry=_source_file(entry) if entry is not None else None,
        how_chosen=result["how_chosen"],
        closure=tuple(_source_file(one) for one in result["closure"]),
        packed_bytes=result.get("packed_bytes"),
        packed_minified_bytes=result.get("packed_minified_bytes"),
        option_defaults=tuple(_option_default(one) for one in result["option_defaults"]),
        problems=(*problems, *(CodeProblem(**problem) for problem in result["problems"])),
    )


def _option_default(one: dict[str, Any]) -> OptionDefault:
    value = Sourced(one["value"], one["file"], one["line"], one["excerpt"])
    return OptionDefault(option=one["option"], value=value)


def _source_file(one: dict[str, Any]) -> SourceFile:
    reached = one.pop("reached_from")
    one["layers"] = tuple(one["layers"])
    one["imports"] = tuple((name, line) for name, line in one["imports"])
    return SourceFile(**one, reached_from=Sourced(**reached) if reached is not None else None)
