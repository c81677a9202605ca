"""Reads the f-strings of Python 3.12 (PEP 701) on an older Python: the tree keeps their text and expressions.

Each f-string is replaced by a plain string, a mark on as many lines, so that the older parser takes the
text; then the marks in the tree become `ast.JoinedStr` nodes again, built from parts parsed one by one.
Lines are those of the source; columns inside such f-strings are not.
"""

from __future__ import annotations

import ast
import bisect
import hashlib
import re
import warnings
from dataclasses import dataclass, field

# A prefix counts only where a name cannot end: return"x" is a plain string.
_QUOTES = "'''|\"\"\"|'|\""
_STRING_START = re.compile(rf"(?i)(?:(?<!\w)(f|fr|rf|r|b|br|rb|u))?({_QUOTES})")
_NEXT = re.compile(rf"#|{_STRING_START.pattern.removeprefix('(?i)')}", re.IGNORECASE)
_TEXT = re.compile(r"[^\\{}'\"\n]+")
_DEPTH_AT_MOST = 20  # of f-strings in f-strings and in format specs


class FStringError(ValueError):
    """The text has an f-string without an end, or one whose expression does not parse."""


@dataclass(slots=True)
class FStrings:
    """The f-strings of one text. `plain` is the text with a marked plain string in place of each."""

    text: str
    plain: str = ""
    _mark: str = ""
    _found: list[list[ast.expr]] = field(default_factory=list)
    _line_ends: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read all f-strings. Raises `FStringError`."""
        self._mark = f"f-string {hashlib.sha256(self.text.encode('utf-8', 'replace')).hexdigest()[:16]} "
        self._line_ends = [found.start() for found in re.finditer("\n", self.text)]
        pieces: list[str] = []
        at = 0
        while (found := _NEXT.search(self.text, at)) is not None:
            start = found.start()
            if found.group() == "#":
                end = self.text.find("\n", start)
                end = len(self.text) if end < 0 else end
                pieces.append(self.text[at:end])
            else:
                piece, end = self._string(found.start(), 0)
                pieces.extend((self.text[at:start], piece))
            at = end
        pieces.append(self.text[at:])
        self.plain = "".join(pieces)

    def restore(self, tree: ast.AST) -> None:
        """Put the f-strings back into the tree of `plain`, in place."""
        if not self._found:
            return
        for node in ast.walk(tree):
            for name, value in ast.iter_fields(node):
                if isinstance(value, list):
                    value[:] = [self._restored(item) for item in value]
                elif isinstance(value, ast.Constant):
                    setattr(node, name, self._restored(value))

    def _restored(self, node: object) -> object:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            return node
        if self._mark not in node.value:
            return node
        pieces = re.split(rf"{self._mark}(\d+);", node.value)
        values: list[ast.expr] = []
        for index, piece in enumerate(pieces):
            if index % 2:
                values += self._found[int(piece)]
            elif piece:
                values.append(ast.copy_location(ast.Constant(value=piece), node))
        return ast.copy_location(ast.JoinedStr(values=_joined(values)), node)

    def _string(self, start: int, depth: int) -> tuple[str, int]:
        """What stands in `plain` for the string at `start`, and where it ends."""
        opened = _STRING_START.match(self.text, start)
        if opened is None or depth > _DEPTH_AT_MOST:
            raise FStringError
        prefix, quote = (opened.group(1) or "").lower(), opened.group(2)
        if "f" not in prefix:
            end = self._plain_string_end(opened.end(), quote)
            return self.text[start:end], end
        values, end = self._f_string(opened.end(), quote, is_raw="r" in prefix, depth=depth)
        self._found.append(values)
        lines = "\\\n" * self.text.count("\n", start, end)
        return f"'{self._mark}{len(self._found) - 1};{lines}'", end

    def _plain_string_end(self, at: int, quote: str) -> int:
        pattern = re.compile(r"\\.|" + quote + (r"|\n" if len(quote) == 1 else ""), re.DOTALL)
        for found in pattern.finditer(self.text, at):
            if found.group() == quote:
                return found.end()
            if found.group() == "\n":
                break
        raise FStringError

    def _f_string(self, at: int, quote: str, *, is_raw: bool, depth: int) -> tuple[list[ast.expr], int]:
        """Constant text and replacement fields up to the closing quote, and the position after it."""
        values: list[ast.expr] = []
        constant: list[str] = []
        start = at

        def end_constant() -> None:
            if constant:
                values.append(self._constant("".join(constant), start, is_raw=is_raw))
                constant.clear()

        text = self.text
        while at < len(text):
            character = text[at]
            if text.startswith(quote, at):
                end_constant()
                return values, at + len(quote)
            if character == "\\":
                length = 1 if text[at + 1 : at + 2] in {"{", "}"} else 2
                if not is_raw and text.startswith("\\N{", at):
                    length = text.find("}", at) + 1 - at
                if length < 1:
                    break
                # A backslash before a brace is text, and the brace still opens a field.
                constant.append(text[at : at + length] if length > 1 or is_raw else "\\\\")
                at += length
            elif text.startswith(("{{", "}}"), at):
                constant.append(character)
                at += 2
            elif character == "{":
                end_constant()
                fields, at = self._field(at + 1, quote, depth=depth)
                values += fields
            elif character == "}" or (character == "\n" and len(quote) == 1):
                break
            else:
                run = _TEXT.match(text, at)
                end = run.end() if run is not None else at + 1
                constant.append(text[at:end])
                at = end
        raise FStringError

    def _constant(self, text: str, at: int, *, is_raw: bool) -> ast.expr:
        if not is_raw and "\\" in text:
            # Any quote may stand in the text unescaped; it is escaped here, whatever it was before.
            escaped = re.sub(r"(\\.)|'", lambda found: found.group(1) or "\\'", text, flags=re.DOTALL)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                text = ast.literal_eval(f"'''{escaped}'''")
        return self._at(ast.Constant(value=text), at)

    def _at(self, node: ast.expr, at: int) -> ast.expr:
        node.lineno = node.end_lineno = self._line(at)
        node.col_offset = node.end_col_offset = 0
        return node

    def _line(self, at: int) -> int:
        return bisect.bisect_left(self._line_ends, at) + 1

    def _field(self, at: int, quote: str, *, depth: int) -> tuple[list[ast.expr], int]:
        """A replacement field that began before `at`, and the position after its closing brace."""
        text = self.text
        start = at
        pieces: list[str] = []
        brackets = 0
        while at < len(text):
            character = text[at]
            if _STRING_START.match(text, at) is not None:
                piece, at = self._string(at, depth + 1)
                pieces.append(piece)
                continue
            if character == "#":
                end = text.find("\n", at)
                at = len(text) if end < 0 else end
                continue
            if brackets == 0 and (character in "}:" or (character == "!" and text[at + 1 : at + 2] != "=")):
                break
            brackets += (character in "([{") - (character in ")]}")
            pieces.append(character)
            at += 1
        source = "".join(pieces)
        shown = re.search(r"(?<![=!<>])=\s*$", source)  # f"{x=}"
        value = self._expression(source[: shown.start()] if shown is not None else source, start)
        conversion, at = self._conversion(at)
        spec: list[ast.expr] = []
        has_spec = text.startswith(":", at)
        if has_spec:
            spec, at = self._format_spec(at + 1, quote, depth=depth + 1)
        if not text.startswith("}", at):
            raise FStringError
        if shown is not None and conversion < 0 and not has_spec:
            conversion = ord("r")
        joined = self._at(ast.JoinedStr(values=_joined(spec)), start) if has_spec else None
        formatted = ast.FormattedValue(value=value, conversion=conversion, format_spec=joined)
        label = [self._at(ast.Constant(value=text[start : start + len(source)]), start)] if shown else []
        return [*label, self._at(formatted, start)], at + 1

    def _conversion(self, at: int) -> tuple[int, int]:
        if not self.text.startswith("!", at):
            return -1, at
        found = re.compile(r"!\s*([rsa])\s*").match(self.text, at)
        if found is None:
            raise FStringError
        return ord(found.group(1)), found.end()

    def _format_spec(self, at: int, quote: str, *, depth: int) -> tuple[list[ast.expr], int]:
        """The parts of a format spec, which may hold fields of its own; the position of the closing brace."""
        if depth > _DEPTH_AT_MOST:
            raise FStringError
        values: list[ast.expr] = []
        while at < len(self.text):
            if self.text[at] == "}":
                return values, at
            if self.text.startswith(quote, at):
                break
            if self.text[at] == "{":
                fields, at = self._field(at + 1, quote, depth=depth)
                values += fields
                continue
            found = re.compile(r"[^{}'\"]+|['\"]").match(self.text, at)
            assert found is not None
            values.append(self._at(ast.Constant(value=found.group()), at))
            at = found.end()
        raise FStringError

    def _expression(self, source: str, at: int) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(f"({source}\n)", mode="eval")
        except SyntaxError as error:
            raise FStringError from error
        if not source.strip():
            raise FStringError
        self.restore(tree)
        ast.increment_lineno(tree, self._line(at) - 1)
        return tree.body


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The values with neighbouring texts made one, as the parser does."""
    joined: list[ast.expr] = []
    for value in values:
        last = joined[-1] if joined else None
        before, after = _text_of(last), _text_of(value)
        if last is not None and before is not None and after is not None:
            joined[-1] = ast.copy_location(ast.Constant(value=before + after), last)
        else:
            joined.append(value)
    return joined


def _text_of(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
