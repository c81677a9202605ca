"""Shell text to words and operators, and words to values: enough of the shell to read how a script is run.

Nothing is run: `$(...)` and unset variables become `UNKNOWN` inside a value, so that a half-known value is
never taken for a known one. Every scan is bounded; text that is no shell gives words nobody asks for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = "\0"  # stands in a value for what only a running shell would know
MOST_TOKENS = 20_000
LONGEST_TEXT = 40_000
_MOST_HEREDOCS = 30
_LONGEST_SPAN = 8_000  # characters of one quoted or substituted piece
_MOST_BRACKETS = 12  # open at once; bounds the work on text that only opens them
_DEEPEST = 6  # nested ${A:-${B:-...}}
_LONGEST_VALUE = 2_000
_MOST_FIELDS = 200

_OPERATOR = re.compile(r"\d?&?(?:>>|>&|>\||<>|>|<<<|<<-?|<&|<)|&>>?|&&|\|\||;;|\|&|[;&|()\n]")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PARAMETER = re.compile(r"!?([A-Za-z_]\w*|[0-9@*#?])(\[[@*0-9]{1,4}\])?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """A raw word or, with `is_operator`, an operator; `line` is counted from 1 in the text."""

    text: str
    line: int
    is_operator: bool = False


Value = str | tuple[str, ...]  # a scalar, or the elements of an array


def shell_tokens(text: str) -> list[Token]:
    """Words (quotes kept) and operators; comments, continuations and here-documents are taken out."""
    return _Lexer(text[:LONGEST_TEXT].replace("\0", "").replace("\r\n", "\n")).tokens()


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.found: list[Token] = []
        self.heredocs: list[tuple[str, bool]] = []
        self.heredocs_left = _MOST_HEREDOCS

    def tokens(self) -> list[Token]:
        text = self.text
        while self.at < len(text) and len(self.found) < MOST_TOKENS:
            char = text[self.at]
            if char in " \t":
                self.at += 1
            elif text.startswith("\\\n", self.at):
                self._skip(2)
            elif char == "#":
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            elif match := _OPERATOR.match(text, self.at):
                self._operator(match[0])
            else:
                self._word()
        return self.found

    def _skip(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def _operator(self, operator: str) -> None:
        self.found.append(Token(operator, self.line, is_operator=True))
        self._skip(len(operator))
        if operator == "\n":
            for word, strips in self.heredocs:
                self._heredoc(word, strips)
            self.heredocs = []
        elif operator.lstrip("0123456789") in {"<<", "<<-"}:
            match = re.compile(r"[ \t]*[\\'\"]?([\w.-]{1,80})").match(self.text, self.at)
            if match is not None and self.heredocs_left:
                self.heredocs_left -= 1
                self.heredocs.append((match[1], operator.endswith("-")))

    def _heredoc(self, word: str, strips: bool) -> None:
        """Go behind the line that ends a here-document; without one the text goes on as it stands."""
        indent = "[ \\t]*" if strips else ""
        match = re.compile(f"^{indent}{re.escape(word)}[ \\t]*$", re.MULTILINE).search(self.text, self.at)
        if match is not None:
            self._skip(match.end() - self.at)

    def _word(self) -> None:
        start, line = self.at, self.line
        text = self.text
        pieces: list[str] = []
        while self.at < len(text):
            char = text[self.at]
            if char in " \t\n;&|()<>":
                if char == "(" and pieces and pieces[-1].endswith("=") and _is_assignment("".join(pieces)):
                    pieces.append(self._span(_closing(text, self.at, "(", ")")))
                    continue
                break
            if char == "\\":
                if text.startswith("\\\n", self.at):
                    self._skip(2)
                    continue
                pieces.append(self._span(self.at + 2))
            elif char in "'\"`":
                pieces.append(self._span(_end_of_quote(text, self.at)))
            elif char == "$" and text[self.at + 1 : self.at + 2] in {"{", "("}:
                opening = text[self.at + 1]
                end = _closing(text, self.at + 1, opening, "}" if opening == "{" else ")")
                pieces.append(self._span(end))
            else:
                pieces.append(self._span(self.at + 1))
        if self.at == start:
            self._skip(1)  # a stray character such as a lone '&' digit
            return
        self.found.append(Token("".join(pieces), line))

    def _span(self, end: int) -> str:
        end = max(min(end, len(self.text)), self.at + 1)
        piece = self.text[self.at : end]
        self._skip(end - self.at)
        return piece


def _is_assignment(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*\+?=", text) is not None


def _end_of_quote(text: str, start: int) -> int:
    """Index behind the closing quote; only behind the opening one when none closes it."""
    quote = text[start]
    limit = start + _LONGEST_SPAN
    at = start + 1
    while True:
        end = text.find(quote, at, limit)
        if end < 0:
            return start + 1
        if quote == "'" or not _is_escaped(text, end):
            return end + 1
        at = end + 1


def _is_escaped(text: str, at: int) -> bool:
    count = 0
    while at - 1 - count >= 0 and count < 20 and text[at - 1 - count] == "\\":
        count += 1
    return count % 2 == 1


def _closing(text: str, start: int, opening: str, closing: str) -> int:
    """Index behind the bracket that closes the one at `start`; behind the opening one when there is none."""
    depth = 0
    for at in range(start, min(len(text), start + _LONGEST_SPAN)):
        char = text[at]
        if char == opening:
            depth += 1
            if depth > _MOST_BRACKETS:
                break
        elif char == closing:
            depth -= 1
            if not depth:
                return at + 1
    return start + 1


def expand(raw: str, variables: Mapping[str, Value], depth: int = 0) -> list[str]:
    """The words one raw word becomes; what is not known stands as `UNKNOWN` in them."""
    fields: list[str] = [""]
    started = False
    at = 0
    while at < len(raw) and len(fields) <= _MOST_FIELDS:
        char = raw[at]
        if char == "\\" and at + 1 < len(raw):
            fields[-1] += raw[at + 1]
            started, at = True, at + 2
        elif char == "'":
            end = _end_of_quote(raw, at)
            fields[-1] += raw[at + 1 : end - 1] if end > at + 1 else char
            started, at = True, end
        elif char == '"':
            end = _end_of_quote(raw, at)
            if end == at + 1:
                fields[-1] += char
            else:
                _add_quoted(fields, raw[at + 1 : end - 1], variables, depth)
            started, at = True, end
        elif char == "`":
            at = _end_of_quote(raw, at)
            fields[-1] += UNKNOWN
            started = True
        elif char == "$":
            value, at = _substitution(raw, at, variables, depth)
            started |= bool(value)
            # An unquoted variable is split into words, as the shell does.
            parts = list(value) if isinstance(value, tuple) else re.split(r"[ \t\n]+", value)
            fields[-1] += parts[0] if parts else ""
            fields += parts[1:]
        else:
            fields[-1] += char
            started, at = True, at + 1
    return [field[:_LONGEST_VALUE] for field in fields if field or (started and len(fields) == 1)]


def expand_one(raw: str, variables: Mapping[str, Value]) -> str:
    """The single value of an assignment's right-hand side (no splitting into words)."""
    return " ".join(expand(raw, variables)) if raw else ""


def _add_quoted(fields: list[str], inner: str, variables: Mapping[str, Value], depth: int) -> None:
    at = 0
    while at < len(inner):
        char = inner[at]
        if char == "\\" and inner[at + 1 : at + 2] in {'"', "\\", "$", "`", "\n"}:
            fields[-1] += inner[at + 1].replace("\n", "")
            at += 2
        elif char == "`":
            at = _end_of_quote(inner, at)
            fields[-1] += UNKNOWN
        elif char == "$":
            value, at = _substitution(inner, at, variables, depth)
            if isinstance(value, tuple):  # "${ARRAY[@]}" keeps its elements apart
                fields[-1] += value[0] if value else ""
                fields += value[1:]
            else:
                fields[-1] += value
        else:
            fields[-1] += char
            at += 1


def _substitution(raw: str, at: int, variables: Mapping[str, Value], depth: int) -> tuple[Value, int]:
    """(value, index behind) of the `$...` at `at`."""
    following = raw[at + 1 : at + 2]
    if following == "(":
        return UNKNOWN, _closing(raw, at + 1, "(", ")")
    if following == "{":
        end = _closing(raw, at + 1, "{", "}")
        if end == at + 2:
            return UNKNOWN, end
        return _parameter(raw[at + 2 : end - 1], variables, depth), end
    name = _NAME.match(raw, at + 1)
    if name is not None:
        return _plain(variables.get(name[0], UNKNOWN)), name.end()
    if following and following in "0123456789@*#?!-$":
        value = variables.get(following, UNKNOWN)
        return value, at + 2
    return "$", at + 1


def _plain(value: Value) -> str:
    """`$ARRAY` is the array's first element."""
    return (value[0] if value else "") if isinstance(value, tuple) else value


def _parameter(inner: str, variables: Mapping[str, Value], depth: int) -> Value:
    match = _PARAMETER.fullmatch(inner)
    if match is None or depth >= _DEEPEST or inner.startswith("!"):
        return UNKNOWN
    name, index, operation = match[1], match[2], match[3]
    value = variables.get(name)
    if not operation:
        if value is None:
            return UNKNOWN
        return value if index in {"[@]", "[*]"} or name in {"@", "*"} else _plain(value)
    word = re.fullmatch(r"(:?[-=])(.*)", operation, re.DOTALL)
    if word is None:  # ${A%.py}, ${A//x/y}, ${#A}, ${A:?message}
        return value if value is not None and operation.startswith((":?", "?")) else UNKNOWN
    if value is None or (value == "" and word[1].startswith(":")):
        return " ".join(expand(word[2], variables, depth + 1))
    return value
