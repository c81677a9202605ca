"""Which files of the folder a script reaches: imports, scripts it runs, sources it compiles, data it opens.

Names are resolved inside the folder only; a name computed at run time is not followed.
"""

from __future__ import annotations

import ast
import fnmatch
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from harness.code.syntax_nodes import SyntaxNodes

NATIVE_SUFFIXES = {
    ".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh", ".h", ".hpp", ".hh", ".metal", ".rs", ".so", ".dylib", ".dll",
    ".pyx", ".ptx", ".cubin", ".o", ".a", ".s",
}  # fmt: skip
DATA_SUFFIXES = {
    ".npz", ".npy", ".lzma", ".xz", ".gz", ".zst", ".br", ".bz2", ".zlib", ".json", ".bin", ".pt", ".pth",
    ".ptz", ".pkl", ".pickle", ".safetensors", ".zip", ".tar", ".tgz", ".whl", ".b85", ".b64", ".txt", ".csv",
    ".tsv", ".msgpack", ".parquet", ".dat", ".onnx", ".db", ".sqlite", ".arpa", ".toml", ".yaml", ".yml",
}  # fmt: skip
# Tokenizers are not counted (rule tokenizer-bytes); these others describe the submission, they do not run.
_NOT_DATA = re.compile(
    r"(?:^|/)(?:submission[^/]*\.json|requirements[^/]*\.txt|[^/]*tokenizer[^/]*\.json|[^/]*\.(?:model|vocab)|"
    r"[^/]*log[^/]*\.txt|readme[^/]*)$",
    re.IGNORECASE,
)
_RUNNERS = {
    "exec", "eval", "execfile", "run_path", "exec_module", "spec_from_file_location", "SourceFileLoader",
    "load_source", "Popen", "check_call", "check_output", "call", "run", "system", "execv", "execvp",
    "execve", "spawn",
}  # fmt: skip
_RUNNER_OWNERS = {"run": "subprocess", "call": "subprocess", "spawn": "os", "system": "os"}
_WRITERS = {
    "save", "savez", "savez_compressed", "dump", "write_text", "write_bytes", "to_csv", "savefig", "tofile",
    "save_file", "to_parquet", "savetxt",
}  # fmt: skip
_OUTPUT_OPTION = re.compile(r"--?(?:out|save|log|result|report|metric|dump)", re.IGNORECASE)
_IMPORTERS = {"__import__", "import_module", "run_module"}
_LONGEST_NAME = 4096  # a shell command line may name a source; a longer constant is a text


@dataclass(frozen=True, slots=True)
class Reference:
    """A name a source mentions in a place that reaches a file. `kind` is import, exec or text."""

    kind: str
    name: str
    line: int
    level: int = 0  # dots of a relative import
    members: tuple[str, ...] = ()  # what `from name import ...` takes


@dataclass(frozen=True, slots=True)
class Reached:
    """A file of the folder and the reference that reaches it. `how` is import, exec, compile or data."""

    path: str
    how: str
    line: int
    name: str


def references_in_tree(nodes: SyntaxNodes) -> list[Reference]:
    """Everything in a parsed script that might name a file of the folder, in line order."""
    found = [*_imports(nodes), *_run_names(nodes), *_constants(nodes)]
    return sorted(found, key=lambda reference: reference.line)


def references_in_text(text: str) -> list[Reference]:
    """The same for a text that is not Python or does not parse: import lines, includes, quoted names."""
    found = []
    for number, row in enumerate(text.split("\n"), 1):
        if matched := re.match(r"\s*(?:from\s+(\.*)([\w.]*)\s+import\s+([\w, ]+)|import\s+([\w., ]+))", row):
            dots, module, members, plain = matched.groups()
            if plain:
                found += [
                    Reference("import", name.split()[0], number) for name in plain.split(",") if name.split()
                ]
            else:
                names = tuple(name.split()[0] for name in members.split(",") if name.split())
                found.append(Reference("import", module or "", number, len(dots or ""), names))
        if len(row) <= _LONGEST_NAME:
            found += [
                Reference("text", name, number) for name in re.findall(r"[\w./*-]+\.[A-Za-z0-9]{1,11}\b", row)
            ]
    return found


def _imports(nodes: SyntaxNodes) -> Iterator[Reference]:
    for plain in nodes.of(ast.Import):
        for alias in plain.names:
            yield Reference("import", alias.name, plain.lineno)
    for node in nodes.of(ast.ImportFrom):
        members = tuple(alias.name for alias in node.names)
        yield Reference("import", node.module or "", node.lineno, node.level, members)
    for call in nodes.of(ast.Call):
        if _called(call)[1] in _IMPORTERS and call.args:
            first = call.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                name = first.value.lstrip(".")
                yield Reference("import", name, call.lineno, len(first.value) - len(name))


def _called(node: ast.Call) -> tuple[str, str]:
    """Owner and name of a called function: ("subprocess", "run"), ("", "exec")."""
    if isinstance(node.func, ast.Name):
        return "", node.func.id
    if isinstance(node.func, ast.Attribute):
        owner = node.func.value
        return (owner.id if isinstance(owner, ast.Name) else "?"), node.func.attr
    return "", ""


def _is_runner(node: ast.Call, own: Collection[str]) -> bool:
    owner, name = _called(node)
    if name in own and owner in {"", "self"}:
        return True
    if name not in _RUNNERS or (name in {"exec", "eval"} and owner):
        return False
    wanted = _RUNNER_OWNERS.get(name)
    return wanted is None or owner in {wanted, "", "_" + wanted, "sp"}


def _is_writer(node: ast.Call) -> bool:
    _, name = _called(node)
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and _OUTPUT_OPTION.match(first.value):
        return True
    if name == "open":
        modes = [*node.args[:2], *(one.value for one in node.keywords if one.arg == "mode")]
        return any(
            isinstance(mode, ast.Constant)
            and isinstance(mode.value, str)
            and re.fullmatch(r"[wax][bt+]*", mode.value)
            for mode in modes
        )
    return name in _WRITERS


def _run_names(nodes: SyntaxNodes) -> Iterator[Reference]:
    """Constants that flow into a call which runs a script, through variables."""
    every = nodes.of(ast.Call)
    runners = [call for call in every if _is_runner(call, ())]
    if not runners:
        return
    own = {name for call in runners for name in nodes.functions_around(call.lineno)}
    calls = [call for call in every if _is_runner(call, own)]
    for text, line in _flowing_into(nodes, calls):
        for word in re.split(r"[\s'\";=,]+", text):
            if word.endswith((".py", ".sh")):
                yield Reference("exec", word, line)


def _flowing_into(nodes: SyntaxNodes, calls: Iterable[ast.Call]) -> list[tuple[str, int]]:
    """String constants (with their lines) in arguments of the calls, or assigned to names that are."""
    pending: list[tuple[ast.AST, int]] = [
        (part, call.lineno)
        for call in calls
        for part in (*call.args, *(one.value for one in call.keywords), call.func)
    ]
    seen: set[tuple[str, int]] = set()
    found: list[tuple[str, int]] = []
    while pending:
        part, line = pending.pop()
        for node in nodes.below(part):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if len(node.value) <= _LONGEST_NAME:
                    found.append((node.value, node.lineno))
            elif isinstance(node, ast.Name):
                for scope in nodes.scopes(line):
                    if (node.id, scope) in seen:
                        break
                    seen.add((node.id, scope))
                    origins = nodes.assigned_to(node.id, scope)
                    pending += [(origin, getattr(origin, "lineno", line)) for origin in origins]
                    if origins:
                        break
    return found


def _constants(nodes: SyntaxNodes) -> Iterator[Reference]:
    """Every short constant, except docstrings and names the script itself writes."""
    written = {text for text, _ in _flowing_into(nodes, [c for c in nodes.of(ast.Call) if _is_writer(c)])}
    idle = {id(node.value) for node in nodes.of(ast.Expr)}
    for node in nodes.of(ast.Constant):
        if not isinstance(node.value, str) or id(node) in idle:
            continue
        if 3 <= len(node.value) <= _LONGEST_NAME and "." in node.value and node.value not in written:
            yield Reference("text", node.value, node.lineno)


def import_folders(nodes: SyntaxNodes, folders: Collection[str]) -> list[str]:
    """Subfolders of the submission that the script puts on sys.path by a constant name."""
    found = []
    for node in nodes.of(ast.Call) if folders else ():
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in {"insert", "append", "extend"}:
            continue
        owner = node.func.value
        if isinstance(owner, ast.Attribute) and owner.attr == "path":
            for text, _ in _flowing_into(nodes, [node]):
                name = text.strip("./")
                found += [folder for folder in sorted(folders) if name and _ends_with(folder, name)]
    return list(dict.fromkeys(found))


def _ends_with(path: str, tail: str) -> bool:
    return path == tail or path.endswith("/" + tail)


@dataclass(frozen=True, slots=True)
class Folder:
    """The paths of a submission, for resolving names. `search` are the folders imports are looked up in."""

    paths: frozenset[str]
    search: tuple[str, ...] = ("",)

    def resolve(self, reference: Reference, source: str) -> list[Reached]:
        """The files a reference of `source` reaches; none when it names nothing in the folder."""
        if reference.kind == "import":
            return [
                Reached(path, "import", reference.line, reference.name)
                for path in self._imported(reference, source)
            ]
        if reference.kind == "exec":
            return [
                Reached(path, "exec", reference.line, reference.name)
                for path in self._named(reference.name, source)
                if path.endswith((".py", ".sh"))
            ]
        return list(self._in_text(reference, source))

    def _imported(self, reference: Reference, source: str) -> Iterator[str]:
        here = posixpath.dirname(source)
        if reference.level:
            for _ in range(reference.level - 1):
                here = posixpath.dirname(here)
            roots: tuple[str, ...] = (here,)
        else:
            roots = tuple(dict.fromkeys((*self.search, here)))
        parts = [part for part in reference.name.split(".") if part]
        for root in roots:
            found = list(self._module(root, parts, reference.members))
            if found:
                yield from found
                return

    def _module(self, root: str, parts: list[str], members: tuple[str, ...]) -> Iterator[str]:
        base = posixpath.join(root, *parts) if parts else root
        for depth in range(1, len(parts)):
            package = posixpath.join(root, *parts[:depth], "__init__.py")
            if package in self.paths:
                yield package
        for path in (f"{base}.py", posixpath.join(base, "__init__.py")):
            if parts and path in self.paths:
                yield path
        for member in members:
            for path in (posixpath.join(base, f"{member}.py"), posixpath.join(base, member, "__init__.py")):
                if path in self.paths:
                    yield path
        extension = [path for path in self.paths if parts and re.fullmatch(
            re.escape(base) + r"(?:\.[\w-]+)?\.(?:so|pyd)", path)]  # fmt: skip
        yield from sorted(extension)

    def _named(self, name: str, source: str) -> list[str]:
        """Files a path constant means: beside the source, from the top, or by the end of a longer path."""
        name = re.sub(r"^(?:\./|/)+", "", name.replace("\\", "/"))
        if not name or ".." in name.split("/"):
            name = posixpath.basename(name)
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(source), name))
        for path in (beside, name):
            if path in self.paths:
                return [path]
        if "*" in name:
            return sorted(path for path in self.paths if fnmatch.fnmatchcase(path, "*" + name))
        by_end = [path for path in self.paths if _ends_with(path, name)]
        longer = [path for path in self.paths if name.endswith("/" + path)]
        return by_end if len(by_end) == 1 else longer[:1]

    def _in_text(self, reference: Reference, source: str) -> Iterator[Reached]:
        whole = reference.name.strip()
        suffix = posixpath.splitext(whole)[1].lower()
        if suffix in DATA_SUFFIXES and "*" not in whole and not _NOT_DATA.search(whole):
            for path in self._named(whole, source):
                if not _NOT_DATA.search(path):
                    yield Reached(path, "data", reference.line, whole)
        for word in re.split(r"[\s'\";=,]+", whole):
            if posixpath.splitext(word)[1].lower() in NATIVE_SUFFIXES:
                for path in self._named(word, source):
                    if posixpath.splitext(path)[1].lower() in NATIVE_SUFFIXES:
                        yield Reached(path, "compile", reference.line, word)
