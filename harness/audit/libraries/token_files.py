"""Token files: the text of their path says which split they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.events import TokensRead
from harness.audit.interpreter.values import Source, Value
from harness.audit.libraries import moved_files, whole_stream
from harness.audit.libraries.files import path_text
from harness.audit.libraries.registry import on_call
from harness.audit.regions import Region, Split

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

_VALIDATION = re.compile(r"(?:^|[^a-z])val(?:id|idation)?(?![a-z])", re.IGNORECASE)
_TRAINING = re.compile(r"train", re.IGNORECASE)
_TOKENS = re.compile(r"fineweb|\.bin\b|shard|token|\.npy\b|\.pt\b", re.IGNORECASE)


def split_of(path: str) -> Split | None:
    """The split a path names; None when it does not look like tokens."""
    name = path.rsplit("/", 1)[-1]
    for text in (name, path):
        if _VALIDATION.search(text) and not (text is path and _TRAINING.search(name)):
            return Split.VALIDATION if _TOKENS.search(path) else None
        if _TRAINING.search(text) and re.search(r"fineweb|shard|\.bin\b|\*", path):
            return Split.TRAINING
    return None


def tokens_of(machine: Machine, path: str, node: ast.AST) -> Value | None:
    """Tokens from a file, when its path names a split."""
    split = split_of(path)
    if split is None and moved_files.holds_validation(machine, path):
        split = Split.VALIDATION
    if split is None or "bytes" in path.rsplit("/", 1)[-1] or not path:
        return None
    known: dict[tuple[str, str, int], int] = machine.facts.setdefault("shards", {})
    key = (path, machine.frame.file, getattr(node, "lineno", 0))
    if key not in known:
        known[key] = machine.recorder.record(TokensRead, machine.spot(node), split=split, path=path).id
    splits = {split, Split.VALIDATION} if moved_files.holds_validation(machine, path) else {split}
    reads = frozenset(Region(split=one) for one in splits)
    source = Source(reads=reads, shards=frozenset({known[key]}))
    if Split.VALIDATION in splits:
        source = whole_stream.as_read(source)
    return machine.heap.tensor(Value(source=source), machine.spot(node))


@on_call("numpy.fromfile", "numpy.memmap", "torch.from_file", "numpy.frombuffer", "torch.frombuffer")
def _read(
    machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    given = args[0] if args else kwargs.get("filename", kwargs.get("file"))
    if given is None:
        return None
    if path.endswith("frombuffer"):
        return machine.heap.tensor(Value(source=machine.deep_source(given)), machine.spot(node))
    text = path_text(given)
    tokens = tokens_of(machine, text, node)
    if tokens is not None:
        return tokens
    source = Source(reads=frozenset({Region(split=Split.UNKNOWN)}))
    if path.endswith("torch.from_file"):
        return None
    if not text or "byte" in text:
        return machine.heap.tensor(Value(), machine.spot(node))
    return machine.heap.tensor(Value(source=source), machine.spot(node))
