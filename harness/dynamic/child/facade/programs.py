"""Answers for the programs that scripts start: nvidia-smi's table, lrzip, pyminify; all others are refused.

Compilers run as they are, in the sandbox like everything else: some scripts build a helper in C.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.dynamic.child.facade.cuda_module import GPU_NAME
from harness.dynamic.child.facade.made_modules import is_installed
from harness.dynamic.child.facade.told import tell

_RUN_AS_THEY_ARE = frozenset({"cc", "gcc", "g++", "c++", "clang", "clang++", "ld", "as", "ninja"})
_REFUSED = 1
_NVIDIA_SMI = (
    "NVIDIA-SMI 570.00    Driver Version: 570.00    CUDA Version: 12.8\n"
    f"|   0  {GPU_NAME}   On  | 1024MiB / 81559MiB |\n"
)
_LRZIP_WITH_VALUE = frozenset({"-o", "-O", "-S", "-p", "-L", "-N", "-w", "-m", "-T"})


class AnsweredProcess:
    """`subprocess.Popen` of a program that is answered here; it has ended when it exists."""

    def __init__(self, args: Any, **options: Any) -> None:
        self.args = args
        self.pid = 1
        self._as_text = any(
            options.get(name) for name in ("text", "universal_newlines", "encoding", "errors")
        )
        self._command = command_words(args)
        self._piped = {name: options.get(name) == subprocess.PIPE for name in ("stdout", "stderr")}
        self._stdout = options.get("stdout")
        self.stdin = io.BytesIO() if options.get("stdin") == subprocess.PIPE else None
        self.returncode: int = 0
        self._said: tuple[bytes, bytes] | None = None
        if self.stdin is None:
            self._answer(b"")
            self.stdout, self.stderr = self._streams()

    def _answer(self, given: bytes) -> tuple[bytes, bytes]:
        if self._said is None:
            code, out, error = answer(self._command, given)
            self.returncode, self._said = code, (out, error)
            if hasattr(self._stdout, "write"):
                stream: Any = self._stdout
                stream.write(out if "b" in getattr(stream, "mode", "w") else out.decode())
        return self._said

    def _shown(self, said: bytes, name: str) -> Any:
        if not self._piped[name]:
            return None
        return said.decode("utf-8", "replace") if self._as_text else said

    def _streams(self) -> tuple[Any, Any]:
        out, error = self._answer(b"")
        made = io.StringIO if self._as_text else io.BytesIO
        shown = [self._shown(out, "stdout"), self._shown(error, "stderr")]
        first, second = (None if one is None else made(one) for one in shown)
        return first, second

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:  # noqa: A002
        """What it said, given `input`."""
        given = input.encode() if isinstance(input, str) else input or b""
        out, error = self._answer(given)
        return self._shown(out, "stdout"), self._shown(error, "stderr")

    def poll(self) -> int:
        """Ended."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Ended."""
        return self.returncode

    def kill(self) -> None:
        """Ended."""

    terminate = kill

    def __enter__(self) -> AnsweredProcess:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""


def command_words(args: Any) -> list[str]:
    """The command as words, of a list or of a shell's line."""
    if isinstance(args, (str, bytes)):
        text = os.fsdecode(args)
        try:
            return shlex.split(text)
        except ValueError:
            return text.split()
    if isinstance(args, os.PathLike):
        return [os.fsdecode(args)]
    return [os.fsdecode(each) for each in args]


def answer(command: list[str], given: bytes) -> tuple[int, bytes, bytes]:
    """Exit status, output and errors of a command that is not run."""
    name = Path(command[0]).name if command else ""
    if name == "nvidia-smi":
        known = ", ".join(command[1:])
        text = f"{GPU_NAME}\n" if "--query-gpu" in known else _NVIDIA_SMI
        tell("subprocess", command=command[:20], answered=True)
        return 0, text.encode(), b""
    if name in {"lrzip", "lrunzip"}:
        tell("subprocess", command=command[:20], answered=True)
        return _lrzip(name, command[1:])
    if name == "pyminify" or "python_minifier" in command[1:3]:
        tell("subprocess", command=command[:20], answered=True)
        return _pyminify(command[1:], given)
    if command[1:4] == ["-m", "pip", "install"] and _are_installed(command[4:]):
        tell("subprocess", command=command[:20], answered=True)
        return 0, b"Requirement already satisfied\n", b""
    tell("subprocess", command=command[:20], answered=False)
    return _REFUSED, b"", f"{name}: the audit starts no programs\n".encode()


def _are_installed(words: list[str]) -> bool:
    """Whether all packages a script wants to install are here already."""
    names = [re.split(r"[<>=~!\[ ]", word)[0].replace("-", "_") for word in words if word[:1] != "-"]
    return bool(names) and all(is_installed(name) for name in names)


def _lrzip(name: str, words: list[str]) -> tuple[int, bytes, bytes]:
    """Lrzip's files with lzma inside: as small a container, and what was packed comes back."""
    unpacks = name == "lrunzip"
    target = folder = ""
    source = ""
    rest = iter(words)
    for word in rest:
        if word in _LRZIP_WITH_VALUE:
            value = next(rest, "")
            target = value if word == "-o" else target
            folder = value if word == "-O" else folder
        elif word in {"-d", "--decompress"} or (word[:1] == "-" and word[1:2] != "-" and "d" in word):
            unpacks = True
        elif not word.startswith("-"):
            source = word
    path = Path(source)
    if not target:
        target = source.removesuffix(".lrz") if unpacks else f"{source}.lrz"
        target = str(Path(folder) / Path(target).name) if folder else target
    try:
        data = path.read_bytes()
        Path(target).write_bytes(lzma.decompress(data) if unpacks else lzma.compress(data, preset=6))
    except (OSError, lzma.LZMAError) as error:
        return 1, b"", f"lrzip: {error}\n".encode()
    if "-D" in words:
        path.unlink()
    return 0, b"", b""


def _pyminify(words: list[str], given: bytes) -> tuple[int, bytes, bytes]:
    """The text as it is."""
    files = [Path(word) for word in words if word.endswith(".py")]
    try:
        text = given if not files else files[0].read_bytes()
        for option, value in pairwise(words):
            if option in {"-o", "--output"}:
                Path(value).write_bytes(files[0].read_bytes() if files else given)
                return 0, b"", b""
    except OSError as error:
        return 1, b"", f"pyminify: {error}\n".encode()
    return 0, text, b""


def install_programs() -> None:
    """Let `subprocess` and `os.system` answer. `subprocess.Popen` stays a class, as others derive from it."""
    real = subprocess.Popen

    class Popen(real):  # type: ignore[misc,valid-type]
        """Starts compilers; of other programs it is an answer."""

        def __new__(cls, args: Any = (), *rest: Any, **options: Any) -> Any:
            words = command_words(args)
            if words and Path(words[0]).name in _RUN_AS_THEY_ARE:
                tell("subprocess", command=words[:20], answered=True)
                return real(args, *rest, **options)
            return AnsweredProcess(args, **options)

    def system(command: Any) -> int:
        process = subprocess.run(command, shell=True, capture_output=True, check=False)
        sys.stdout.write(os.fsdecode(process.stdout))
        return process.returncode << 8

    subprocess.Popen = Popen  # type: ignore[misc]
    os.system = system
