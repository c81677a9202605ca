"""Makes text that a submission chose harmless in each output format, without hiding what it contains.

File names, messages and quoted lines come from strangers. What a terminal, a CI log, a page or a viewer would
act on is shown as a visible escape (`\\x1b`, `\\u202e`, `\\n`), never dropped.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

# Longest text of one message, note or quoted line in any rendered format; JSON keeps everything.
SHOWN_CHARACTERS = 2_000

# Unicode categories that move the cursor, reorder or hide text: controls, bidirectional and other format
# characters, lone surrogates, private use, line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Runner commands of GitHub Actions are read from every line of a step's output, in these two spellings.
_RUNNER_COMMAND = re.compile(
    r"::(?=(?:error|warning|notice|debug|group|endgroup|echo|stop-commands|[a-z]+-[a-z-]+)\b)|##(?=\[)"
)
# Characters with a meaning somewhere in Markdown, HTML or GitHub's mathematics.
_MARKDOWN = {ord(mark): f"&#{ord(mark)};" for mark in "\\`*[]<>&|~$!^{}"}
# Inside a word GitHub's Markdown takes an underscore as a letter; at a word's edge it would emphasise.
_EDGE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# GitHub looks for these after entities are decoded: a zero-width space is what stops them.
_NO_LINK = "&#8203;"


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN:
        return character
    code = ord(character)
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if named is not None:
        return named
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """One line without control, bidirectional or invisible characters, cut at `limit` characters.

    What a CI runner would take as a command loses its first mark to an escape (`\\x3a:error`).
    """
    cut = len(text) - limit
    shown = text[:limit] if cut > 0 else text
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(map(_visible, shown))
    shown = _RUNNER_COMMAND.sub(lambda mark: f"\\x{ord(mark[0][0]):02x}{mark[0][1]}", shown)
    return f"{shown}... ({cut:,} more characters)" if cut > 0 else shown


def ascii_only(text: str) -> str:
    """The same text for a terminal that knows no other encoding."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def well_formed(text: str) -> str:
    """Text any JSON reader accepts: a lone surrogate (a byte that is not UTF-8) becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def markdown(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Inert text for a Markdown cell or paragraph: no markup, link, mention, reference or table border."""
    shown = printable(text, limit).translate(_MARKDOWN)
    shown = _EDGE_UNDERSCORE.sub("&#95;", shown)
    shown = re.sub(r"(?<!&)#(?=\d)|@", lambda mark: f"{mark[0]}{_NO_LINK}", shown)
    shown = re.sub(r"(?i)\b(gh-)(?=\d)", rf"\1{_NO_LINK}", shown)
    shown = re.sub(r"(?i)\b(https?|ftp|mailto|xmpp):", rf"\1{_NO_LINK}:", shown)
    return re.sub(r"(?i)\bwww\.", f"www{_NO_LINK}.", shown)


def markdown_code(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Inert text in fixed pitch; an HTML element, because a code span cannot hold a table's border."""
    return f"<code>{markdown(text, limit)}</code>"


def uri_path(path: str) -> str:
    """A '/'-separated path, percent-encoded; bytes that are not UTF-8 keep their value."""
    return quote(
        path.encode("utf-8", "surrogateescape" if _is_decoded(path) else "backslashreplace"), safe="/"
    )


def _is_decoded(path: str) -> bool:
    return all(0xDC80 <= ord(c) <= 0xDCFF for c in path if "\ud800" <= c <= "\udfff")


def command_data(text: str) -> str:
    """The message of a workflow command (`::error ...::message`): one line whatever it holds."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """A property of a workflow command (`file=...`): separators encoded too."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def sarif_text(text: str) -> str:
    """A SARIF message string: brackets that would form an embedded link (section 3.11.6) are escaped."""
    return re.sub(r"([\[\]])", r"\\\1", printable(text)) if "](" in text else printable(text)
