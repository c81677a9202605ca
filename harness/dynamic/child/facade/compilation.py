"""`torch.compile` gives back what it gets; its configuration takes any value and forgets it.

The modules of the compiler are replaced by empty ones: importing the real ones takes seconds.
"""

from __future__ import annotations

import copy
import importlib.abc
import importlib.machinery
import sys
import types
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_COMPILER = ("torch._dynamo", "torch._inductor", "torch._functorch.config")


def same(model: Any = None, *_: Any, **__: Any) -> Any:
    """The argument, or without one a decorator that gives back its argument."""
    if model is None:
        return same
    if isinstance(model, torch.nn.Module) and "_orig_mod" not in model.__dict__:
        # A shallow copy shares all weights and has no inner module itself, so a walk inwards ends. Not as an
        # attribute of the module: it would become a part of it.
        model.__dict__["_orig_mod"] = copy.copy(model)
    return model


def _decorator(body: Any = None, *_: Any, **__: Any) -> Any:
    return (lambda each: each) if body is None or not callable(body) else body


@contextmanager
def _context(*_: Any, **__: Any) -> Iterator[None]:
    yield


class Anything:
    """Takes every attribute, item and call, and is false."""

    def __getattr__(self, name: str) -> Any:
        """Of its kind; kept, so that what is set on it stays."""
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        value = Anything()
        self.__dict__[name] = value
        return value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As a decorator gives back what it gets."""
        return args[0] if len(args) == 1 and not kwargs and callable(args[0]) else self

    def __enter__(self) -> Anything:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing."""

    def __getitem__(self, key: object) -> Anything:
        """Itself."""
        return self

    def __setitem__(self, key: object, value: object) -> None:
        """Forgotten."""

    def __iter__(self) -> Iterator[Any]:
        """Holds nothing."""
        return iter(())

    def __bool__(self) -> bool:
        """False."""
        return False


class _EmptyModule(types.ModuleType):
    """A module that has whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        """Whatever is asked for."""
        if name.startswith("__"):
            raise AttributeError(name)
        value = _KNOWN.get(name) or Anything()
        setattr(self, name, value)
        return value


_KNOWN: dict[str, Callable[..., Any]] = {
    "disable": _decorator,
    "allow_in_graph": _decorator,
    "assume_constant_result": _decorator,
    "run": _decorator,
    "optimize": lambda *_, **__: _decorator,
    "patch": _context,
    "is_compiling": lambda: False,
}


class _CompilerFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers imports below the compiler's modules."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """For modules of the compiler, this loader."""
        if any(name == one or name.startswith(f"{one}.") for one in _COMPILER):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """An empty one."""
        return _EmptyModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


def install_compilation() -> None:
    """Take the compiler away."""
    sys.meta_path.insert(0, _CompilerFinder())
    for name in ("torch._dynamo", "torch._dynamo.config", "torch._inductor", "torch._inductor.config"):
        sys.modules.pop(name, None)
        module = importlib.import_module(name)
        setattr(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2], module)
    torch.compile = same
    compiler = torch.compiler
    for name in ("disable", "allow_in_graph", "assume_constant_result", "substitute_in_graph"):
        setattr(compiler, name, _decorator)
    for name in ("reset", "cudagraph_mark_step_begin", "set_stance"):
        setattr(compiler, name, lambda *_, **__: None)
    compiler.is_compiling = compiler.is_dynamo_compiling = lambda: False
