"""Writes the needed pieces of all modules as one script: names made unique, first-party imports gone.

A name keeps itself where it can. It gets the module's name added where two modules define it, where a
builtin of that name is used, or where a function that refers to it under another name has a local of the
same name.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING

from reference_model.pack.module_graph import Definition, External, ModuleTarget
from reference_model.pack.scopes import bound_name
from reference_model.pack.source_edits import Edit, PackError, first_line, last_line, nodes_in_f_strings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reference_model.pack.definitions import Definitions, Piece, Use
    from reference_model.pack.module_graph import Module, ModuleGraph
    from reference_model.pack.scopes import ImportedHere

_LINE_LENGTH = 110
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


class Names:
    """The name of every definition and import in the joined script."""

    def __init__(self, graph: ModuleGraph, definitions: Definitions, pieces: Iterable[Piece]) -> None:
        self._graph = graph
        self._pieces = list(pieces)
        self._words = {
            word for each in self._pieces for word in _IDENTIFIER.findall(graph.module(each.module).text)
        }
        self.uses = {piece: list(definitions.uses(piece)) for piece in self._pieces}
        self.kept = {
            Definition(module=piece.module, name=name) for piece in self._pieces for name in piece.binds
        }
        self.final: dict[Definition | External, str] = {}
        self._choose(definitions)

    def _choose(self, definitions: Definitions) -> None:
        taken = {
            reference.node.id
            for piece in self._pieces
            for reference in definitions.references(piece)
            if reference.scope.binder(reference.node.id) is None
        }
        for import_, local in sorted(self._external_names()):
            self.final[import_] = self._fresh(local, import_.module) if local in taken else local
            taken.add(self.final[import_])
        for piece in self._pieces:
            for name in sorted(piece.binds):
                definition = Definition(module=piece.module, name=name)
                if definition not in self.final:
                    self.final[definition] = self._fresh(name, piece.module) if name in taken else name
                    taken.add(self.final[definition])
        for piece in self._pieces:
            for use in self.uses[piece]:
                if self.has(use) and self._is_captured(use):
                    assert isinstance(use.target, Definition)
                    self.final[use.target] = self._fresh(use.target.name, use.target.module)

    def _external_names(self) -> set[tuple[External, str]]:
        """Each import from elsewhere once, under the name most modules give it."""
        counts: dict[External, Counter[str]] = {}
        for uses in self.uses.values():
            for use in uses:
                if isinstance(use.target, External):
                    names = counts.setdefault(use.target.bound_object, Counter())
                    names[use.reference.node.id] += 1
        return {(each, min(names, key=lambda name: (-names[name], name))) for each, names in counts.items()}

    def _fresh(self, name: str, module: str) -> str:
        last = module.rpartition(".")[2]
        candidates = [f"{name}_of_{last}", *(f"{name}_of_{last}_{count}" for count in range(2, 1000))]
        for candidate in candidates:
            if candidate not in self._words:
                self._words.add(candidate)
                return candidate
        raise PackError(f"no free name is left for {name} of {module}")

    def has(self, use: Use) -> bool:
        """Whether what is used is in the script; names in annotations may not be."""
        return isinstance(use.target, External) or use.target in self.kept

    def of(self, target: Definition | External) -> str:
        """The target's name in the script."""
        return self.final[target.bound_object if isinstance(target, External) else target]

    def _is_captured(self, use: Use) -> bool:
        name, own = self.of(use.target), use.reference.node.id
        binder = use.reference.scope.binder(own)
        for scope in use.reference.scope.enclosing():
            if scope.is_module or name not in scope.bound:
                continue
            if scope is binder and name == own:
                continue  # the import that goes
            if scope.is_class and scope is not use.reference.scope:
                continue
            return True
        return False


def joined(graph: ModuleGraph, definitions: Definitions, kept: set[Piece], order: list[str]) -> str:
    """The text of the script, without what starts it."""
    pieces = [piece for name in order for piece in definitions.pieces[name] if piece in kept]
    names = Names(graph, definitions, pieces)
    dotted = {line for piece in pieces for line in _dotted_imports(graph.module(piece.module), names)}
    blocks = ["from __future__ import annotations", *_import_blocks(names, dotted)]
    for name in order:
        own = [piece for piece in pieces if piece.module == name]
        if own:
            module = graph.module(name)
            edits = list(_edits(graph, definitions, module, own, names))
            texts = [_text(module, piece, edits) for piece in own]
            blocks += [_heading(module), *texts]
    return "\n\n\n".join(blocks) + "\n"


def _heading(module: Module) -> str:
    lines = [f"# ---- {module.name} ----"]
    docstring = ast.get_docstring(module.tree)
    lines += [f"# {line}".rstrip() for line in (docstring or "").splitlines()]
    return "\n".join(lines)


def _text(module: Module, piece: Piece, edits: list[Edit]) -> str:
    start, end = module.source.line_start(piece.first), module.source.line_start(piece.last + 1)
    return module.source.edited(edits, start, end).rstrip()


def _dotted_imports(module: Module, names: Names) -> Iterator[str]:
    """`import a.b` without `as` binds `a` and loads `a.b`: the lines whose `a` is in the script."""
    for each in module.top_imports():
        if isinstance(each.statement, ast.Import) and each.statement not in module.type_only:
            for alias in each.statement.names:
                root = External(module=alias.name.partition(".")[0], name="")
                if "." in alias.name and not alias.asname and root in names.final:
                    yield f"import {alias.name}"


def _import_blocks(names: Names, dotted: set[str]) -> list[str]:
    """Imports from elsewhere: those that run, and those that annotations alone name."""
    run: set[External] = set()
    annotated: set[External] = set()
    for uses in names.uses.values():
        for use in uses:
            if isinstance(use.target, External):
                only_typed = use.target.type_only or use.reference.in_annotation
                (annotated if only_typed else run).add(use.target.bound_object)
    blocks = [_import_block(run, names, dotted)]
    typed = {each for each in annotated - run if (each.module, each.name) != ("typing", "TYPE_CHECKING")}
    if typed:
        body = _import_block(typed, names, set()).replace("\n", "\n    ")
        blocks[0] = f"from typing import TYPE_CHECKING\n{blocks[0]}".rstrip()
        blocks.append(f"if TYPE_CHECKING:\n    {body}")
    return [block for block in blocks if block]


def _import_block(imports: set[External], names: Names, dotted: set[str]) -> str:
    lines = [*dotted, *(_import_line(each, names.of(each)) for each in imports if not each.name)]
    modules = sorted({each.module for each in imports if each.name})
    for module in modules:
        own = sorted(each for each in imports if each.module == module and each.name)
        chosen = [
            each.name if names.of(each) == each.name else f"{each.name} as {names.of(each)}" for each in own
        ]
        line = f"from {module} import {', '.join(chosen)}"
        if len(line) > _LINE_LENGTH - 4:
            line = f"from {module} import (\n    " + ",\n    ".join(chosen) + ",\n)"
        lines.append(line)

    def group(line: str) -> tuple[bool, bool, str]:
        root = line.split()[1].partition(".")[0]
        return root not in sys.stdlib_module_names, line.startswith("from"), line

    return "\n".join(sorted(lines, key=group))


def _import_line(import_: External, name: str) -> str:
    return f"import {import_.module}" if import_.module == name else f"import {import_.module} as {name}"


def _edits(
    graph: ModuleGraph, definitions: Definitions, module: Module, pieces: list[Piece], names: Names
) -> Iterator[Edit]:
    in_f_strings = nodes_in_f_strings(module.nodes)
    replaced: dict[ast.expr, str] = {}
    for piece in pieces:
        for use in names.uses[piece]:
            if names.has(use):
                replaced[use.expression] = names.of(use.target)
    for node, name in replaced.items():
        if node not in in_f_strings and module.source.segment(node) != name:
            yield module.source.replaced(node, name)
    yield from _f_string_edits(module, pieces, replaced)
    for piece in pieces:
        yield from _definition_name_edits(module, piece, names)
        yield from _global_edits(module, piece, names)
    inside = {node for piece in pieces for node in ast.walk(piece.statement)}
    for each in module.scopes.imports:
        if each.statement in inside:
            yield from _local_import_edits(graph, definitions, module, each, names)


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: dict[ast.expr, str]) -> None:
        self._names = names
        self.changed = False

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and node in self._names:
            self.changed |= ast.unparse(node) != self._names[node]
            return ast.Name(id=self._names[node], ctx=ast.Load())
        return super().visit(node)  # type: ignore[no-any-return]


def _f_string_edits(module: Module, pieces: list[Piece], names: dict[ast.expr, str]) -> Iterator[Edit]:
    """F-strings are written anew where a name in them changes."""
    nested = nodes_in_f_strings(module.nodes)
    for piece in pieces:
        for node in ast.walk(piece.statement):
            if not isinstance(node, ast.JoinedStr) or node in nested:
                continue
            original = module.source.segment(node)
            renamer = _Renamer(names)
            renamed = renamer.visit(node)
            if renamer.changed:
                spread = original.count("\n") and not original.startswith(("f'''", 'f"""'))
                text = ast.unparse(renamed)
                yield module.source.replaced(node, f"({text})" if spread else text)


def _definition_name_edits(module: Module, piece: Piece, names: Names) -> Iterator[Edit]:
    for node in ast.walk(piece.statement):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        definition = Definition(module=module.name, name=node.name)
        outer = node is piece.statement or not isinstance(piece.statement, type(node))
        if not outer or definition not in names.final or names.of(definition) == node.name:
            continue
        if node is not piece.statement and isinstance(piece.statement, (ast.FunctionDef, ast.ClassDef)):
            continue
        start = module.source.span(node)[0]
        head = re.match(rb"(?:async\s+)?(?:def|class)\s+", module.source.data[start:])
        if head is not None:
            at = start + head.end()
            yield Edit(start=at, end=at + len(node.name.encode()), text=names.of(definition))


def _global_edits(module: Module, piece: Piece, names: Names) -> Iterator[Edit]:
    for node in ast.walk(piece.statement):
        if isinstance(node, ast.Global):
            finals = [names.final.get(Definition(module=module.name, name=each), each) for each in node.names]
            if finals != node.names:
                yield module.source.replaced(node, f"global {', '.join(finals)}")


def _local_import_edits(
    graph: ModuleGraph, definitions: Definitions, module: Module, imported: ImportedHere, names: Names
) -> Iterator[Edit]:
    """First-party names imported inside a function: gone, or an assignment where bound elsewhere too."""
    statement, parts, changed = imported.statement, [], False
    for alias in statement.names:
        target = graph.target(module, statement, alias)
        local = bound_name(statement, alias)
        own = names.final.get(Definition(module=module.name, name=local), local)
        if isinstance(target, External):
            renamed = imported.scope.is_module and own != local
            parts.append(_one_import(statement, ast.alias(alias.name, own) if renamed else alias))
            changed |= renamed
            continue
        changed = True
        if definitions.local_import(module, imported.scope.node, local) is not None:
            continue
        if isinstance(target, ModuleTarget):
            raise PackError(
                f"{module.name} line {statement.lineno}: module {target.module} is bound to a name that is "
                "bound again; import the names you need from it"
            )
        parts.append(f"{own if imported.scope.is_module else local} = {names.of(target)}")
    if changed and parts:
        yield module.source.replaced(statement, "; ".join(parts))
    elif changed:
        yield _removal(graph, module, statement)


def _one_import(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    if isinstance(statement, ast.Import):
        return ast.unparse(ast.Import(names=[alias]))
    return ast.unparse(ast.ImportFrom(module=statement.module, names=[alias], level=0))


def _removal(graph: ModuleGraph, module: Module, statement: ast.Import | ast.ImportFrom) -> Edit:
    parent = module.parents[statement]
    body = next(
        each
        for name in ("body", "orelse", "finalbody")
        if statement in (each := getattr(parent, name, None) or [])
    )
    others = [each for each in body if not _goes(graph, module, each)]
    if not others and statement is body[-1]:
        return module.source.replaced(statement, "pass")
    first, last = first_line(statement), last_line(statement)
    while not module.source.lines(last + 1, last + 1).strip() and last + 1 < last_line(body[-1]):
        last += 1  # the blank lines that set imports apart
    return module.source.replaced_lines(first, last, "")


def _goes(graph: ModuleGraph, module: Module, statement: ast.stmt) -> bool:
    if not isinstance(statement, (ast.Import, ast.ImportFrom)):
        return False
    targets = (graph.target(module, statement, alias) for alias in statement.names)
    return not any(isinstance(target, External) for target in targets)
