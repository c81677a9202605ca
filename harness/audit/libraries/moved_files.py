"""Token files under another name: copies, links and renames that put validation where training is read."""

from __future__ import annotations

import fnmatch
import shlex
from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import Sequence
from harness.audit.interpreter.values import NONE, Value
from harness.audit.libraries import files
from harness.audit.libraries.registry import on_call, on_method
from harness.audit.regions import Split

if TYPE_CHECKING:
    import ast

    from harness.audit.interpreter.machine import Machine

_MOVED = "moved token files"
_NAMES_AT_MOST = 64
_COMMANDS = frozenset({"cp", "ln", "mv", "rsync"})
_WORDS_AT_MOST = 40

Args = list[Value]
Kwargs = dict[str, Value]


@on_call(
    "shutil.copy",
    "shutil.copy2",
    "shutil.copyfile",
    "shutil.copytree",
    "shutil.move",
    "os.symlink",
    "os.link",
    "os.rename",
    "os.replace",
    "os.renames",
)
def _moved(machine: Machine, _path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    given = [*args, *kwargs.values()]
    if len(given) >= 2:
        put(machine, files.path_text(given[0]), files.path_text(given[1]), node)
    return None


@on_method("symlink_to", "hardlink_to", "link_to")
def _linked(
    machine: Machine, receiver: Value, _name: str, args: Args, kwargs: Kwargs, node: ast.AST
) -> Value | None:
    given = [*args, *kwargs.values()]
    if given:
        put(machine, files.path_text(given[0]), files.path_text(receiver), node)
    return None


@on_method("rename", "replace")
def _renamed(
    machine: Machine, receiver: Value, _name: str, args: Args, _kwargs: Kwargs, node: ast.AST
) -> Value | None:
    path = files.path_text(receiver)
    if len(args) == 1 and path:  # `text.replace(old, new)` has two
        put(machine, path, files.path_text(args[0]), node)
    return None


@on_call(
    "subprocess.run",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "os.system",
    "os.popen",
)
def _command(machine: Machine, _path: str, args: Args, kwargs: Kwargs, node: ast.AST) -> Value | None:
    words = _words(args[0] if args else kwargs.get("args", NONE))
    if words and words[0].rsplit("/", 1)[-1] in _COMMANDS:
        paths = [word for word in words[1:] if not word.startswith("-")]
        for source in paths[:-1]:
            put(machine, source, paths[-1], node)
    return None


def _words(given: Value) -> list[str]:
    if isinstance(given.ref, Sequence):
        return [files.path_text(one) for one in given.ref.elements[:_WORDS_AT_MOST]]
    try:
        return shlex.split(files.path_text(given))[:_WORDS_AT_MOST]
    except ValueError:
        return []


def put(machine: Machine, source: str, target: str, node: ast.AST) -> None:
    """A file or folder of validation tokens got another name."""
    from harness.audit.libraries import token_files

    moved: list[str] = machine.facts.setdefault(_MOVED, [])
    known = token_files.split_of(source) is Split.VALIDATION or holds_validation(machine, source)
    if known and not target.strip("{}"):
        machine.cannot_see("moved-validation", "validation gets a name that is not known", node, on_path=True)
    elif known and token_files.split_of(target) is not Split.VALIDATION:
        name = source.rsplit("/", 1)[-1]
        # Into a folder it keeps its own name, which says what it is; a folder itself may be what is linked.
        if len(moved) < _NAMES_AT_MOST and target not in moved:
            moved.append(target if not target.endswith("/") else target + name)


def holds_validation(machine: Machine, pattern: str) -> bool:
    """Whether the files of a pattern may be validation under another name; `{}` is anything."""
    wanted = pattern.replace("{}", "*").removeprefix("./")
    for name in machine.facts.get(_MOVED, ()):
        own = name.replace("{}", "*").removeprefix("./")
        if fnmatch.fnmatchcase(own, wanted) or fnmatch.fnmatchcase(wanted, own):
            return True
        if fnmatch.fnmatchcase(own.rsplit("/", 1)[-1], wanted.rsplit("/", 1)[-1]) and "." in own:
            return True
        if wanted.startswith(own.rstrip("/") + "/"):
            return True
    return False
