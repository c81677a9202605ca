"""Bytes of a train log to numbered lines: decoded, stripped of terminal codes and prefixes, dumps cut out.

Everything here is linear in the size of the input. Line numbers count '\\n', as editors and git do; text
that a progress bar redraws with bare carriage returns becomes several lines with one number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.logs.source_dump import cut_dumps
from harness.logs.training_log import LogProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.logs.training_log import SourceDump

# The largest log seen in 3,006 is 2.2 MB. A longer file keeps its head (header, training) and tail (results).
HEAD_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 8 * 1024 * 1024
# Wrapped scripts print lines of 60 kB; hyperparameter dumps on one line reach 6 kB.
LINE_CHARACTERS = 20_000
_STAMP_STARTS = frozenset("[0123456789")
# Lines kept of a longer log; the longest real one has 34,000.
FIRST_LINES = 60_000
LAST_LINES = 20_000
# Redraws kept per line, and characters of a redrawn line: a progress bar of an hour prints 1 MB.
REDRAWS = 2_000
LONGEST_REDRAWN = 4 * 1024 * 1024
EXCERPT_CHARACTERS = 240


class LogLine(NamedTuple):
    """One visible line: its 1-based number in the file and its text without prefixes."""

    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogText:
    """A log as lines ready for the grammar."""

    encoding: str
    lines: tuple[LogLine, ...]
    dumps: tuple[SourceDump, ...]
    problems: tuple[LogProblem, ...]
    wall_stamps: tuple[str, ...]
    stamped_lines: int = 0


def read_text(path: str, data: bytes, size_bytes: int) -> LogText:
    """Decode, split, strip and cut; `size_bytes` is the file's true size, `data` may be a part of it."""
    problems: list[LogProblem] = []
    padding = _trailing_zeros(data)
    if padding:
        data, size_bytes = data[:-padding], size_bytes - padding
        message = f"{path} ends in {padding:,} zero bytes, which were left out; submit the text alone"
        problems.append(LogProblem(kind="padding", message=message))
    head, tail = _window(path, data, size_bytes, problems)
    encoding = detect_encoding(head)
    if encoding == "binary":
        problems.append(LogProblem(kind="binary", message=_binary_message(path, head)))
        return LogText(encoding=encoding, lines=(), dumps=(), problems=tuple(problems), wall_stamps=())
    if encoding == "latin-1":
        problems.append(
            LogProblem(
                kind="encoding",
                message=f"{path} is not valid UTF-8; read as latin-1, letters outside ASCII may be wrong",
            )
        )
    raw = _split(decode(head, encoding), path, problems)
    if tail:
        raw.pop()  # cut in the middle, as is the first line of the tail
        before_tail = 1 + data[: len(data) - len(tail)].count(b"\n")
        raw += _split(decode(tail, encoding), path, problems, before_tail)[1:]
    stripped, stamps = strip_prefixes(raw)
    stamped = sum(1 for line in raw if line.text[:1] in _STAMP_STARTS and _STAMP.match(line.text))
    lines, dumps = cut_dumps(path, stripped)
    return LogText(
        encoding=encoding,
        lines=tuple(lines),
        dumps=tuple(dumps),
        problems=tuple(problems),
        wall_stamps=stamps,
        stamped_lines=stamped,
    )


def _trailing_zeros(data: bytes) -> int:
    """How many zero bytes fill up the end of a text; UTF-16 ends in one of its own, an empty text in none."""
    kept = data.rstrip(b"\0")
    if not kept or len(kept) == len(data):
        return 0
    own = len(kept) % 2 if detect_encoding(kept[:65_536]).startswith("utf-16") else 0
    return len(data) - len(kept) - own


def detect_encoding(data: bytes) -> str:
    """Name the encoding: utf-8, utf-8-sig, utf-16-le, utf-16-be, latin-1, or "binary"."""
    if data.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16-le" if data[0] == 0xFF else "utf-16-be"
    sample = data[:65_536]
    nulls = sample.count(0)
    if nulls * 10 > len(sample) * 3:  # ASCII in UTF-16 is one half zeros
        odd, even = sample[1::2].count(0), sample[0::2].count(0)
        if odd > 9 * even:
            return "utf-16-le"
        if even > 9 * odd:
            return "utf-16-be"
    if nulls > len(sample) // 100:
        return "binary"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A window cut in the middle of a character is still UTF-8.
        if error.start >= len(data) - 4:
            return "utf-8"
        control = sum(sample.count(byte) for byte in range(32) if byte not in (8, 9, 10, 12, 13, 27))
        return "binary" if control * 20 > len(sample) else "latin-1"
    return "utf-8"


def decode(data: bytes, encoding: str) -> str:
    """Text of `data`; undecodable bytes become U+FFFD. UTF-16 drops its byte order mark."""
    text = data.decode("utf-8" if encoding == "utf-8-sig" else encoding, errors="replace")
    return text.removeprefix("\ufeff")


def _window(path: str, data: bytes, size_bytes: int, problems: list[LogProblem]) -> tuple[bytes, bytes]:
    """The part that is read: everything, or the head and the tail of a large file."""
    head, tail = data, b""
    if len(data) > HEAD_BYTES + TAIL_BYTES:
        head, tail = data[:HEAD_BYTES], data[-TAIL_BYTES:]
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) and len(data) % 2:
            tail = tail[1:]
    unread = max(size_bytes, len(data)) - len(head) - len(tail)
    if unread > 0:
        where = (
            f"after the first {len(head):,}"
            + (f" and before the last {len(tail):,}" if tail else "")
            + " bytes"
        )
        message = (
            f"{path} has {max(size_bytes, len(data)):,} bytes; {unread:,} of them, {where}, were not read. "
            f"Submit a shorter log."
        )
        problems.append(LogProblem(kind="too-large", message=message))
    return head, tail


def _binary_message(path: str, data: bytes) -> str:
    sample = data[:65_536]
    return (
        f"{path} is binary ({sample.count(0):,} zero bytes in the first {len(sample):,}), not a text log; "
        f"submit the text that the run printed"
    )


# CSI and OSC sequences and single-character escapes; bounded so that a lone ESC costs little.
_ANSI = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b\n]{0,512}(?:\x07|\x1b\\)?|[@-Z\\^_])?")
# Controls (tab kept), zero-width and direction-changing characters: they make a line read unlike it parses.
_CONTROL_TABLE = {
    **dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127, *range(0x80, 0xA0)]),
    **dict.fromkeys([0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x061C, 0x2060, 0xFEFF]),
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)]),
}
_SUSPECT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


def clean(text: str) -> str:
    """Drop terminal escapes, control characters and invisible or direction-changing characters."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if _SUSPECT.search(text):
        text = text.translate(_CONTROL_TABLE)
    return text


def _split(text: str, path: str, problems: list[LogProblem], first: int = 1) -> list[LogLine]:
    """Visible lines; long lines are cut, lines in the middle of very many are left out, both reported."""
    if "\n" not in text and "\r" in text:
        text = text.replace("\r", "\n")
    longest, longest_at = 0, 0
    lines: list[LogLine] = []
    suspect = _SUSPECT.search(text) is not None
    for number, raw in _numbered(text, path, problems, first):
        if "\r" not in raw and not suspect and len(raw) <= LINE_CHARACTERS:
            lines.append(LogLine(number, raw))
            continue
        redraws = REDRAWS if len(lines) < FIRST_LINES else 1
        pieces = raw[:LONGEST_REDRAWN].rstrip("\r").split("\r")[-redraws:]
        widest = max(map(len, pieces))
        if widest > longest:
            longest, longest_at = widest, number
        lines += [LogLine(number, clean(piece[:LINE_CHARACTERS])) for piece in pieces]
    if longest > LINE_CHARACTERS:
        message = (
            f"line {longest_at} of {path} has {longest:,} characters; "
            f"of each line the first {LINE_CHARACTERS:,} were read"
        )
        problems.append(LogProblem(kind="too-large", message=message, line=longest_at))
    return lines


def _numbered(text: str, path: str, problems: list[LogProblem], first: int) -> Iterator[tuple[int, str]]:
    """(number, line) of all lines, or of the first and last ones where there are too many."""
    breaks = text.count("\n")
    if breaks <= FIRST_LINES + LAST_LINES:
        yield from enumerate(text.split("\n"), first)
        return
    *head, rest = text.split("\n", FIRST_LINES)
    _, *tail = rest.rsplit("\n", LAST_LINES)
    message = (
        f"{path} has more than {breaks:,} lines; {breaks + 1 - len(head) - len(tail):,} of them, "
        f"after the first {len(head):,}, were not read"
    )
    problems.append(LogProblem(kind="too-large", message=message, line=first + len(head)))
    yield from enumerate(head, first)
    yield from enumerate(tail, first + breaks + 1 - len(tail))


_RANK = re.compile(r"\[(?:default|rank|Rank|RANK)[ _]?(\d{1,5})\]:?[ \t]?|(\d{1,3}): (?=\S)")
_STAMP = re.compile(
    r"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)\]?(?:[ \t]?[-|:])?[ \t]?"
    r"|\[(\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?)\][ \t]?"
    r"|(\d{10}(?:\.\d{1,9})?)(?:[ \t]?[-|:])?[ \t]"
)
_LEVEL = re.compile(r"(?:\[?(?:INFO|WARNING|DEBUG|ERROR)\]?)[ \t]?[-:|]?[ \t]?")
_NUMBERED_SHARE = 0.8  # "0: " is a rank prefix only when most lines carry it


def strip_prefixes(lines: list[LogLine]) -> tuple[list[LogLine], tuple[str, ...]]:
    """Remove rank and time prefixes; return the lines and the first and last stamp.

    Lines of ranks other than 0 repeat rank 0 and are dropped, except where no rank 0 speaks.
    """
    numbered = _has_numbered_ranks(lines)
    stripped: list[LogLine] = []
    ranks: list[int | None] = []
    stamps: list[str] = []
    for line in lines:
        text, rank = line.text, None
        if text and text[0] in "[0123456789":
            text, rank = _strip_rank(text, numbered)
            stamp = _STAMP.match(text)
            if stamp is not None:
                printed = stamp[1] or stamp[2] or stamp[3]
                stamps = [stamps[0], printed] if stamps else [printed]
                text = text[stamp.end() :]
                level = _LEVEL.match(text)
                text = text[level.end() :] if level else text
        stripped.append(line if text is line.text else LogLine(line.number, text))
        ranks.append(rank)
    if 0 in ranks and any(ranks):
        stripped = [line for line, rank in zip(stripped, ranks, strict=True) if not rank]
    return stripped, tuple(stamps)


def _strip_rank(text: str, numbered: bool) -> tuple[str, int | None]:
    match = _RANK.match(text)
    if match is None or (match[1] is None and not numbered):
        return text, None
    return text[match.end() :], int(match[1] or match[2])


def _has_numbered_ranks(lines: list[LogLine]) -> bool:
    sample = [line.text for line in lines[:2_000] if line.text.strip()]
    hits = sum(1 for text in sample if text[0].isdigit() and re.match(r"\d{1,3}: \S", text))
    return bool(sample) and hits > _NUMBERED_SHARE * len(sample)


def excerpt(text: str) -> str:
    """The line as a finding quotes it: trimmed and cut."""
    text = text.strip()
    return text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1] + "…"


def nonblank(lines: tuple[LogLine, ...]) -> Iterator[LogLine]:
    """Lines with text, each at most once in a row (a logger beside a print doubles every line)."""
    previous = ""
    for line in lines:
        if line.text and not line.text.isspace() and line.text != previous:
            yield line
            previous = line.text
