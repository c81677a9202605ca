"""The sources of a submission as modules: parsed on demand, resolved inside the folder, never imported."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.audit.interpreter.syntax_facts import SyntaxFacts, facts_of
from harness.audit.syntax_walk import SyntaxOrder
from harness.code.source_text import Parsed, parse_source

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping


@dataclass(slots=True)
class Program:
    """`entry` is the path of the script that runs; `sources` maps paths in the folder to text.

    Texts are those after unpacking, so that the lines of events count there. A tree is parsed once.
    """

    entry: str
    sources: Mapping[str, str]
    order: SyntaxOrder = field(default_factory=SyntaxOrder)  # the nodes of the files that were listed
    _listed: dict[str, bool] = field(default_factory=dict)
    _parsed: dict[str, Parsed] = field(default_factory=dict)
    _facts: dict[str, SyntaxFacts] = field(default_factory=dict)
    kept: dict[str, object] = field(default_factory=dict)  # what a pass made of the sources, for later walks

    def tree(self, path: str) -> ast.Module | None:
        """The syntax tree of the file, None when it does not parse or is not there."""
        return self.parsed(path).tree

    def parsed(self, path: str) -> Parsed:
        """The parse of the file with what went wrong, if anything."""
        if path not in self._parsed:
            text = self.sources.get(path)
            if text is None:
                parsed = Parsed(tree=None, problem="unparseable", message=f"{path} is not in the folder")
            else:
                parsed = parse_source(text.encode("utf-8", "replace"))
            self._parsed[path] = parsed
        return self._parsed[path]

    def facts(self, path: str) -> SyntaxFacts:
        """What the syntax of the file alone says about its functions and loops."""
        if path not in self._facts:
            tree = self.tree(path)
            self._facts[path] = SyntaxFacts() if tree is None else facts_of(tree)
        return self._facts[path]

    def is_listed(self, path: str, at_most: int) -> bool:
        """Whether the nodes of the file are in `order`: listed there unless it then exceeds `at_most`."""
        if path not in self._listed:
            tree = self.tree(path)
            self._listed[path] = tree is not None and self.order.add(tree, at_most)
        return self._listed[path]

    def is_larger_than(self, nodes: int) -> bool:
        """Whether the Python files together have more syntax nodes; stops counting where they do."""
        return any(
            self.tree(path) is not None and not self.is_listed(path, nodes)
            for path in self.sources
            if path == self.entry or path.lower().endswith(".py")
        )

    def find_module(self, name: str, importer: str, level: int = 0) -> str | None:
        """The path of the module `name` as the file `importer` would import it; None when not in the folder.

        `level` is the number of leading dots. Python looks beside the entry script first.
        """
        folder = posixpath.dirname(importer)
        roots = [folder, posixpath.dirname(self.entry), ""]
        if level:
            for _ in range(level - 1):
                folder = posixpath.dirname(folder)
            roots = [folder]
        relative = name.replace(".", "/")
        for root in roots:
            base = posixpath.join(root, relative) if relative else root
            for path in (f"{base}.py", posixpath.join(base, "__init__.py")):
                if path in self.sources:
                    return path
        return None
