"""Which commands a shell text gives, with the environment each of them is started in.

The text is read from top to bottom: assignments, `export`, loops over known words, functions where they are
called, scripts of the folder where they are started. What a branch may have set is unknown behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.audit.profiles.shell_grammar import (
    CLOSING,
    SILENT,
    arms_of,
    command_at,
    end_of_block,
    is_word,
    nested_text,
    starts_function,
)
from harness.audit.profiles.shell_words import UNKNOWN, Token, Value, expand, expand_one, shell_tokens
from harness.audit.run_profile import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_COMMANDS = 400
MOST_STEPS = 20_000
MOST_PASSES = 6  # of one loop: seeds, a small sweep
_DEEPEST = 4  # functions and scripts inside each other
_MOST_BLOCKS = 8  # loops and branches inside each other
_TOKENS_PER_STEP = 20
_MOST_WORDS = 2_000

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=(.*)", re.DOTALL)
_BLOCKS = {"for", "select", "if", "case"}
_PASSED_OVER = _BLOCKS | SILENT | CLOSING | {"while", "until"}
_EXPORTERS = {"export", "declare", "typeset", "local", "readonly"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """A simple command: its words without assignments, and what it finds in its environment.

    Values that only a running shell would know hold `UNKNOWN`. `written_to` are names of files that take its
    output.
    """

    words: tuple[str, ...]
    environment: Mapping[str, Setting]
    file: str
    line: int
    written_to: tuple[str, ...] = ()


@dataclass(slots=True)
class Shell:
    """The state a text is read in: variables, what is exported, and the commands found so far.

    `scripts` are other shell texts by path, read where a command starts them.
    """

    file: str
    first_line: int = 1
    variables: dict[str, Value] = field(default_factory=dict)
    settings: dict[str, Setting] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    scripts: Mapping[str, str] = field(default_factory=dict)
    commands: list[ShellCommand] = field(default_factory=list)
    functions: dict[str, list[Token]] = field(default_factory=dict)
    steps_left: int = MOST_STEPS
    exports_all: bool = False
    depth: int = 0
    blocks: int = 0  # loops and branches around the current command

    def read(self, text: str) -> None:
        """Read a text from top to bottom, adding to `commands`."""
        self._run(shell_tokens(text))

    def assign(self, name: str, value: Value, line: int, *, export: bool = False) -> None:
        """Set a variable, as if the text at this line had."""
        self.variables[name] = value
        text = value if isinstance(value, str) else " ".join(value)
        number = self.first_line + line - 1
        self.settings[name] = Setting(value=text, source=f"{self.file}:{number}", file=self.file, line=number)
        if export or self.exports_all:
            self.exported.add(name)

    def _run(self, tokens: list[Token]) -> None:
        at = 0
        while at < len(tokens) and self.steps_left > 0 and len(self.commands) < MOST_COMMANDS:
            self.steps_left -= 1
            token = tokens[at]
            if token.is_operator:
                at += 1
            elif token.text in _BLOCKS and self.blocks < _MOST_BLOCKS:
                self.blocks += 1
                read = self._loop if token.text in {"for", "select"} else self._branches
                at = read(tokens, at)
                self.blocks -= 1
            elif token.text in _PASSED_OVER:
                at += 1
            elif starts_function(tokens, at):
                at = self._define(tokens, at)
            else:
                at, words, written_to = command_at(tokens, at)
                self._command(words, written_to)

    def _loop(self, tokens: list[Token], at: int) -> int:
        """`for NAME in WORDS; do ...; done`: one pass for each known word, at most `MOST_PASSES`."""
        end = end_of_block(tokens, at)
        self.steps_left -= (end - at) // _TOKENS_PER_STEP  # looking ahead is work, too
        head = at + 1
        body = next((i for i in range(head, end) if is_word(tokens[i], "do")), end)
        words = [t for t in tokens[head:body] if not t.is_operator]
        if len(words) >= 2 and words[1].text == "in":
            values = [value for word in words[2:] for value in expand(word.text, self.variables)]
            for value in values[:MOST_PASSES] or [UNKNOWN]:
                self.assign(words[0].text, value, words[0].line)
                self._run(tokens[body + 1 : end])
        else:
            if words:
                self.assign(words[0].text, UNKNOWN, words[0].line)
            self._run(tokens[body + 1 : end])
        return end + 1

    def _branches(self, tokens: list[Token], at: int) -> int:
        """`if` and `case`: every arm from the same state; what any arm changed is unknown behind them."""
        end = end_of_block(tokens, at)
        self.steps_left -= (end - at) // _TOKENS_PER_STEP
        before, settings, exported = dict(self.variables), dict(self.settings), set(self.exported)
        changed: dict[str, set[str]] = {}
        joined_exports = set(exported)
        for arm in arms_of(tokens[at + 1 : end]):
            self.variables, self.settings, self.exported = dict(before), dict(settings), set(exported)
            self._run(arm)
            joined_exports |= self.exported
            for name, value in self.variables.items():
                if before.get(name) != value:
                    changed.setdefault(name, set()).add(str(value))
        self.variables, self.settings, self.exported = before, settings, joined_exports
        for name in changed:
            self.assign(name, UNKNOWN, tokens[at].line)
        return end + 1

    def _define(self, tokens: list[Token], at: int) -> int:
        """Keep a function's body for where it is called."""
        name = tokens[at + 1] if tokens[at].text == "function" else tokens[at]
        start = next((i for i in range(at, min(at + 6, len(tokens))) if is_word(tokens[i], "{")), at)
        depth = 0
        for index in range(start, len(tokens)):
            if is_word(tokens[index], "{"):
                depth += 1
            elif is_word(tokens[index], "}"):
                depth -= 1
                if not depth:
                    self.functions[name.text] = tokens[start + 1 : index]
                    return index + 1
        return at + 3

    def _command(self, words: list[Token], written_to: list[str]) -> None:
        index = 0
        own: dict[str, Value] = {}
        while index < len(words) and (match := _ASSIGNMENT.fullmatch(words[index].text)) is not None:
            own[match[1]] = self._value_of(match)
            index += 1
        if index == len(words):
            for position, (name, value) in enumerate(own.items()):
                self.assign(name, value, words[min(position, len(words) - 1)].line)
            return
        line = words[index].line
        values = [
            value for word in words[index:][:_MOST_WORDS] for value in expand(word.text, self.variables)
        ]
        if not values:
            return
        if values[0] in _EXPORTERS:
            self._export(words[index + 1 :], is_export=values[0] == "export" or "-x" in values[1:3])
            return
        if values[0] == "set":
            self.exports_all |= "-a" in values or ("-o" in values and "allexport" in values)
            self.exports_all &= "+a" not in values
            return
        if values[0] == "unset":
            for name in values[1:]:
                self.variables.pop(name, None)
                self.exported.discard(name)
            return
        environment = {name: self.settings[name] for name in self.exported if name in self.settings}
        for position, (name, value) in enumerate(own.items()):
            number = self.first_line + words[position].line - 1
            text = value if isinstance(value, str) else " ".join(value)
            environment[name] = Setting(
                value=text, source=f"{self.file}:{number}", file=self.file, line=number
            )
        targets = tuple(value for word in written_to for value in expand(word, self.variables))
        self._start(values, environment, line, targets)

    def _value_of(self, assignment: re.Match[str]) -> Value:
        """The right-hand side of an assignment, behind the old value for `+=`."""
        name, appends, raw = assignment.groups()
        known = self.variables.get(name) if appends else None
        if not raw.startswith("("):
            old = known if isinstance(known, str) else ""
            return old + expand_one(raw, self.variables)
        items = [
            value
            for word in shell_tokens(raw[1:].removesuffix(")"))
            if not word.is_operator
            for value in expand(word.text, self.variables)
        ]
        return (*known, *items) if isinstance(known, tuple) else tuple(items)

    def _export(self, words: list[Token], *, is_export: bool) -> None:
        for word in words:
            match = _ASSIGNMENT.fullmatch(word.text)
            if match is not None:
                self.assign(match[1], self._value_of(match), word.line, export=is_export)
                continue
            for name in expand(word.text, self.variables):
                pair = _ASSIGNMENT.fullmatch(name)
                if pair is not None:
                    self.assign(pair[1], pair[3], word.line, export=is_export)
                elif is_export and re.fullmatch(r"[A-Za-z_]\w*", name):
                    self.exported.add(name)

    def _start(
        self, words: list[str], environment: dict[str, Setting], line: int, targets: tuple[str, ...]
    ) -> None:
        """A command is started: a function or a script of the folder is read, anything else is kept."""
        if words[0] in self.functions and self.depth < _DEEPEST:
            saved = {key: self.variables.get(key) for key in "123456789@"}
            positions: dict[str, Value] = {str(n): word for n, word in enumerate(words[1:10], 1)}
            self.variables |= {**positions, "@": tuple(words[1:])}
            self.depth += 1
            self._run(self.functions[words[0]])
            self.depth -= 1
            for key, value in saved.items():
                if value is None:
                    self.variables.pop(key, None)
                else:
                    self.variables[key] = value
            return
        script = self._script(words)
        if script is not None and self.depth < _DEEPEST:
            path, arguments = script
            inner = Shell(
                file=path, scripts=self.scripts, depth=self.depth + 1, steps_left=self.steps_left // 2
            )
            inner.settings = dict(environment)
            inner.exported = set(environment)
            inner.variables = {name: setting.value for name, setting in environment.items()}
            inner.variables |= {str(n): word for n, word in enumerate(arguments[:9], 1)}
            inner.variables |= {"@": tuple(arguments), "#": str(len(arguments))}
            inner.read(self.scripts[path])
            self.steps_left -= MOST_STEPS // 100
            self.commands += inner.commands
            return
        nested = nested_text(words)
        if nested is not None and self.depth < _DEEPEST:
            inner = Shell(
                file=self.file,
                first_line=self.first_line + line - 1,
                variables=dict(self.variables),
                settings={**self.settings, **environment},
                exported=self.exported | set(environment),
                scripts=self.scripts,
                depth=self.depth + 1,
                steps_left=self.steps_left // 2,
            )
            inner.read(nested)
            self.steps_left -= MOST_STEPS // 100
            self.commands += inner.commands
            return
        number = self.first_line + line - 1
        self.commands.append(
            ShellCommand(
                words=tuple(words), environment=environment, file=self.file, line=number, written_to=targets
            )
        )

    def _script(self, words: list[str]) -> tuple[str, list[str]] | None:
        """(path, arguments) when the command starts a shell script of the folder."""
        rest = words[1:] if words[0] in {"bash", "sh", "zsh", "source", ".", "nohup", "exec"} else words
        while rest and (rest[0] in {"bash", "sh"} or (rest[0].startswith("-") and rest[0] != "-c")):
            rest = rest[1:]
        if not rest or not rest[0].endswith(".sh"):
            return None
        name = PurePosixPath(rest[0]).name
        path = next((p for p in self.scripts if PurePosixPath(p).name == name and p != self.file), None)
        return (path, rest[1:]) if path is not None else None
