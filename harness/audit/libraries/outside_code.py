"""Code that runs outside the script: other programs, native libraries, modules nobody can read."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.audit.interpreter.heap import Bound, Class, Extern, Function, Instance, Mapping, Sequence, Text
from harness.audit.interpreter.unbound_names import is_bound_nowhere
from harness.audit.interpreter.values import UNKNOWN, Source, Value, computed_from
from harness.audit.libraries.known_libraries import CALLED, is_foreign, is_native
from harness.audit.libraries.registry import on_call
from harness.audit.regions import Split

if TYPE_CHECKING:
    from harness.audit.interpreter.machine import Machine

WORDS_AT_MOST = 40
PATH_AT_MOST = 200
_PROGRAM = "program:"  # label of a path where this program was looked for
VALUES_AT_MOST = 200

# Programs that report on the machine, install, compile or compress: none of them trains or scores.
_HARMLESS = frozenset(
    {
        *(
            "nvidia-smi",
            "rocm-smi",
            "lscpu",
            "lsblk",
            "uname",
            "hostname",
            "whoami",
            "which",
            "where",
            "free",
        ),
        *(
            "df",
            "du",
            "date",
            "nproc",
            "cat",
            "echo",
            "ls",
            "mkdir",
            "rm",
            "cp",
            "mv",
            "ln",
            "chmod",
            "touch",
        ),
        *("git", "pip", "pip3", "uv", "apt", "apt-get", "conda", "wget", "curl", "pyminify"),
        *(
            "tar",
            "unzip",
            "xz",
            "gzip",
            "bzip2",
            "zstd",
            "brotli",
            "lrzip",
            "7z",
            "zpaq",
            "hf",
            "huggingface-cli",
        ),
        *("make", "cmake", "ninja", "gcc", "g++", "cc", "c++", "clang", "clang++", "nvcc", "cl", "cargo"),
    }
)
_HARMLESS_MODULES = frozenset({"pip", "ensurepip", "venv", "compileall", "zipfile", "json.tool"})


@on_call(
    "subprocess.run",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "os.system",
    "os.popen",
    "os.execv",
    "os.execve",
    "os.execvp",
    "os.execvpe",
    "os.execl",
    "os.execlp",
    "os.spawnv",
    "os.spawnvp",
    "os.spawnl",
    "os.posix_spawn",
    "os.posix_spawnp",
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
)
def _program(
    machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    words = _words([kwargs["args"]] if "args" in kwargs else args[:1])
    if path.startswith("os.") and len(args) > 1:
        words = words + _words(args[1:])
    first = _either(node) if words[:1] == [None] else []
    if not _is_harmless(words) and not (first and all(_is_harmless([one, *words[1:]]) for one in first)):
        shown = " ".join(word for word in words[:6] if word is not None) or "a command not known"
        machine.cannot_see("other-program", f"{path}: {shown}"[:PATH_AT_MOST], node, on_path=True)
    return None


@on_call("shutil.which")
def _which(
    _machine: Machine, _path: str, args: list[Value], _kwargs: dict[str, Value], _node: ast.AST
) -> Value | None:
    name = args[0].const if args else None
    return Value(source=Source(labels=frozenset({_PROGRAM + name}))) if isinstance(name, str) else None


def _words(given: list[Value]) -> list[str | None]:
    """The words of a command; None for one that is not known."""
    words: list[str | None] = []
    for value in given:
        if isinstance(value.ref, Sequence):
            words.extend(_word(one) for one in value.ref.elements[:WORDS_AT_MOST])
        elif isinstance(value.const, tuple):
            words.extend(str(one) for one in value.const[:WORDS_AT_MOST])
        elif isinstance(value.const, str):
            words.extend(value.const.split()[:WORDS_AT_MOST])
        elif isinstance(value.ref, Text):
            words.extend(value.ref.template.split()[:WORDS_AT_MOST])
        else:
            words.append(_word(value))
    return words


def _either(node: ast.AST) -> list[str]:
    """The programs of `run(["this" if a_setting else "that", ...])`; none when it is not written so."""
    command = node.args[0] if isinstance(node, ast.Call) and node.args else None
    first = command.elts[0] if isinstance(command, ast.List | ast.Tuple) and command.elts else None
    if not isinstance(first, ast.IfExp):
        return []
    arms = [one.value for one in (first.body, first.orelse) if isinstance(one, ast.Constant)]
    return [one for one in arms if isinstance(one, str)] if len(arms) > 1 else []


def _word(value: Value) -> str | None:
    if isinstance(value.const, str):
        return value.const
    if isinstance(value.ref, Extern) and value.ref.path == "sys.executable":
        return "python"
    named = [label for label in value.source.labels if label.startswith(_PROGRAM)]
    if len(named) == 1 and not value.is_known:
        return named[0].removeprefix(_PROGRAM)
    return value.ref.template if isinstance(value.ref, Text) else None


def _is_harmless(words: list[str | None]) -> bool:
    """Whether the first word is a harmless program, or Python runs a module that installs."""
    if not words or words[0] is None:
        return False
    first = words[0].rsplit("/", 1)[-1]
    if first in _HARMLESS and not any(word is not None and set(word) & set(";|&`$") for word in words):
        return True
    return (
        first.startswith("python") and len(words) > 2 and words[1] == "-m" and words[2] in _HARMLESS_MODULES
    )


def called(
    machine: Machine, path: str, args: list[Value], kwargs: dict[str, Value], node: ast.AST
) -> Value | None:
    """A call of native code or of a module nobody can read; None when the library is known.

    What such a call returns belongs to it as well: `library = load(...); library.learn(x)`.
    """
    native = is_native(path)
    if not native and not is_foreign(path):
        return None
    given = [*args, *kwargs.values()]
    source = computed_from(machine.deep_source(one) for one in given)
    # A name that is bound nowhere ends the script, unless something hidden bound it to act on what it gets.
    is_hidden = not (native or path.startswith("builtins.")) or reaches(machine, given)
    if is_hidden and not _ends_the_script(machine, path):
        machine.cannot_see("native-code" if native else "unknown-call", path, node, on_path=True)
    longer = path if path.endswith(CALLED) or len(path) > PATH_AT_MOST else path + CALLED
    return Value(UNKNOWN, machine.extern(longer).ref, source)


def _ends_the_script(machine: Machine, path: str) -> bool:
    """Whether a called name is bound nowhere, and nothing around catches the error."""
    root, _, name = path.partition(".")
    return (
        root == "builtins"
        and name.isidentifier()
        and not machine.tries
        and is_bound_nowhere(machine.program, name)
    )


def reaches(machine: Machine, given: list[Value]) -> bool:
    """Whether networks, scores, tokens to be scored or functions of the script are inside these values."""
    source = computed_from(machine.deep_source(one) for one in given)
    if source.scores or source.states or source.learned:
        return True
    if any(region.split in {Split.VALIDATION, Split.UNKNOWN} for region in source.reads):
        return True
    todo = list(given)
    for _ in range(VALUES_AT_MOST):
        if not todo:
            return False
        ref = todo.pop().ref
        if isinstance(ref, Function | Bound | Class):
            return True
        if isinstance(ref, Instance) and (ref.is_module or ref.library.startswith("torch.optim")):
            return True
        if isinstance(ref, Sequence | Mapping):
            todo.extend(ref.slots.values())
    return True
