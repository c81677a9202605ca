"""Undoes self-extracting wrappers by folding constants: exec(decompress(b85decode("..."))) and its kin.

156 of 2,518 record folders ship such a script (accepted since #1394, 2026-04-05). The text inside is what is
judged; the size on disk is what counts as code.
"""

from __future__ import annotations

import ast
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.code.constant_folding import Folder
from harness.code.decompression import BombError, OutputBudget
from harness.code.folded_files import FoldedFiles
from harness.code.folded_values import DECOMPRESSORS, SCRATCH, TEXT_DECODERS, Payload
from harness.code.source_text import decode_source, parse_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.code.syntax_nodes import SyntaxNodes

LAYERS_AT_MOST = 8
_LONG_CONSTANT = 200
# More code than this of its own, and a script is no wrapper but a program that also uses exec().
_WRAPPER_CODE_LIMIT = 4_000
_SHORTEST_PROGRAM = 40
# Names without which nothing is unpacked; decompression alone also happens to models.
_EXECUTORS = {"exec", "eval", "builtins", "__builtins__", "__import__"}
_PATH_EXECUTORS = {"run_path", "exec_module", "execfile"}
_DECODERS = {name.rpartition(".")[2] for name in (*TEXT_DECODERS, *DECOMPRESSORS)}
_DATA_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A module or file that the wrapper carries beside its main program."""

    path: str
    text: str
    layers: tuple[str, ...]
    in_text: bool = False  # its text also stands, as a string, in the text of the script


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """One step of unwrapping. `data` is None when the script carries no program of its own.

    `problem` is "", undecodable or bomb. `wanted` are files of the folder that must be read to go on.
    """

    data: bytes | None = None
    layers: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    read: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    problem: str = ""
    message: str = ""
    line: int | None = None


def unpack(
    path: str,
    data: bytes,
    tree: ast.Module,
    nodes: SyntaxNodes,
    files: dict[str, bytes | None],
    budget: OutputBudget,
) -> Unpacked:
    """Undo one wrapper of a parsed script; `files` are the submission's, None where not at hand."""
    if not _may_unpack(nodes):
        return Unpacked()
    folder = Folder(disk=FoldedFiles(script=path, files=files), budget=budget)
    try:
        folder.follow(tree)
    except BombError as error:
        return Unpacked(problem="bomb", message=str(error))
    except RecursionError:
        return Unpacked()
    own_code = max(len(data) - _long_constants(nodes), 0)
    main = _main_program(folder.payloads, own_code)
    pieces = _pieces(path, folder.payloads, main)
    wanted = tuple(dict.fromkeys(folder.disk.wanted))
    read = tuple(dict.fromkeys(folder.disk.read))
    if main is not None:
        return Unpacked(
            data=_bytes(main.raw), layers=main.layers or ("string",), pieces=pieces, read=read, wanted=wanted
        )
    problem = _undecoded(folder, own_code) if not pieces and not wanted else None
    line, message = problem or (None, "")
    return Unpacked(
        pieces=pieces,
        read=read,
        wanted=wanted,
        problem="undecodable" if problem else "",
        message=message,
        line=line,
    )


def _bytes(raw: str | bytes) -> bytes:
    return raw.encode("utf-8", "replace") if isinstance(raw, str) else raw


def _may_unpack(nodes: SyntaxNodes) -> bool:
    """Cheap test: does the script execute text at all, or decode a long constant?"""
    names = {name.id for name in nodes.of(ast.Name)} | {alias.name for alias in nodes.of(ast.alias)}
    attributes = {node.attr for node in nodes.of(ast.Attribute)}
    if names & _EXECUTORS or (names | attributes) & _PATH_EXECUTORS:
        return True
    return bool((names | attributes) & _DECODERS) and _long_constants(nodes) >= _DATA_CHARACTERS


def _long_constants(nodes: SyntaxNodes) -> int:
    """Characters of the constants too long to be anything but data or embedded text."""
    sizes = (len(node.value) for node in nodes.of(ast.Constant) if isinstance(node.value, (str, bytes)))
    return sum(size for size in sizes if size >= _LONG_CONSTANT)


def _is_unpacked(payload: Payload) -> bool:
    return bool(set(payload.layers) - {"file"})


def _is_plain(payload: Payload) -> bool:
    """Executed text that lay in the script as it is."""
    return payload.how == "exec" and not payload.layers


def _main_program(payloads: Iterable[Payload], own_code: int) -> Payload | None:
    """The program the script turns into: what it executes, else the largest program it decodes."""
    shortest = _SHORTEST_PROGRAM if own_code <= _WRAPPER_CODE_LIMIT else own_code // 2
    worth = [
        payload
        for payload in payloads
        if len(payload.raw) >= shortest
        and (_is_unpacked(payload) or (_is_plain(payload) and own_code <= _WRAPPER_CODE_LIMIT))
    ]
    executed = [payload for payload in worth if payload.how == "exec"]
    if executed:
        return max(executed, key=lambda payload: len(payload.raw))
    decoded = [
        payload for payload in worth if payload.how in {"data", "write"} and own_code <= _WRAPPER_CODE_LIMIT
    ]
    return max(
        (payload for payload in decoded if _is_program(payload.raw)),
        key=lambda payload: len(payload.raw),
        default=None,
    )


def _is_program(raw: str | bytes) -> bool:
    tree = parse_source(_bytes(raw)).tree
    return tree is not None and any(
        isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef)) for node in tree.body
    )


def _pieces(path: str, payloads: Iterable[Payload], main: Payload | None) -> tuple[Piece, ...]:
    pieces: dict[str, Piece] = {}
    seen = {_bytes(main.raw)} if main is not None else set()
    for payload in payloads:
        body = _bytes(payload.raw)
        if payload.how not in {"module", "write"} or body in seen or len(body) < _SHORTEST_PROGRAM:
            continue
        if (
            payload.how == "write"
            and not _is_unpacked(payload)
            and not payload.name.endswith(_SOURCE_ENDINGS)
        ):
            continue
        seen.add(body)
        name = f"{path}::{_piece_name(payload)}"
        pieces.setdefault(
            name,
            Piece(
                path=name,
                text=decode_source(body),
                layers=payload.layers or ("string",),
                in_text=main is None and not payload.layers,
            ),
        )
    return tuple(pieces.values())


_SOURCE_ENDINGS = (".py", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp")


def _piece_name(payload: Payload) -> str:
    if payload.how == "write":
        name = posixpath.normpath(payload.name)
        for root in (SCRATCH + "/", SCRATCH.strip("/") + "/", "/submission/"):
            name = name.removeprefix(root)
        return name.lstrip("/")
    if posixpath.splitext(payload.name)[1] in _SOURCE_ENDINGS:
        return payload.name
    return payload.name.replace(".", "/") + ".py"


def _undecoded(folder: Folder, own_code: int) -> tuple[int | None, str] | None:
    """Why a script that is nothing but a wrapper kept its secret."""
    if own_code > _WRAPPER_CODE_LIMIT or not folder.unfolded:
        return None
    if any(payload.how == "exec" for payload in folder.payloads):
        return None
    line, reason = folder.unfolded[0]
    if folder.disk.absent:
        reason = f"{folder.disk.absent[0]} is not in the folder"
    elif folder.trouble:
        line, reason = folder.trouble[0]
    return line, f"exec() in line {line} could not be undone: {reason}"
