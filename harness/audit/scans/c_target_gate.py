"""C helpers whose hints for a position depend on what kind of token stands there.

The shape, inside a loop over positions `i`: a token is read at `i`; a flag of its class is computed from it
(a table lookup, a call); an `if` on that flag decides whether an array is written at `i`. Whoever mixes such
hints into the score of token `i` has looked at it. Needs the optional packages tree-sitter and tree-sitter-c;
without them the C parts are reported as not read.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from harness.audit.syntax_walk import nodes_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

    from harness.audit.scans.scanned_program import ProgramIndex

_C_FILES = (".c", ".cc", ".cpp", ".cu", ".h")
_LOOKS_LIKE_C = re.compile(r"#include\s*<\w+|\b(int|void|static|uint\d+_t)\s+\w+\s*\([^;{]{0,500}\)\s*\{")
_SOURCE_AT_MOST = 400_000
_NODES_AT_MOST = 200_000
_FACTS_AT_MOST = 20


def scan_c_target_gates(index: ProgramIndex) -> dict[str, Any]:
    """`sources` (file and line of each C text), `gates`, and `not_read`: why nobody looked, or ""."""
    sources = list(_c_sources(index))
    facts: dict[str, Any] = {
        "sources": [{"file": file, "line": line} for file, line, _ in sources],
        "gates": [],
        "not_read": "",
    }
    if not sources:
        return facts
    try:
        import tree_sitter_c
        from tree_sitter import Language, Parser
    except ImportError:
        facts["not_read"] = "the optional packages tree-sitter and tree-sitter-c are not installed"
        return facts
    parser = Parser(Language(tree_sitter_c.language()))
    for file, line, text in sources:
        root = parser.parse(text.encode("utf-8", "replace")).root_node
        for gate in _gates(root):
            if len(facts["gates"]) < _FACTS_AT_MOST:
                shift = line - 1
                facts["gates"].append(
                    {
                        "file": file,
                        "line": gate["write"] + shift,
                        "if_line": gate["if"] + shift,
                        "token_line": gate["token"] + shift,
                        "array": gate["array"][:80],
                    }
                )
    return facts


def _c_sources(index: ProgramIndex) -> Iterator[tuple[str, int, str]]:
    """C files of the folder and C in string constants, with the line the text starts at."""
    for path, text in sorted(index.sources.items()):
        if path.endswith(_C_FILES) and len(text) <= _SOURCE_AT_MOST:
            yield path, 1, text
    for path, tree in index.trees.items():
        whole = index.order.stretch(tree)
        constants = index.order.of_kind(ast.Constant)
        found: set[int] = set()
        for place in constants[bisect_left(constants, whole.start) : bisect_left(constants, whole.stop)]:
            node = index.order.nodes[place]
            if isinstance(node, ast.Constant) and _is_c(node.value):
                found.add(id(node))
        for node in nodes_below(tree) if found else ():
            if isinstance(node, ast.Constant) and id(node) in found:
                yield path, node.lineno, str(node.value)


def _is_c(value: object) -> bool:
    return (
        isinstance(value, str)
        and 200 < len(value) <= _SOURCE_AT_MOST
        and ("{" in value or "#include" in value)
        and _LOOKS_LIKE_C.search(value) is not None
    )


def _walk(root: Node) -> Iterator[Node]:
    stack, seen = [root], 0
    while stack and seen < _NODES_AT_MOST:
        node = stack.pop()
        seen += 1
        yield node
        stack.extend(reversed(node.children))


def _text(node: Node | None) -> str:
    return "" if node is None or node.text is None else node.text.decode("utf-8", "replace")


def _gates(root: Node) -> Iterator[dict[str, Any]]:
    for loop in _walk(root):
        if loop.type not in {"for_statement", "while_statement"}:
            continue
        position = _loop_variable(loop)
        body = loop.child_by_field_name("body")
        if (
            not position
            or body is None
            or any(
                one.type in {"for_statement", "while_statement"} and _loop_variable(one) == position
                for one in _walk(body)
            )
        ):
            continue
        yield from _gates_at(body, position)


def _loop_variable(loop: Node) -> str:
    update = loop.child_by_field_name("update")
    match = re.search(r"[A-Za-z_]\w*", _text(update))
    return match.group(0) if match else ""


def _gates_at(body: Node, position: str) -> Iterator[dict[str, Any]]:
    """Flags of the token at `position` that decide about a write at `position`."""
    tokens: dict[str, int] = {}  # names that hold the token read at this position
    flags: dict[str, int] = {}  # names that hold its class
    for node in _walk(body):
        name, value = _assigned(node)
        if name and value is not None:
            text = _text(value)
            if re.fullmatch(rf"(\([\w\s*]+\)\s*)?[\w>.-]+\[\s*{re.escape(position)}\s*\]", text.strip()):
                tokens[name] = node.start_point[0] + 1
            elif any(re.search(rf"\b{re.escape(one)}\b", text) for one in tokens) and _is_class(value):
                flags[name] = min(tokens.values())
            elif any(re.search(rf"\b{re.escape(one)}\b", text) for one in flags) and _is_flag(value):
                flags[name] = min(flags.values())
        if node.type == "if_statement":
            condition = _text(node.child_by_field_name("condition"))
            deciding = [one for one in flags if re.search(rf"\b{re.escape(one)}\b", condition)]
            branch = node.child_by_field_name("consequence")
            if not deciding or branch is None:
                continue
            for inner in _walk(branch):
                array = _written_at(inner, position)
                if array:
                    yield {
                        "write": inner.start_point[0] + 1,
                        "if": node.start_point[0] + 1,
                        "token": flags[deciding[0]],
                        "array": array,
                    }


def _assigned(node: Node) -> tuple[str, Node | None]:
    if node.type == "init_declarator":
        return _text(node.child_by_field_name("declarator")).lstrip("* "), node.child_by_field_name("value")
    if node.type == "assignment_expression":
        left = node.child_by_field_name("left")
        if left is not None and left.type == "identifier":
            return _text(left), node.child_by_field_name("right")
    return "", None


def _is_class(value: Node) -> bool:
    """A table entry, a call or a comparison: something about the token, not the token."""
    kinds = {"subscript_expression", "call_expression", "binary_expression"}
    return any(one.type in kinds for one in _walk(value))


def _is_flag(value: Node) -> bool:
    operators = {"!", "&&", "||", "==", "!="}
    return value.type == "identifier" or any(one.type in operators for one in _walk(value))


def _written_at(node: Node, position: str) -> str:
    if node.type != "assignment_expression":
        return ""
    left = node.child_by_field_name("left")
    if left is None or left.type != "subscript_expression":
        return ""
    place = left.child_by_field_name("index") or left.child_by_field_name("indices")
    text = _text(left)
    if re.search(rf"\[\s*{re.escape(position)}\s*\]$", text) or (place and _text(place) == position):
        return text
    return ""
