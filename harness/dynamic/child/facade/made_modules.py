"""Modules made here in place of packages that a CPU cannot have, or that would reach for the network."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types
from typing import Any


def make_module(name: str, **members: Any) -> types.ModuleType:
    """Make the module and those above it importable, whatever is installed."""
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
    module.__path__ = []
    module.__version__ = "3.0.0"  # type: ignore[attr-defined]
    vars(module).update(members)
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent:
        if parent not in sys.modules:
            make_module(parent)
        setattr(sys.modules[parent], last, module)
    return module


def is_installed(name: str) -> bool:
    """Whether the real package is there."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
