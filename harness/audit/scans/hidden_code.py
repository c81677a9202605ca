"""Code that a reader of the Python sources cannot see: native libraries, compilers, text that is executed."""

from __future__ import annotations

import ast
import re
from typing import Any

from harness.audit.scans.call_order import call_order
from harness.audit.scans.scanned_program import FACTS_AT_MOST, ProgramIndex, constant_text, full_name
from harness.audit.scans.setting_expressions import Expression, settings_of

_NATIVE = re.compile(
    r"ctypes\.(CDLL|PyDLL|cdll\.LoadLibrary|WinDLL)|cffi\.FFI|.*\.(load_inline|load_library)"
    r"|torch\.utils\.cpp_extension\.\w+|torch\.ops\.load_library|(cupy|cp)\.Raw(Kernel|Module)"
)
_COMPILER = re.compile(r"(?<![\w./-])(gcc|g\+\+|cc|c\+\+|clang(\+\+)?|nvcc|rustc|cargo|make|cmake)(?![\w+-])")
_STARTS = re.compile(r"subprocess\.\w+|os\.(system|popen)")
_TELLING = re.compile(  # one of these words is in every name below
    "ctypes|cffi|load|cpp_ext|Raw|subprocess|system|popen|exec|eval|compile|runpy|import"
)
_WAYS_AT_MOST = 8
_DYNAMIC = {"exec": "executed-text", "eval": "executed-text", "compile": "executed-text"}
_MODULES = re.compile(r"runpy\.run_(path|module)|importlib\.(import_module|util\.spec_from_\w+)|__import__")


def scan_hidden_code(index: ProgramIndex) -> list[dict[str, Any]]:
    """Facts of `kind` native, compiler, executed-text or unknown-module; reached code only.

    Constant text and module names can be seen, and are no facts. `ways` are the conditions above the
    call, for each way to it.
    """
    facts: list[dict[str, Any]] = []
    for path, scope in index.reached:
        aliases = index.aliases(path)
        for node in index.own.of(scope, ast.Call, is_main=path == index.entry):
            if len(facts) >= FACTS_AT_MOST:
                return facts
            name = full_name(node.func, aliases)
            kind = _kind(node, name)
            if kind is not None:
                ways = _ways(node, index)
                fact = {"file": path, "line": node.lineno, "kind": kind, "call": name[:80], "ways": ways}
                facts.append(fact)
    return facts


def _ways(node: ast.Call, index: ProgramIndex) -> list[list[Expression]]:
    """The conditions above the call on each way to it; one way without any where it is not known how."""
    settings = settings_of(index)
    ways = [
        [settings.condition(test, outcome, scope) for test, outcome, scope in call.tests]
        for call in call_order(index).calls
        if call.node is node
    ]
    return ways[:_WAYS_AT_MOST] if 0 < len(ways) <= _WAYS_AT_MOST else [[]]


def _kind(node: ast.Call, name: str) -> str | None:
    if not _TELLING.search(name):
        return None
    if _NATIVE.fullmatch(name):
        return "native"
    if _STARTS.fullmatch(name) and _COMPILER.search(constant_text(node, 2_000)):
        return "compiler"
    is_constant = bool(node.args) and isinstance(node.args[0], ast.Constant)
    if isinstance(node.func, ast.Name) and name in _DYNAMIC and not is_constant:
        return _DYNAMIC[name]
    if _MODULES.fullmatch(name) and not is_constant:
        return "unknown-module"
    return None
