"""Reads a submission's code from bytes: entry, wrappers, closure, sizes. Runs inside the guarded process.

In and out is JSON (see `read_sources`), so that nothing but plain data crosses the border.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.code.closure import (
    NATIVE_SUFFIXES,
    Folder,
    import_folders,
    references_in_text,
    references_in_tree,
)
from harness.code.decompression import OutputBudget
from harness.code.entry_script import Choice, Script, choose_entry
from harness.code.facts import FACTS_AT_MOST, imported_names, option_defaults
from harness.code.minified_source import minified
from harness.code.packed_size import packed_size
from harness.code.source_text import Parsed, decode_source, parse_source
from harness.code.syntax_nodes import SyntaxNodes
from harness.code.unpack import LAYERS_AT_MOST, Piece, unpack

if TYPE_CHECKING:
    from harness.code.closure import Reached, Reference

FILES_IN_CLOSURE_AT_MOST = 300
_EXCERPT_CHARACTERS = 200
_LAUNCHER_LIMIT_BYTES = 4_000


@dataclass(slots=True)
class _Source:
    """One file being read; mirrors `SourceFile`."""

    path: str
    shipped_bytes: int
    text: str | None
    data: bytes | None
    reached_by: str = "entry"
    reached_from: dict[str, Any] | None = None
    layers: tuple[str, ...] = ()
    parsed: Parsed | None = None
    embedded_in_text: bool = False  # its text also stands in the entry's text
    nodes: SyntaxNodes | None = None  # of `parsed.tree`

    def as_json(self) -> dict[str, Any]:
        parsed = self.parsed
        parses = None
        if parsed is not None and parsed.problem != "needs-newer-python":
            parses = not parsed.problem
        return {
            "path": self.path,
            "shipped_bytes": self.shipped_bytes,
            "text": self.text,
            "unpacked": bool(self.layers),
            "layers": self.layers,
            "reached_by": self.reached_by,
            "reached_from": self.reached_from,
            "parses": parses,
            "parse_error": parsed.message if parsed is not None and parsed.problem else None,
            "imports": imported_names(self.nodes, self.text) if self.path.lower().endswith(".py") else [],
        }


@dataclass(slots=True)
class _Reading:
    sizes: dict[str, int | None]
    files: dict[str, bytes | None]
    budget: OutputBudget = field(default_factory=OutputBudget)
    problems: list[dict[str, Any]] = field(default_factory=list)
    wanted: set[str] = field(default_factory=set)
    closure: dict[str, _Source] = field(default_factory=dict)

    def note(self, kind: str, message: str, file: str | None = None, line: int | None = None) -> None:
        problem = {"kind": kind, "message": message, "file": file, "line": line}
        if problem not in self.problems:
            self.problems.append(problem)

    def want(self, path: str) -> bytes | None:
        """A file's bytes; when they are not at hand the parent is asked for them."""
        data = self.files.get(path)
        if data is None:
            self.wanted.add(path)
        return data

    def source(self, path: str) -> _Source:
        data = self.want(path)
        size = self.sizes.get(path)
        return _Source(path, size if size is not None else len(data or b""), None, data)


def read_sources(argument: dict[str, Any], blobs: list[bytes]) -> dict[str, Any]:
    """Everything about the code of one folder.

    `argument` holds `sizes` (every regular file's path and size) and `contents` (the paths of the blobs).
    The result holds entry, how_chosen, closure, problems, packed sizes, option defaults, and `wanted`: files
    whose bytes would let the reading go further.
    """
    contents = dict(zip(argument["contents"], blobs, strict=True))
    reading = _Reading(argument["sizes"], {path: contents.get(path) for path in argument["sizes"]})
    choice = _choose(reading)
    result: dict[str, Any] = {"entry": None, "how_chosen": choice.why, "closure": []}
    if choice.path is not None:
        entry = reading.source(choice.path)
        _open_source(reading, entry)
        _follow(reading, entry)
        _note_launcher(reading, entry)
        result["entry"] = entry.as_json()
        result["closure"] = [source.as_json() for source in reading.closure.values()]
        result |= _packed(entry, reading)
    result["option_defaults"] = _option_defaults(reading)
    result["problems"] = reading.problems
    result["wanted"] = sorted(reading.wanted)
    return result


def _option_defaults(reading: _Reading) -> list[dict[str, Any]]:
    """Defaults of every script that talks of documents to hold out: how data was prepared."""
    found: list[dict[str, Any]] = []
    for path, data in sorted(reading.files.items()):
        if (
            data is None
            or not path.lower().endswith(".py")
            or b"add_argument" not in data
            or b"docs" not in data
        ):
            continue
        tree = parse_source(data).tree
        if tree is not None:
            found += option_defaults(path, SyntaxNodes(tree), decode_source(data))
    return found[:FACTS_AT_MOST]


def _choose(reading: _Reading) -> Choice:
    paths = sorted(path for path in reading.sizes if path.lower().endswith(".py"))
    scripts = []
    for path in paths:
        data = reading.files[path]
        # A script whose bytes are not at hand still counts as one, with nothing known about it.
        text = decode_source(data) if data is not None else "\x00 unread"
        scripts.append(Script(path=path, text=text))
    choice = choose_entry(scripts, tuple(reading.sizes))
    if choice.problem:
        reading.note(choice.problem, choice.message, choice.path)
    return choice


def _open_source(reading: _Reading, source: _Source) -> None:
    """Decode, unwrap and parse one Python source in place."""
    data = source.data
    if data is None:
        return
    source.parsed = parse_source(data)
    pieces: list[Piece] = []
    for _ in range(LAYERS_AT_MOST):
        if source.parsed.tree is None:
            break
        source.nodes = SyntaxNodes(source.parsed.tree)
        step = unpack(source.path, data, source.parsed.tree, source.nodes, reading.files, reading.budget)
        reading.wanted |= set(step.wanted)
        pieces += step.pieces
        for path in step.read:
            if path != source.path and (step.data is not None or step.pieces):
                _add(reading, source.path, path, "data", None, path)
        if step.problem:
            reading.note(step.problem, f"{source.path}: {step.message}", source.path, step.line)
        if step.data is None:
            break
        data = step.data
        source.layers += step.layers
        source.parsed = parse_source(data)
        source.nodes = None
    else:
        reading.note(
            "undecodable",
            f"{source.path}: more than {LAYERS_AT_MOST} wrappers inside each other",
            source.path,
        )
    source.data = data
    source.text = decode_source(data)
    if source.parsed.problem:
        kind = "undecodable" if source.layers and _is_binary(source.text) else source.parsed.problem
        where = " after its wrapper was undone" if source.layers else ""
        reading.note(kind, f"{source.path}{where}: {source.parsed.message}", source.path, source.parsed.line)
    for piece in pieces:
        _add_piece(reading, source, piece)


def _is_binary(text: str) -> bool:
    odd = sum(character in "\x00\ufffd" for character in text[:10_000])
    return odd * 50 > min(len(text), 10_000)


def _add_piece(reading: _Reading, source: _Source, piece: Piece) -> None:
    data = piece.text.encode("utf-8", "replace")
    is_python = piece.path.endswith(".py")
    parsed = parse_source(data) if is_python else None
    found = _Source(
        piece.path,
        0,  # its bytes are counted with the script that carries it
        piece.text,
        data,
        reached_by="exec" if is_python else "compile",
        reached_from={"value": source.path, "file": source.path, "line": None, "excerpt": None},
        layers=piece.layers,
        parsed=parsed,
        nodes=SyntaxNodes(parsed.tree) if parsed is not None and parsed.tree is not None else None,
        embedded_in_text=piece.in_text,
    )
    reading.closure.setdefault(piece.path, found)


def _follow(reading: _Reading, entry: _Source) -> None:
    """Add everything the entry reaches, and what that reaches."""
    paths = frozenset(reading.sizes)
    folders = {posixpath.dirname(path) for path in paths} - {""}
    search = [posixpath.dirname(entry.path)]
    pending = [entry, *reading.closure.values()]
    seen = {entry.path}
    # Files the script writes out of itself hide copies of the same name that lie in the folder.
    carried = {path.partition("::")[2] for path in reading.closure if "::" in path}
    while pending:
        source = pending.pop(0)
        if source.nodes is not None:
            search += [folder for folder in import_folders(source.nodes, folders) if folder not in search]
        lookup = Folder(paths, tuple(search))
        origin = source.path.partition("::")[0]
        for reference in _references(source):
            for reached in lookup.resolve(reference, origin):
                if reached.path in seen or _is_copy(reached.path, carried):
                    continue
                seen.add(reached.path)
                if len(reading.closure) >= FILES_IN_CLOSURE_AT_MOST:
                    reading.note(
                        "too-large", f"more than {FILES_IN_CLOSURE_AT_MOST} files are reached", source.path
                    )
                    return
                added = _add(
                    reading, origin, reached.path, _how(reached), reached.line, reached.name, source.text
                )
                if added is not None:
                    pending.append(added)


def _note_launcher(reading: _Reading, entry: _Source) -> None:
    """A short script that only starts another one, which the folder does not hold."""
    if entry.layers or entry.nodes is None or entry.shipped_bytes > _LAUNCHER_LIMIT_BYTES:
        return
    runs = [one for one in references_in_tree(entry.nodes) if one.kind == "exec"]
    if runs and not any(path.lower().endswith(".py") for path in reading.closure):
        reading.note(
            "outside-folder",
            f"{entry.path} ({entry.shipped_bytes:,} bytes) runs another script ({runs[-1].name}, line "
            f"{runs[-1].line}) that is not in the folder: the code that was run is not here. Commit it.",
            entry.path,
            runs[-1].line,
        )


def _is_copy(path: str, carried: set[str]) -> bool:
    return any(path == name or path.endswith("/" + name) for name in carried)


def _how(reached: Reached) -> str:
    suffix = posixpath.splitext(reached.path)[1].lower()
    return "compile" if suffix in NATIVE_SUFFIXES and reached.how != "data" else reached.how


def _references(source: _Source) -> list[Reference]:
    if source.nodes is not None:
        return references_in_tree(source.nodes)
    if source.text is None or source.reached_by == "data":
        return []
    found = references_in_text(source.text)
    # Text that is not parsed mentions data and scripts in comments too: only code is followed from it.
    return [
        one
        for one in found
        if one.kind == "import" or posixpath.splitext(one.name)[1].lower() in NATIVE_SUFFIXES
    ]


def _add(
    reading: _Reading, origin: str, path: str, how: str, line: int | None, name: str, text: str | None = None
) -> _Source | None:
    if path in reading.closure:
        return None
    source = reading.source(path)
    rows = text.split("\n") if text is not None else []
    excerpt = rows[line - 1].strip()[:_EXCERPT_CHARACTERS] if line and line <= len(rows) else None
    source.reached_by = how
    source.reached_from = {
        "value": name[:_EXCERPT_CHARACTERS],
        "file": origin,
        "line": line,
        "excerpt": excerpt,
    }
    if path.lower().endswith(".py"):
        _open_source(reading, source)
    elif how != "data" and source.data is not None and b"\x00" not in source.data[:4096]:
        source.text = decode_source(source.data)
    reading.closure[path] = source
    return source


def _packed(entry: _Source, reading: _Reading) -> dict[str, int | None]:
    sources = [entry, *(one for one in reading.closure.values() if not one.embedded_in_text)]
    if entry.data is None:
        return {"packed_bytes": None, "packed_minified_bytes": None}
    blobs_read = {one.path for one in sources if one.reached_by == "data" and entry.layers}
    counted = [one for one in sources if one.data is not None and one.path not in blobs_read]
    plain = [one.data for one in counted if one.data is not None]
    if entry.layers:  # it ships packed: how small it could be packed is no question
        return {"packed_bytes": packed_size(plain), "packed_minified_bytes": None}
    small = []
    for one in counted:
        printed = None
        if one.nodes is not None and one.parsed is not None and one.parsed.tree and not one.parsed.problem:
            printed = minified(one.parsed.tree, one.nodes)
        small.append(printed if printed is not None else one.data or b"")
    return {"packed_bytes": packed_size(plain), "packed_minified_bytes": packed_size(small)}
