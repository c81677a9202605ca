"""Commands that start the entry script: their environment, arguments and number of processes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.audit.profiles.shell_commands import Shell
from harness.audit.profiles.shell_words import UNKNOWN
from harness.audit.run_profile import Setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.audit.profiles.shell_commands import ShellCommand

# Words that may stand before the program that is really started.
_FRONTS = {
    "env", "time", "nohup", "exec", "command", "sudo", "timeout", "nice", "stdbuf", "uv", "run", "poetry",
    "pipenv", "conda", "srun", "numactl", "taskset", "unbuffer", "script", "bash", "accelerate", "launch",
    "$", "watch", "caffeinate", "setsid", "modal", "\\time",
}  # fmt: skip
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*")
_LAUNCHERS = {"torchrun", "torch.distributed.run", "torch.distributed.launch"}
_WITH_VALUE = re.compile(
    r"--?(?:nproc[-_]per[-_]node|nnodes|node[-_]rank|master[-_]addr|master[-_]port|rdzv[-_]\w+|max[-_]restarts"
    r"|log[-_]dir|redirects|tee|start[-_]method|monitor[-_]interval|role|W|X|num[-_]processes|mixed[-_]precision"
    r"|config[-_]file|num[-_]machines)"
)
_PROCESSES = re.compile(r"--?(?:nproc[-_]per[-_]node|num[-_]processes)(?:=(.*))?", re.DOTALL)
_FRONT_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PLACEHOLDER = re.compile(r"\.\.\.|…|[{}<>]|^\$")
_FRONT_WORDS_AT_MOST = 400
MOST_PROCESSES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One documented way to start the script. `unknown` names are set to what only a shell would know."""

    environment: Mapping[str, Setting]
    unknown: tuple[str, ...]
    argv: tuple[str, ...]
    world_size: int
    file: str
    line: int
    written_to: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """File and line, as messages quote them."""
        return f"{self.file}:{self.line}"


def launches_in(commands: Iterable[ShellCommand], entry: str) -> list[Launch]:
    """The commands among these that start the entry script."""
    found = [launch_of(command, entry) for command in commands]
    return [launch for launch in found if launch is not None]


def launches_of_script(path: str, text: str, entry: str, scripts: Mapping[str, str]) -> list[Launch]:
    """What a shell script of the folder starts when it is run as it stands."""
    shell = Shell(file=path, scripts=scripts)
    shell.variables |= {"@": (), "#": "0", "*": ""}
    shell.read(text)
    return launches_in(shell.commands, entry)


def launch_of(command: ShellCommand, entry: str) -> Launch | None:
    """The launch a command is; None when it starts something else."""
    words = command.words
    environment = dict(command.environment)
    at = 0
    while at < min(len(words), _FRONT_WORDS_AT_MOST) and not _starts(words[at]):
        pair = _FRONT_ASSIGNMENT.fullmatch(words[at])
        if pair is not None:
            environment[pair[1]] = Setting(
                value=pair[2],
                source=f"{command.file}:{command.line}",
                file=command.file,
                line=command.line,
            )
        elif not _may_stand_before(words, at):
            return None
        at += 1
    if at >= min(len(words), _FRONT_WORDS_AT_MOST):
        return None
    if _PYTHON.fullmatch(PurePosixPath(words[at]).name):
        launcher, at = "python", at + 1
    elif words[at].endswith(".py"):
        launcher = "python"
    else:
        launcher, at = "torchrun", at + 1
    processes: int | None = 1
    while at < len(words) and (words[at].startswith("-") or words[at] == UNKNOWN):
        word = words[at]
        if word in {"-m", "--module"} and at + 1 < len(words):
            at += 1
            if words[at] in _LAUNCHERS:
                launcher = "torchrun"
            else:
                break
        elif word == "-c":
            return None
        elif (match := _PROCESSES.fullmatch(word)) is not None:
            value = match[1]
            if value is None and at + 1 < len(words):
                at += 1
                value = words[at]
            processes = _count(value or "")
        elif _WITH_VALUE.fullmatch(word):
            at += 1
        at += 1
    if at >= len(words) or not _is_entry(words[at], entry, launcher):
        return None
    return Launch(
        environment={name: one for name, one in sorted(environment.items()) if is_known(one.value)},
        unknown=tuple(sorted(name for name, one in environment.items() if not is_known(one.value))),
        argv=tuple(words[at + 1 :]),
        world_size=processes or 8,
        file=command.file,
        line=command.line,
        written_to=tuple(PurePosixPath(name).name for name in command.written_to if UNKNOWN not in name),
    )


def is_known(value: str) -> bool:
    """False for what only a running shell would know, and for a placeholder such as `...` or `{seed}`."""
    return UNKNOWN not in value and _PLACEHOLDER.search(value) is None


def _starts(word: str) -> bool:
    name = PurePosixPath(word).name
    return name in _LAUNCHERS or _PYTHON.fullmatch(name) is not None or name.endswith(".py")


def _may_stand_before(words: tuple[str, ...], at: int) -> bool:
    word = PurePosixPath(words[at]).name
    if word in _FRONTS or word.startswith("-") or word == UNKNOWN:
        return True
    # The value of an option of a word in front ("timeout 700", "nice -n 5", "conda run -n golf").
    return at > 0 and (words[at - 1].startswith("-") or re.fullmatch(r"[\d.]+[smhd]?", word) is not None)


def _count(text: str) -> int | None:
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST_PROCESSES:
        return int(text[:6])
    return None


def _is_entry(word: str, entry: str, launcher: str) -> bool:
    """True for the entry's file name in any folder, its module name, or a name only a shell would know."""
    name = PurePosixPath(word.replace(UNKNOWN, "?")).name
    own = PurePosixPath(entry).name
    if name == own or name.removesuffix(".py").rpartition(".")[2] == own.removesuffix(".py"):
        return True
    return UNKNOWN in word and launcher == "torchrun" and name in {"?", "?.py"}


def with_listed(launch: Launch, settings: Mapping[str, Setting]) -> Launch:
    """The launch with settings listed apart from the command, where it does not set them itself."""
    return replace(launch, environment={**settings, **launch.environment})
