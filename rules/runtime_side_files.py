"""runtime-side-files: learned or data-derived tables read at run time count as model bytes.

What it checks
    Data files in the folder (.npz, .npy, .pt, .bin, .lzma, .xz ...) and whether the code names them.
Why it matters
    A table beside the model - n-gram counts, byte lookup tables, an initial adapter, stored text - is learned
    or copied information that the size line does not show.
What is allowed instead
    Put the table into the compressed model, or add the file to the total. Shards of the public data set and
    the tokenizer are data, not artifact.
How it is detected
    By file name ending; a file whose name the code spells is asked about, with its size. A file with exactly
    the logged model size, or named as the default script names its model, is the artifact itself. A file no
    code names is a remark.
What it cannot see
    What the file holds, names put together at run time, and whether it is read in evaluation or written.
Rulings
    README FAQ, a15093ada, 2026-03-18 (A1): evaluation may use no training data "unless you pay for those
    bits".
Example
    candidate.meta.npz (1,770 bytes) is named at train_gpt.py:88 and in no byte count; put it into the
    compressed model or add it to the total
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.case import needs_human, not_applicable, noted, passed
from harness.evidence.byte_count import ARTIFACT_NAME, DATASET_NAME, count_bytes
from harness.finding import Place, Role
from harness.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.submission import FileEntry

RULE = "runtime-side-files"

_DATA = re.compile(
    r".*\.(npz|npy|lzma|xz|bin|pt|pth|ptz|pkl|pickle|safetensors|gz|bz2|zst|br|zip|tar|hgz|h5|parquet|arrow"
    r"|msgpack|dat|blob|onnx|gguf)",
    re.IGNORECASE,
)


def _named_at(case: Case, name: str) -> Place | None:
    """The first line of the code that spells the file's name."""
    code = case.submission.code
    for file in (code.entry, *code.closure):
        if file is None or file.text is None or name not in file.text:
            continue
        line = file.text.count("\n", 0, file.text.index(name)) + 1
        return Place(file=file.path, line=line, unpacked=file.unpacked, note=f"names {name}")
    return None


def _size(entry: FileEntry) -> str:
    return "size not in this clone" if entry.size_bytes is None else f"{entry.size_bytes:,} bytes"


def check(case: Case) -> Iterator[Finding]:
    """One finding for each data file that the code names, one for all others."""
    name_of = {entry.path: PurePosixPath(entry.path).name for entry in case.submission.files}
    files = [
        entry
        for entry in case.submission.files
        if _DATA.fullmatch(name_of[entry.path]) and not DATASET_NAME.search(name_of[entry.path])
    ]
    if not files:
        yield not_applicable(RULE, "the folder holds no data file")
        return
    models = {seed.model.value for seed in count_bytes(case) if seed.model is not None}
    idle: list[FileEntry] = []
    for entry in files:
        place = _named_at(case, name_of[entry.path])
        if entry.size_bytes is not None and entry.size_bytes in models:
            yield passed(RULE, f"{entry.path} has the logged model size: {_size(entry)}")
        elif ARTIFACT_NAME.fullmatch(name_of[entry.path]):
            yield noted(
                RULE,
                f"{entry.path} ({_size(entry)}) is named like the artifact itself",
                Place(file=entry.path),
            )
        elif place is None:
            idle.append(entry)
        else:
            yield needs_human(
                RULE,
                f"{entry.path} ({_size(entry)}) is named at {place.file}:{place.line} and in no byte count; "
                "put it into the compressed model or add it to the total",
                place,
                Place(file=entry.path, role=Role.RELATED, note=_size(entry)),
                ask="Does training or evaluation read this file, and is it more than the counted"
                " model or public"
                " data?",
            )
    if idle:
        names = listed([f"{entry.path} ({_size(entry)})" for entry in idle], 4)
        yield noted(RULE, f"data files that no code names: {names}", Place(file=idle[0].path))
