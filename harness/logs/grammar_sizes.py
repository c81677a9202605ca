"""Printed sizes: total, code and model bytes.

Only whole numbers of bytes count: "15.9 MB" cannot be held against a cap of 16,000,000 bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.logs.events import Size
from harness.logs.training_log import SizeLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.finding import Sourced
    from harness.logs.events import Event

_NUMBER = r"(\d{1,3}(?:[,_]\d{3}){1,4}|\d{3,13})(?![\d.]|\s?(?:[mk]i?b\b|ms|tok))"
_SIZES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern + _NUMBER))
    for what, pattern in (
        ("total", r"\btotal submission(?: size)?\s{0,3}([^:=\n]{0,80}?)\s{0,3}[:=]\s{0,6}"),
        ("total", r"\b(?:budget|total)()\s?[:=]\s{0,2}(?=[\d,_]{6,13}\s?(?:/\s?\d{7,9}|bytes|b\b|\())"),
        (
            "total",
            (
                r"(?<!\w)((?:[a-z0-9.]{1,20}[ _+/-]){0,4}?)"
                r"(?:total[ _]?(?:submission[ _]?|artifact[ _]?|file[ _]?)?(?:bytes|size)|bytes_total"
                r"|submission[ _](?:size|bytes)|artifact[ _](?:size|bytes|total)|total[ _]artifact|artifact)"
                r"(?:[ _](?:bytes|size))?(?:\s?\([^()\n]{0,24}\))?['\"]?\s{0,12}[:=]\s{0,12}"
            ),
        ),
        ("code", r"\bcode size\s{0,3}([^:=\n]{0,60}?)\s{0,3}[:=]\s{0,6}"),
        (
            "code",
            (
                r"(?<!\w)()(?:code[ _]bytes|bytes_code|code[ _]?size|code|code snapshot size"
                r"|script[ _](?:size|bytes))"
                r"['\"]?\s{0,12}[:=]\s{0,12}"
            ),
        ),
        ("model", r"\bserialized[ _]model[ _]{0,3}([^:=\n]{0,80}?)\s{0,3}[:=]\s{0,6}"),
        (
            "model",
            (
                r"(?<!\w)((?:[a-z0-9.]{1,20}[ _+/-]){0,3}?)(?:model[ _](?:size|bytes)|bytes_model"
                r"|compressed[ _](?:model|size|bytes)"
                r"|(?:model|weights|blob)[ _]?(?:compressed|blob)?[ _](?:bytes|size)"
                r"|\bmodel(?=\s?[:=]\s?\d{6,9}\b)|\b(?:int\d|mixed)[\w+-]{0,40}(?=:\s?\d{6,9} bytes))"
                r"(?:[ _]\w{1,12})?['\"]?\s{0,12}[:=]\s{0,12}"
            ),
        ),
    )
)
_SIZE_WORDS = re.compile(r"size|bytes|budget|code|artifact|serialized|total:")


def size_events(source: Sourced[str], text: str) -> Iterator[Event]:
    """The sizes of one line, at most one of each kind; `text` is the line in lower case."""
    if not _SIZE_WORDS.search(text):
        return
    seen: set[str] = set()
    total: int | None = None
    for what, pattern in _SIZES:
        if what in seen:
            continue
        match = pattern.search(text)
        if match is None:
            continue
        value = int(match[2].replace(",", "").replace("_", ""))
        if what == "model" and value == total:
            continue  # "Total submission size int8+zlib: N bytes" names the codec, not a model size
        seen.add(what)
        total = value if what == "total" else total
        label = source.value[match.start(1) : match.end(1)].strip(" _-:()")
        yield Size(
            line=source.line or 0, size=SizeLine(what=what, label=label, size_bytes=source.with_value(value))
        )
