"""From an entry function to one script: reads modules, folds branches, drops what is unused, joins the rest.

Knows nothing of this package's modules: any packages under a folder, any entry function, any switches.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference_model.pack.branch_folding import folded
from reference_model.pack.config_paths import Attributes, ConfigPaths
from reference_model.pack.definitions import Definitions
from reference_model.pack.joining import joined
from reference_model.pack.module_graph import Definition, ModuleGraph
from reference_model.pack.source_edits import PackError
from reference_model.pack.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_NO_SWITCHES = Switches(values={}, groups={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The script and what became of the modules; definitions are `module:name`."""

    text: str
    modules_kept: tuple[str, ...]
    modules_dropped: tuple[str, ...]
    definitions_kept: tuple[str, ...]
    definitions_dropped: tuple[str, ...]
    folded: tuple[str, ...]  # switches that decided a branch


@dataclass(frozen=True, slots=True, kw_only=True)
class Baked:
    """A module written for the bundle: its name, and its text given the switches that decided a branch."""

    module: str
    text_for: Callable[[tuple[str, ...]], str]


def pack(
    entry: str,
    *,
    root: Path,
    first_party: tuple[str, ...],
    switches: Switches = _NO_SWITCHES,
    baked: Baked | None = None,
    opening: str = "",
    texts: Mapping[str, str] | None = None,
) -> Bundle:
    """The script that runs `entry` ("package.module:function") and exits with what it returns.

    `root` is the folder the `first_party` packages lie in; `baked` is the module with the
    configuration; `opening` is the script's docstring; `texts` stand in for the files of the modules they
    name. Raises PackError where the program cannot be one
    script.
    """
    module, _, function = entry.partition(":")
    given = dict(texts or {})
    graph = ModuleGraph(
        root, first_party, given if baked is None else given | {baked.module: baked.text_for(())}
    )
    every = graph.reachable(module)
    if function not in graph.module(module).scopes.module.bound:
        raise PackError(f"{module} defines no {function!r}; the entry is written package.module:function")
    programs = [name for name in every if baked is None or name != baked.module]
    used = switches.without(_replaced_fields(graph, programs, switches.groups))
    graph = _folded_graph(graph, every, used)
    if baked is not None:
        graph = graph.with_texts({baked.module: baked.text_for(tuple(sorted(used.used)))})
    order = graph.reachable(module)
    definitions = Definitions(graph, order)
    kept = definitions.needed(Definition(module=module, name=function))
    body = joined(graph, definitions, kept, order)
    names_kept = {f"{piece.module}:{name}" for piece in kept for name in piece.binds}
    names = [f"{name}:{bound}" for name in every for bound in _defined(graph, name)]
    modules_kept = tuple(name for name in order if any(piece.module == name for piece in kept))
    return Bundle(
        text=_started(body, function, opening),
        modules_kept=modules_kept,
        modules_dropped=tuple(sorted(set(every) - set(modules_kept))),
        definitions_kept=tuple(sorted(names_kept)),
        definitions_dropped=tuple(sorted(set(names) - names_kept)),
        folded=tuple(sorted(used.used)),
    )


def _folded_graph(graph: ModuleGraph, modules: Iterable[str], switches: Switches) -> ModuleGraph:
    """The graph after folding every module; class attributes are known across modules."""
    modules = list(modules)
    attributes: Attributes = {}
    for _ in range(2):  # an attribute may be set from another class's attribute
        for name in modules:
            module = graph.module(name)
            ConfigPaths(module, switches.groups, attributes).read_attributes(module)
    return graph.with_texts({name: folded(graph.module(name), switches, attributes).text for name in modules})


def _replaced_fields(graph: ModuleGraph, modules: Iterable[str], groups: Mapping[str, str]) -> set[str]:
    """Fields that the program itself sets to other values: keywords of `replace` and of the classes."""
    fields: set[str] = set()
    for name in modules:
        for node in graph.module(name).nodes:
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                if called == "replace" or called in groups:
                    fields |= {each.arg for each in node.keywords if each.arg is not None}
    return fields


def _defined(graph: ModuleGraph, module: str) -> Iterable[str]:
    for statement in graph.module(module).tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name


def _started(body: str, function: str, opening: str) -> str:
    docstring = f'"""{opening}"""\n\n' if opening else ""
    return f'{docstring}{body}\n\nif __name__ == "__main__":\n    raise SystemExit({function}())\n'
