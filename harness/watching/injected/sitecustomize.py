"""Runs first in every Python process of a watched submission and tells a pipe what happens in it.

GOLF_EVENTS names the pipe; without it nothing is done. Standard library only, and nothing here may stop or
slow the script: every event is one short write that is given up when the pipe is full, and repeated ones are
counted and told at most every 20 ms. After itself it runs the `sitecustomize` it hides, if there is one.
"""

from __future__ import annotations

import atexit
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import time

TYPE_CHECKING = False  # `typing` itself would be imported into every watched process
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_LONGEST = 480  # a write to a pipe of at most 512 bytes is never torn (POSIX PIPE_BUF)
_AGAIN_SECONDS = 0.02
_HERE = os.path.dirname(os.path.abspath(__file__))


class _Teller:
    """Writes events; knows how often each was seen since it was told last."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.process = 0
        self.descriptor = -1
        self.seen: dict[tuple[str, str], list[float]] = {}  # count since told, time told, time seen

    def tell(self, kind: str, what: str = "", **more: object) -> None:
        now = time.monotonic()
        entry = self.seen.setdefault((kind, what), [0.0, -1.0, now])
        entry[0] += 1
        entry[2] = now
        if len(self.seen) > 4096:
            self.seen.clear()  # a script that opens a million files is told about, not remembered
        if now - entry[1] >= _AGAIN_SECONDS:
            self._write(kind, what, int(entry[0]), 0.0, more)
            entry[0], entry[1] = 0.0, now

    def last_words(self) -> None:
        for (kind, what), (count, _, seen) in list(self.seen.items()):
            if count:
                self._write(kind, what, int(count), time.monotonic() - seen, {})
        self._write("exit", "", 1, 0.0, {})

    def _write(self, kind: str, what: str, count: int, ago: float, more: dict[str, object]) -> None:
        if self.process != os.getpid():  # a fork has its own
            self.process = os.getpid()
            try:
                self.descriptor = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                self.descriptor = -1
        if self.descriptor < 0:
            return
        event = {"kind": kind, "what": what[:200], "count": count, "pid": self.process, **more}
        if ago > 0.001:
            event["ago"] = round(ago, 4)
        rank = os.environ.get("RANK")
        if rank is not None and rank.isdigit():
            event["rank"] = int(rank)
        text = json.dumps(event)
        if len(text) > _LONGEST:
            text = json.dumps({**event, "what": what[:60], "cut": True})
        try:
            os.write(self.descriptor, text.encode()[:_LONGEST] + b"\n")
        except OSError:
            pass  # full or gone: the script goes on


def _watch_files_and_processes(teller: _Teller) -> None:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        try:
            if event == "open":
                path, mode, flags = arguments[:3]
                if isinstance(path, bytes):
                    path = os.fsdecode(path)
                if not isinstance(path, str) or path.endswith((".py", ".pyc", ".so")):
                    return
                writes = any(letter in (mode or "") for letter in "wax+") or bool(
                    (flags or 0) & (os.O_WRONLY | os.O_RDWR)
                )
                if path != teller.path and not path.startswith(("/proc/", "/sys/", "/dev/")):
                    teller.tell("write" if writes else "read", os.path.abspath(path))
            elif event in ("socket.connect", "socket.bind", "socket.sendto"):
                teller.tell("socket", f"{event} {arguments[1]!r}")
            elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
                teller.tell("socket", f"{event} {arguments[0]!r}")
            elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
                teller.tell(
                    "process", f"{event} {arguments[1] if event == 'subprocess.Popen' else arguments[0]!r}"
                )
            elif event == "os.rename":
                teller.tell("write", os.path.abspath(os.fsdecode(arguments[1])))
        except Exception:
            pass  # an argument of an unexpected form is the script's affair

    sys.addaudithook(hook)


class _OnImport(importlib.abc.MetaPathFinder):
    """Calls `then` once when the module `name` has been imported."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.then = then
        self.busy = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self.name or self.busy:
            return None
        self.busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.busy = False
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return None
        loader, then = spec.loader, self.then
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            sys.meta_path.remove(self)
            try:
                then(module)
            except Exception:
                pass  # another version of torch: nothing is told of it, and the record says so

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _watch_steps(teller: _Teller) -> Callable[[ModuleType], None]:
    def then(module: ModuleType) -> None:
        def stepped(optimizer: object, *_: object) -> None:
            teller.tell("step", type(optimizer).__name__)

        module.register_optimizer_step_post_hook(stepped)
        teller.tell("watches", "optimizer steps")

    return then


def _watch_evaluation(teller: _Teller) -> Callable[[ModuleType], None]:
    """Tells when a model is put into evaluation mode: scripts do it before the first batch they score."""

    def then(module: ModuleType) -> None:
        usual = module.Module.eval

        @functools.wraps(usual)
        def eval(self: object) -> object:  # noqa: A001 - the name it replaces
            teller.tell("evaluates", type(self).__name__)
            return usual(self)

        module.Module.eval = eval

    return then


def _run_hidden() -> None:
    """The `sitecustomize` that would have run, had ours not been in front."""
    others = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def _start() -> None:
    path = os.environ.get("GOLF_EVENTS", "")
    if path:
        teller = _Teller(path)
        teller.tell("start", " ".join(getattr(sys, "orig_argv", [])[1:3]))
        atexit.register(teller.last_words)
        _watch_files_and_processes(teller)
        sys.meta_path.insert(0, _OnImport("torch.optim.optimizer", _watch_steps(teller)))
        sys.meta_path.insert(0, _OnImport("torch.nn.modules.module", _watch_evaluation(teller)))
    _run_hidden()


_start()
