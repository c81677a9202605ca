"""Run commands of a README: fenced and indented blocks, and commands in line.

Blocks that only set variables count for the commands after them, as a reader would type both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.audit.profiles.launches import Launch, is_known, launches_in, with_listed
from harness.audit.profiles.shell_commands import Shell

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_PAIR = re.compile(r"[A-Z][A-Z0-9_]{1,60}=")
# "SEED=<seed>": what a reader fills in.
_PLACEHOLDER = re.compile(r"<[A-Za-z0-9_][\w ,./|-]{0,60}>")
_FEWEST_PAIRS = 2


@dataclass(frozen=True, slots=True)
class Block:
    """Text that may be shell, and the line of its first line."""

    text: str
    first_line: int
    in_line: bool = False


def readme_launches(path: str, text: str, entry: str, scripts: Mapping[str, str]) -> list[Launch]:
    """Every command of the README that starts the entry script, also by a shell script of the folder.

    Without a command, an environment that is listed alone gives one.
    """
    shell = Shell(file=path, scripts=scripts)
    listing = _Listing(path)
    found: list[Launch] = []
    for block in blocks_of(text):
        if _is_listing(block):
            listing.add(block)
            continue
        own = Shell(
            file=path,
            first_line=block.first_line,
            variables=dict(shell.variables),
            settings=dict(shell.settings),
            exported=set(shell.exported),
            scripts=scripts,
        )
        own.read(_PLACEHOLDER.sub("$(x)", _PROMPT.sub("", block.text)))
        launches = launches_in(own.commands, entry)
        if not launches and not block.in_line:
            # Exports of a block without a run stay for the next one; those of an experiment do not.
            shell.variables, shell.settings, shell.exported = own.variables, own.settings, own.exported
        listed = listing.settings(in_line=False)
        if not block.in_line:
            launches = [with_listed(launch, listed) for launch in launches]
        known = {(one.argv, one.world_size) for one in found}
        found += [
            one
            for one in launches
            if not block.in_line or one.environment or (one.argv, one.world_size) not in known
        ]
    listed = listing.settings(in_line=True)
    if not found and listed:
        line = min(one.line for one in listed.values())
        return [Launch(environment=listed, unknown=(), argv=(), world_size=8, file=path, line=line)]
    return found


class _Listing:
    """The environment a README lists without a command. Lists that contradict each other count as none."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._settings: dict[bool, dict[str, Setting]] = {False: {}, True: {}}
        self._contradicts = {False: False, True: False}

    def add(self, block: Block) -> None:
        """Take in a block of pairs."""
        known = self._settings[block.in_line]
        for name, setting in _listed_settings(self.path, block).items():
            if known.setdefault(name, setting).value != setting.value:
                self._contradicts[block.in_line] = True

    def settings(self, *, in_line: bool) -> dict[str, Setting]:
        """What blocks list; with `in_line` also what lists inside of sentences say."""
        listed = {} if self._contradicts[False] else self._settings[False]
        if listed or not in_line or self._contradicts[True] or self._contradicts[False]:
            return dict(listed)
        return dict(self._settings[True])


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
            blocks += [
                Block(match[1], at + 1, in_line=True)
                for match in _IN_LINE.finditer(line)
                if _STARTS.search(match[1]) or _PAIR_LINE.match(match[1])
            ]
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


def _is_listing(block: Block) -> bool:
    """True for a block of nothing but `NAME=value` pairs: the environment of the run, not a command."""
    lines = [line for line in block.text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    pairs = sum(len(_PAIR.findall(line)) for line in lines[:MOST_LINES])
    return pairs >= _FEWEST_PAIRS and all(_PAIR_LINE.match(line) for line in lines)


def _listed_settings(path: str, block: Block) -> dict[str, Setting]:
    shell = Shell(file=path, first_line=block.first_line, exports_all=True)
    shell.read(re.sub(r"\\[ \t]*(?=\n|$)", "", block.text))
    settings = {name: shell.settings[name] for name in sorted(shell.exported)}
    # A list in a sentence separates its pairs with commas.
    cleaned = {name: replace(one, value=one.value.rstrip(",;")) for name, one in settings.items()}
    return {name: one for name, one in cleaned.items() if is_known(one.value)}
