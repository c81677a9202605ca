"""Decodes and parses Python source from bytes the way the interpreter does, and says why where it cannot."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from dataclasses import dataclass

# The largest script of 2,346 in the wild has 1.6 MB; an ast takes about 100 times the text.
SOURCE_LIMIT_BYTES = 6 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A parse: `tree` is None when it failed; `problem` is "", unparseable, needs-newer-python or too-large.

    For needs-newer-python `tree` is that of the text with its f-strings blanked: names and lines hold.
    """

    tree: ast.Module | None
    problem: str = ""
    message: str = ""
    line: int | None = None


def decode_source(data: bytes) -> str:
    """The text by its byte order mark or coding cookie; undecodable bytes become U+FFFD, newlines "\\n"."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        text = data.decode("utf-16", "replace")
    else:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.decode(encoding, "replace")
        except (SyntaxError, LookupError, ValueError):
            text = data.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8", "replace").decode("utf-8")


def parse_source(data: bytes) -> Parsed:
    """Parse bytes, so that coding cookies count as they do for the interpreter. Never raises."""
    if len(data) > SOURCE_LIMIT_BYTES:
        return Parsed(
            tree=None,
            problem="too-large",
            message=f"{len(data):,} bytes of source; at most {SOURCE_LIMIT_BYTES:,} are parsed",
        )
    try:
        return Parsed(tree=_parse(data))
    except SyntaxError as error:
        line = error.lineno
        said = error.msg
    except RecursionError:
        return Parsed(
            tree=None, problem="unparseable", message="nested deeper than the Python parser follows"
        )
    except MemoryError:
        return Parsed(
            tree=None,
            problem="unparseable",
            message="too deep or too long for the Python parser (MemoryError)",
        )
    except (ValueError, LookupError, OverflowError) as error:
        return Parsed(tree=None, problem="unparseable", message=f"not Python source: {error}")
    if sys.version_info < (3, 12):
        newer = _parse_with_new_f_strings(data)
        if newer is not None:
            return Parsed(
                tree=newer,
                problem="needs-newer-python",
                message=f"line {line} needs Python 3.12 or newer (an f-string reuses its quotes or holds a "
                f"backslash, PEP 701); this is Python {sys.version_info.major}.{sys.version_info.minor}",
                line=line,
            )
    return Parsed(
        tree=None,
        problem="unparseable",
        message=f"line {line}: {said} (Python {sys.version_info.major}.{sys.version_info.minor})",
        line=line,
    )


def _parse(source: bytes | str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _parse_with_new_f_strings(data: bytes) -> ast.Module | None:
    """The tree with every f-string replaced by a plain string, if only they were in the way."""
    try:
        blanked = blank_f_strings(decode_source(data))
        return None if blanked is None else _parse(blanked)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


# A prefix counts only where a name cannot end: return"x" is a plain string.
_QUOTES = "'''|\"\"\"|'|\""
_STRING_START = re.compile(rf"(?i)(?:(?<!\w)(f|fr|rf|r|b|br|rb|u))?({_QUOTES})")
_NEXT = re.compile(rf"#|{_STRING_START.pattern.removeprefix('(?i)')}", re.IGNORECASE)


def blank_f_strings(text: str) -> str | None:
    """The text with f-strings, read as Python 3.12 does, turned into empty strings on as many lines.

    None when an f-string has no end or an expression in one does not parse.
    """
    pieces: list[str] = []
    at = 0
    while (found := _NEXT.search(text, at)) is not None:
        start = found.start()
        if found.group() == "#":
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            pieces.append(text[at:end])
            at = end
            continue
        opened = _STRING_START.match(text, start)
        if opened is None:
            return None
        if "f" in (opened.group(1) or "").lower():
            end_of = _f_string_end(text, opened.end(), opened.group(2), 0)
            if end_of is None:
                return None
            pieces.extend((text[at:start], "'" + "\\\n" * text.count("\n", start, end_of) + "'"))
            at = end_of
            continue
        end_of = _string_end(text, opened.end(), opened.group(2))
        if end_of is None:
            return None
        pieces.append(text[at:end_of])
        at = end_of
    pieces.append(text[at:])
    return "".join(pieces)


def _string_end(text: str, at: int, quote: str) -> int | None:
    pattern = re.compile(r"\\.|" + quote + (r"|\n" if len(quote) == 1 else ""), re.DOTALL)
    for found in pattern.finditer(text, at):
        if found.group() == quote:
            return found.end()
        if found.group() == "\n":
            return None
    return None


def _f_string_end(text: str, at: int, quote: str, depth: int) -> int | None:
    """The position after the closing quote; each {expression} must parse by itself."""
    if depth > 20:
        return None
    while at < len(text):
        if text.startswith(quote, at):
            return at + len(quote)
        character = text[at]
        if character == "\\" or text.startswith("{{", at) or text.startswith("}}", at):
            at += 2
        elif character == "{":
            inside = _expression_end(text, at + 1, depth)
            if inside is None:
                return None
            at = inside
        elif character == "\n" and len(quote) == 1:
            return None
        else:
            at += 1
    return None


def _expression_end(text: str, at: int, depth: int) -> int | None:
    """The position after the brace that closes a replacement field which began before `at`."""
    pieces: list[str] = []
    brackets = 0
    while at < len(text):
        character = text[at]
        opened = _STRING_START.match(text, at)
        if opened is not None:
            is_f = "f" in (opened.group(1) or "").lower()
            end = (
                _f_string_end(text, opened.end(), opened.group(2), depth + 1)
                if is_f
                else _string_end(text, opened.end(), opened.group(2))
            )
            if end is None:
                return None
            pieces.append("''" if is_f else text[at:end])
            at = end
            continue
        if brackets == 0 and (character in "}:" or (character == "!" and text[at + 1 : at + 2] != "=")):
            break
        brackets += (character in "([{") - (character in ")]}")
        pieces.append(character)
        at += 1
    if not _is_expression("".join(pieces)):
        return None
    return _field_end(text, at, depth)


def _is_expression(source: str) -> bool:
    source = source.strip()
    source = re.sub(r"(?<![=!<>])=$", "", source)  # f"{x=}"
    try:
        ast.parse(f"({source}\n)", mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return bool(source)


def _field_end(text: str, at: int, depth: int) -> int | None:
    """Skip a conversion and a format spec, which may hold fields of its own."""
    while at < len(text):
        if text[at] == "}":
            return at + 1
        if text[at] == "{":
            inside = _expression_end(text, at + 1, depth + 1)
            if inside is None or depth > 20:
                return None
            at = inside
        else:
            at += 1
    return None
