"""Where the blocks, arms, functions and commands of a shell text begin and end."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.audit.profiles.shell_words import Token

_ENDS = {";", "\n", "&", "&&", "||", "|", "|&", ";;", "(", ")"}
_OPENING = {"if", "for", "while", "until", "case", "select"}
CLOSING = {"fi", "done", "esac"}
SILENT = {"then", "do", "{", "}", "!", "time"}


def is_word(token: Token, text: str) -> bool:
    """Whether the token is this word, not an operator."""
    return not token.is_operator and token.text == text


def starts_function(tokens: list[Token], at: int) -> bool:
    """Whether a function is defined here: `function NAME` or `NAME()`."""
    if tokens[at].text == "function":
        return at + 1 < len(tokens) and not tokens[at + 1].is_operator
    follow = [token.text for token in tokens[at + 1 : at + 3]]
    return follow == ["(", ")"] and re.fullmatch(r"[\w-]+", tokens[at].text) is not None


def end_of_block(tokens: list[Token], at: int) -> int:
    """Index of the word that closes the loop or branch at `at`; the end of the text without one."""
    depth = 0
    starts = True  # keywords count only where a command may start
    for index in range(at, len(tokens)):
        token = tokens[index]
        if token.is_operator:
            starts = True
            continue
        if starts and token.text in _OPENING:
            depth += 1
        elif starts and token.text in CLOSING:
            depth -= 1
            if not depth:
                return index
        starts = starts and (token.text in SILENT or token.text in {"else", "elif"})
    return len(tokens)


def arms_of(tokens: list[Token]) -> list[list[Token]]:
    """The arms of an `if` or `case`, split at its own `else`, `elif` and `;;`."""
    arms: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if not token.is_operator and token.text in _OPENING:
            depth += 1
        elif not token.is_operator and token.text in CLOSING:
            depth -= 1
        elif not depth and (
            (token.is_operator and token.text == ";;")
            or (not token.is_operator and token.text in {"else", "elif"})
        ):
            arms.append([])
            continue
        arms[-1].append(token)
    return arms


def command_at(tokens: list[Token], at: int) -> tuple[int, list[Token], list[str]]:
    """(index behind the command, its words, raw names of files its output goes to by redirection or tee)."""
    words: list[Token] = []
    targets: list[str] = []
    index = at
    while index < len(tokens):
        token = tokens[index]
        index += 1
        if not token.is_operator:
            words.append(token)
        elif token.text in _ENDS:
            break
        elif index < len(tokens) and not tokens[index].is_operator:
            if ">" in token.text and not token.text.endswith("&"):
                targets.append(tokens[index].text)
            index += 1
    if index < len(tokens) and tokens[index - 1].text in {"|", "|&"} and is_word(tokens[index], "tee"):
        for token in tokens[index + 1 : index + 8]:
            if token.is_operator:
                break
            if not token.text.startswith("-"):
                targets.append(token.text)
    return index, words, targets


def nested_text(words: list[str]) -> str | None:
    """The text of `bash -c TEXT`, also behind nohup and the like."""
    for index, word in enumerate(words[:6]):
        if PurePosixPath(word).name in {"bash", "sh"} and index + 2 < len(words):
            flag = words[index + 1]
            return words[index + 2] if re.fullmatch(r"-[a-z]*c", flag) else None
    return None
