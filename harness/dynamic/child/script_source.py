"""Gives all code of a submission the same treatment: its script, its modules, what it decodes and runs.

A source is parsed (f-strings of Python 3.12 included), changed by the transforms, compiled, and its text left
in `linecache`, where tracebacks and Triton look for it.
"""

from __future__ import annotations

import ast
import builtins
import importlib.machinery
import linecache
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.code.source_text import decode_source, parse_text

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

Transform = "Callable[[ast.Module, str], ast.Module]"


class ScriptSource:
    """Compiles sources with `transforms`. `folders` are those whose modules belong to the submission."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        self.transforms: list[Callable[[ast.Module, str], ast.Module]] = []
        self.looks: list[Callable[[ast.Module, str], None]] = []
        """Called with each source as it was written, before the transforms."""
        self._folders = tuple(f"{folder.rstrip('/')}/" for folder in folders)
        self._others = folders_of_others()
        self._unnamed = 0
        self._compile = builtins.compile
        self._exec = builtins.exec

    def compiled(self, source: str | bytes, filename: str, flags: int = 0) -> types.CodeType:
        """The code of a module. Raises `SyntaxError` for what is none."""
        text = decode_source(source) if isinstance(source, bytes) else source
        parsed = parse_text(text)
        if parsed.tree is None:
            raise SyntaxError(parsed.message)
        name = self._kept(text, filename)
        return self._of_tree(parsed.tree, name, flags)

    def _of_tree(self, tree: ast.Module, filename: str, flags: int) -> types.CodeType:
        for look in self.looks:
            look(tree, filename)
        for transform in self.transforms:
            tree = transform(tree, filename)
        code: types.CodeType = self._compile(tree, filename, "exec", flags, dont_inherit=True)
        return code

    def _kept(self, text: str, filename: str) -> str:
        """Leave the text where tracebacks find it; the name for it, other than that of any text before."""
        if filename.startswith("<"):
            if filename in linecache.cache:
                self._unnamed += 1
                filename = f"{filename[:-1]} {self._unnamed}>"
            linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        return filename

    def install(self) -> None:
        """Take over `exec`, `compile` and imports from the submission's folders."""
        real_compile, real_exec = self._compile, self._exec

        def compile(  # noqa: A001 - it stands in for it
            source: Any,
            filename: Any,
            mode: str,
            flags: int = 0,
            dont_inherit: bool = False,
            optimize: int = -1,
            **options: Any,
        ) -> Any:
            is_ours = (mode == "exec" and not flags & ast.PyCF_ONLY_AST) and (
                self._is_submission(sys._getframe(1)) or _text_of(filename).startswith(self._folders)
            )
            if is_ours and isinstance(source, ast.Module):
                return self._of_tree(source, _text_of(filename), flags)
            if is_ours and isinstance(source, (str, bytes, bytearray, memoryview)):
                text = source if isinstance(source, str) else bytes(source)
                return self.compiled(text, _text_of(filename), flags)
            return real_compile(source, filename, mode, flags, dont_inherit, optimize, **options)

        def exec(  # noqa: A001 - it stands in for it
            source: Any, namespace: Any = None, local_names: Any = None, /, **options: Any
        ) -> None:
            frame = sys._getframe(1)
            if namespace is None:
                namespace = frame.f_globals
                local_names = frame.f_locals if local_names is None else local_names
            if isinstance(source, (str, bytes, bytearray)) and self._is_submission(frame):
                text = source if isinstance(source, str) else bytes(source)
                source = self.compiled(text, "<string>", frame.f_code.co_flags & _FUTURES)
            if local_names is None:
                real_exec(source, namespace, **options)
            else:
                real_exec(source, namespace, local_names, **options)

        builtins.compile = compile
        builtins.exec = exec
        self._install_import()

    def _install_import(self) -> None:
        loader = importlib.machinery.SourceFileLoader
        usual = loader.get_code

        def get_code(this: Any, fullname: str) -> Any:
            path = this.get_filename(fullname)
            if str(path).startswith(self._folders):
                # A compiled copy that came along is not what was read and changed here.
                return self.compiled(this.get_data(path), path)
            return usual(this, fullname)

        loader.get_code = get_code  # type: ignore[method-assign,assignment]

    def _is_submission(self, frame: types.FrameType) -> bool:
        return not frame.f_code.co_filename.startswith(self._others)


def folders_of_others() -> tuple[str, ...]:
    """Beginnings of the file names of code that is not the submission's: Python's, packages', ours."""
    ours = Path(__file__).resolve().parents[3]
    paths = sysconfig.get_paths()
    system = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    site = {entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))}
    return (*(f"{folder}/" for folder in (*system, *site, f"{ours}/harness")), "<frozen")


_FUTURES = 0x1FF0000  # flags of `from __future__` imports, which exec'd text inherits


def _text_of(filename: Any) -> str:
    return filename if isinstance(filename, str) else str(filename)
