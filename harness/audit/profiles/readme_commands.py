"""Run commands of a README: fenced and indented blocks, and commands in line.

Blocks that only set variables count for the commands after them, as a reader would type both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.profiles.launches import launches_in, with_defaults
from harness.audit.profiles.shell_commands import Shell
from harness.audit.profiles.shell_words import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.audit.profiles.launches import Launch
    from harness.audit.run_profile import Setting

MOST_LINES = 20_000
MOST_BLOCKS = 300
LONGEST_BLOCK = 40_000  # characters; the longest real one has 6,000
_LONGEST_LINE = 20_000

_FENCE = re.compile(r"[ \t>*-]{0,12}(`{3,}|~{3,})[ \t]*([\w+#.-]{0,30})")
# Output, code and data are fenced too; a block without a language may be anything.
_NO_SHELL = re.compile(
    r"(?i)(?:py\w*|json\w*|ya?ml|toml|diff|c\+?\+?|cpp|cuda|rust|math|latex|mermaid|html|output|log|ini|csv)$"
)
_PROMPT = re.compile(r"^[ \t]*(?:\([\w.-]{1,30}\)[ \t]*)?(?:[\w.@~:/-]{0,60})?[$%][ \t]+(?=\S)", re.MULTILINE)
_IN_LINE = re.compile(r"`([^`\n]{8,4000})`")
_STARTS = re.compile(r"torchrun|python|torch\.distributed|\.sh\b")
_PAIR_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?(?:[A-Z][A-Z0-9_]{1,60}=[^\s=]\S*[ \t]*)+\\?(?:#.*)?$")
_FEWEST_PAIRS = 2


@dataclass(frozen=True, slots=True)
class Block:
    """Text that may be shell, and the line of its first line."""

    text: str
    first_line: int
    in_line: bool = False


def readme_launches(path: str, text: str, entry: str, scripts: Mapping[str, str]) -> list[Launch]:
    """Every command of the README that starts the entry script, also by a shell script of the folder."""
    shell = Shell(file=path, scripts=scripts)
    listed: dict[str, Setting] = {}
    listings = 0
    found: list[Launch] = []
    for block in blocks_of(text):
        if not block.in_line and _is_listing(block.text):
            listings += 1
            listed = _listed_settings(path, block)
            continue
        own = Shell(
            file=path,
            first_line=block.first_line,
            variables=dict(shell.variables),
            settings=dict(shell.settings),
            exported=set(shell.exported),
            scripts=scripts,
        )
        own.read(_PROMPT.sub("", block.text))
        launches = launches_in(own.commands, entry)
        if not launches and not block.in_line:
            # Exports of a block without a run stay for the next one; those of an experiment do not.
            shell.variables, shell.settings, shell.exported = own.variables, own.settings, own.exported
        if listings == 1 and not block.in_line:
            launches = [with_defaults(launch, listed) for launch in launches]
        known = {(one.argv, one.world_size) for one in found}
        found += [
            one
            for one in launches
            if not block.in_line or one.environment or (one.argv, one.world_size) not in known
        ]
    return found


def blocks_of(text: str) -> list[Block]:
    """Fenced blocks (an unterminated one ends with the text), indented blocks, and commands in line."""
    blocks: list[Block] = []
    lines = text.replace("\r\n", "\n").split("\n")[:MOST_LINES]
    at = 0
    while at < len(lines) and len(blocks) < MOST_BLOCKS:
        line = lines[at][:_LONGEST_LINE]
        fence = _FENCE.match(line)
        if fence is not None:
            end = _end_of_fence(lines, at + 1, fence[1])
            if not _NO_SHELL.fullmatch(fence[2]):
                blocks.append(Block(_cut(lines[at + 1 : end]), at + 2))
            at = end + 1
        elif line.startswith(("    ", "\t")) and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith(("    ", "\t")) or not lines[end].strip()):
                end += 1
            blocks.append(Block(_cut([one.removeprefix("    ") for one in lines[at:end]]), at + 1))
            at = end
        else:
            for match in _IN_LINE.finditer(line):
                if _STARTS.search(match[1]):
                    blocks.append(Block(match[1], at + 1, in_line=True))
            at += 1
    return blocks


def _end_of_fence(lines: list[str], start: int, fence: str) -> int:
    for index in range(start, len(lines)):
        stripped = lines[index].strip().lstrip("> \t")
        if stripped.startswith(fence) and not stripped.strip(fence[0]):
            return index
    return len(lines)


def _cut(lines: list[str]) -> str:
    return "\n".join(line[:_LONGEST_LINE] for line in lines)[:LONGEST_BLOCK]


def _is_listing(text: str) -> bool:
    """True for a block of nothing but `NAME=value` pairs: the environment of the run, not a command."""
    lines = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    return len(lines) >= _FEWEST_PAIRS and all(_PAIR_LINE.match(line) for line in lines)


def _listed_settings(path: str, block: Block) -> dict[str, Setting]:
    shell = Shell(file=path, first_line=block.first_line, exports_all=True)
    shell.read(block.text.replace("\\\n", "\n"))
    return {
        name: shell.settings[name]
        for name in sorted(shell.exported)
        if UNKNOWN not in shell.settings[name].value
    }
