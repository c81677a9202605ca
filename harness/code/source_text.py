"""Decodes and parses Python source from bytes the way the interpreter does, and says why where it cannot."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
import warnings
from dataclasses import dataclass

from harness.code.new_f_strings import FStrings

# The largest script of 2,346 in the wild has 1.6 MB; an ast takes about 100 times the text.
SOURCE_LIMIT_BYTES = 6 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A parse: `tree` is None when it failed; `problem` is "", unparseable, needs-newer-python or too-large.

    For needs-newer-python `tree` holds the text and expressions of the f-strings in the way: lines hold,
    columns inside them do not.
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
    return _parsed(data, len(data))


def parse_text(text: str) -> Parsed:
    """Parse text that was decoded already, whatever its coding cookie says. Never raises."""
    return _parsed(text, len(text))


def _parsed(source: bytes | str, size: int) -> Parsed:
    if size > SOURCE_LIMIT_BYTES:
        return Parsed(
            tree=None,
            problem="too-large",
            message=f"{size:,} bytes of source; at most {SOURCE_LIMIT_BYTES:,} are parsed",
        )
    try:
        return Parsed(tree=_parse(source))
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
        newer = _parse_with_new_f_strings(source if isinstance(source, str) else decode_source(source))
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


def _parse_with_new_f_strings(text: str) -> ast.Module | None:
    """The tree with every f-string read as Python 3.12 does, if only they were in the way."""
    try:
        strings = FStrings(text)
        tree = _parse(strings.plain)
        strings.restore(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree
