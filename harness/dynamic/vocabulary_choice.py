"""Which vocabulary a script expects, and under which names it looks for its data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.dynamic.data_folder import DataNames
from harness.dynamic.script_knobs import KnobKind
from harness.dynamic.tiny_vocabulary import (
    BYTE_VOCABULARY,
    LARGEST_PIECES,
    SMALLEST_PIECES,
    Alphabet,
    VocabularyKey,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.dynamic.script_knobs import ScriptKnobs

_SIZE_NAME = re.compile(r"(?i)-{0,2}(?:vocab[-_]?size|n_?vocab|vocab)")
_SIZE_IN_PATH = re.compile(r"(?:fineweb10B_sp|fineweb_|/sp|_sp)(\d{3,5})(?!\d)")
_PURE_BYTES = re.compile(r"byte260|pure_byte")
_CASE_MARKS = re.compile(r"caseops|lossless_caps", re.IGNORECASE)
_CASE_SWITCH = re.compile(r"(?i)(?:use_|enable_)?case_?ops(?:_enabled)?")
_BYTE_FILES = re.compile(r"val_bytes")
_DATASET = re.compile(r"fineweb10B_[A-Za-z0-9_.-]*[A-Za-z0-9]")
_TOKENIZER = re.compile(r"[A-Za-z0-9_.-]+\.model")
_USUAL_SIZE = 1024
_LARGEST_ID = 0xFFFF  # tokens of the official shards are uint16: more is a limit, no size
_SETTINGS = (KnobKind.ENVIRONMENT, KnobKind.OPTION, KnobKind.CLASS, KnobKind.MODULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyChoice:
    """The vocabulary and the names of its files, with the reason in words."""

    key: VocabularyKey
    names: DataNames
    why: str


def choose_vocabulary(knobs: ScriptKnobs, claimed: Mapping[str, str]) -> VocabularyChoice:
    """`claimed` are the claimed run's settings by upper-case name; they go over the script's defaults."""
    paths = [claimed[name] for name in sorted(claimed) if "PATH" in name or "DIR" in name or "FILE" in name]
    texts = [*paths, *knobs.texts]
    size, why = _size(knobs, claimed, paths)
    names = DataNames(
        datasets=tuple(dict.fromkeys(match for text in texts for match in _DATASET.findall(text))),
        tokenizers=tuple(
            dict.fromkeys(PurePosixPath(match).name for text in texts for match in _TOKENIZER.findall(text))
        ),
        has_byte_files=any(_BYTE_FILES.search(text) for text in texts),
    )
    if size < SMALLEST_PIECES or (size == BYTE_VOCABULARY and any(map(_PURE_BYTES.search, texts))):
        key = VocabularyKey(alphabet=Alphabet.BYTES, size=BYTE_VOCABULARY)
        return VocabularyChoice(key=key, names=names, why=f"{why}: single bytes")
    size = min(size, LARGEST_PIECES)
    if _wants_case_marks(knobs, claimed, texts):
        key = VocabularyKey(alphabet=Alphabet.CASE_PIECES, size=size)
        return VocabularyChoice(key=key, names=names, why=f"{why}, with case marks")
    return VocabularyChoice(key=VocabularyKey(size=size), names=names, why=why)


def _size(knobs: ScriptKnobs, claimed: Mapping[str, str], paths: Iterable[str]) -> tuple[int, str]:
    for name, value in sorted(claimed.items()):
        if _SIZE_NAME.fullmatch(name) and value.isdecimal():
            return int(value), f"{name}={value} of the claimed run"
    for path in paths:
        match = _SIZE_IN_PATH.search(path)
        if match is not None:
            return int(match[1]), f"{path} of the claimed run"
    # Settings say what the run has; a parameter may only say what its function could take.
    for knob in (*knobs.of(*_SETTINGS), *knobs.of(KnobKind.PARAMETER)):
        value = knob.value or ""
        if _SIZE_NAME.fullmatch(knob.name) and value.isdecimal() and 0 < int(value) <= _LARGEST_ID:
            return int(value), f"{knob.name} is {value} by default"
    for text in knobs.texts:
        match = _SIZE_IN_PATH.search(text)
        if match is not None:
            return int(match[1]), f"the script names {text}"
    return _USUAL_SIZE, "nothing names a vocabulary"


def _wants_case_marks(knobs: ScriptKnobs, claimed: Mapping[str, str], texts: Iterable[str]) -> bool:
    switch = next((knob for knob in knobs.knobs if _CASE_SWITCH.fullmatch(knob.name)), None)
    if switch is not None:
        value = claimed.get(switch.name.upper(), switch.value or "0")
        return value.strip().lower() not in {"0", "false", "no", "off", ""}
    return any(_CASE_MARKS.search(text) for text in texts)
