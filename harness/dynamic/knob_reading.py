"""Which settings a script takes, read from its syntax: environment names, options, and constants by name.

Runs inside the guarded process: text of a submission is never parsed in ours.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from harness.code.source_text import parse_text
from harness.code.syntax_nodes import SyntaxNodes
from harness.dynamic.child.capture.audit_awareness import awareness
from harness.dynamic.local_constants import local_constants
from harness.dynamic.micro_batches import is_micro_batch_count
from harness.dynamic.rank_defaults import official_choice
from harness.dynamic.refused_values import least_values

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOBS_AT_MOST = 4_000
TEXTS_AT_MOST = 400
_LONGEST_TEXT = 300
_PLACES_AT_MOST = 20
_LARGEST = 2**63
# What stands in for a look-up in the environment: `os.environ.get("A", 1)`, an alias of it, a function of the
# script. Setting a name that nothing reads harms nobody, so any call with such a first argument counts.
_ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,60}")
_SETTINGS_CLASS = re.compile(r"(?i).*(?:hyper|config|args|settings|param|hp|cfg).*|H|C")
_DATA_TEXT = re.compile(r"fineweb|\.model\b|tokenizer|\.bin\b|/data\b|\bdata/", re.IGNORECASE)


def read_knobs(argument: dict[str, Any], blobs: list[bytes]) -> dict[str, Any]:
    """Knobs of some sources, given as UTF-8 texts: `knobs` and the `texts` that name data files.

    A knob is a dict of name, kind (environment, option, class, module, parameter, local), value (the default
    as text, None where there is none or it is computed), type (int or float where the script makes it one,
    else that of the default) and, for an environment name, the `target` that keeps it and whether the default
    is that `of_ranks`, eight instead of one. `problems` names sources that do not parse; `micro_batches` says
    whether eight ranks are played by fewer, `reached` where the audit itself is spoken of, `least` which
    values the script takes at least, by name in lower case.
    """
    knobs: list[dict[str, Any]] = []
    texts: dict[str, None] = {}
    problems: list[str] = []
    micro_batches = False
    reached: list[str] = []
    least: dict[str, int] = {}
    for path, blob in zip(argument["paths"], blobs, strict=True):
        parsed = parse_text(blob.decode("utf-8", "replace"))
        if parsed.tree is None:
            problems.append(f"{path}: {parsed.message}")
            continue
        nodes = SyntaxNodes(parsed.tree)
        names = _module_names(parsed.tree)
        reached += awareness(parsed.tree, path)
        for name, number in least_values(nodes).items():
            least[name] = max(number, least.get(name, number))
        knobs += _environment_knobs(nodes, names)
        knobs += _options(nodes, names)
        knobs += _constants(parsed.tree, nodes)
        knobs += _parameters(nodes)
        knobs += _locals(nodes)
        micro_batches = micro_batches or any(map(is_micro_batch_count, nodes.of(ast.BinOp)))
        for constant in nodes.of(ast.Constant):
            value = constant.value
            if isinstance(value, str) and len(value) <= _LONGEST_TEXT and _DATA_TEXT.search(value):
                texts.setdefault(value)
    distinct = {(one["name"], one["kind"], one["value"], one.get("target")): one for one in knobs}
    return {
        "knobs": list(distinct.values())[:KNOBS_AT_MOST],
        "texts": list(texts)[:TEXTS_AT_MOST],
        "problems": problems,
        "micro_batches": micro_batches,
        "reached": [place[:_LONGEST_TEXT] for place in reached[:_PLACES_AT_MOST]],
        "least": dict(list(least.items())[:KNOBS_AT_MOST]),
    }


def _module_names(tree: ast.Module) -> dict[str, ast.expr]:
    """Names the module binds once, to a constant: minified scripts keep common defaults in such."""
    bound: dict[str, list[ast.expr]] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    bound.setdefault(target.id, []).append(statement.value)
    return {name: values[0] for name, values in bound.items() if len(values) == 1}


def _environment_knobs(nodes: SyntaxNodes, names: dict[str, ast.expr]) -> Iterator[dict[str, Any]]:
    targets, made = _targets(nodes), _made_numbers(nodes)
    chosen = {
        statement.targets[0].id: statement.value
        for statement in nodes.of(ast.Assign)
        if isinstance(statement.targets[0], ast.Name) and isinstance(statement.value, ast.IfExp)
    }
    for call in nodes.of(ast.Call):
        found = _environment_name(call)
        if found is None:
            continue
        variable, default = found
        for keyword in call.keywords:
            if keyword.arg == "default":
                default = keyword.value
        official = official_choice(
            chosen.get(default.id, default) if isinstance(default, ast.Name) else default
        )
        knob = _knob("environment", variable, official or _resolved(default, names))
        knob["of_ranks"] = official is not None
        yield (
            knob | {"target": targets.get(id(call))} | ({"type": made[id(call)]} if id(call) in made else {})
        )
    for item in nodes.of(ast.Subscript):
        if _is_environ(item.value) and isinstance(item.slice, ast.Constant):
            name = item.slice.value
            if isinstance(name, str) and isinstance(item.ctx, ast.Load):
                knob = _knob("environment", name, None) | {"target": targets.get(id(item))}
                yield knob | ({"type": made[id(item)]} if id(item) in made else {})


def _environment_name(call: ast.Call) -> tuple[str, ast.expr | None] | None:
    """The variable a call looks up, and its default; None for calls that look up none.

    A script's own function may take the default first: `setting(1024, "VOCAB_SIZE")`.
    """
    words = [one.value if isinstance(one, ast.Constant) else None for one in call.args[:3]]
    if not words:
        return None
    if isinstance(words[0], str) and _reads_environment(call.func):
        return words[0], call.args[1] if len(words) > 1 else None
    if not isinstance(call.func, ast.Name) or len(call.args) > 3:
        return None
    if _is_variable(words[0]):
        return str(words[0]), call.args[1] if len(words) > 1 else None
    if len(words) == 2 and _is_variable(words[1]):
        return str(words[1]), call.args[0]
    return None


def _is_variable(word: object) -> bool:
    return isinstance(word, str) and _ENVIRONMENT_NAME.fullmatch(word) is not None


def _made_numbers(nodes: SyntaxNodes) -> dict[int, str]:
    """Expressions that are at once made a number: `int(os.environ["A"])`."""
    return {
        id(call.args[0]): call.func.id
        for call in nodes.of(ast.Call)
        if isinstance(call.func, ast.Name) and call.func.id in {"int", "float"} and len(call.args) == 1
    }


def _targets(nodes: SyntaxNodes) -> dict[int, str]:
    """Which name keeps the value of an expression or of what it wraps: `a = int(get("A", 1))`."""
    found: dict[int, str] = {}
    statements: list[ast.Assign | ast.AnnAssign] = [*nodes.of(ast.Assign), *nodes.of(ast.AnnAssign)]
    for statement in statements:
        places = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        name = next((one.id for one in places if isinstance(one, ast.Name)), None)
        name = name or next((one.attr for one in places if isinstance(one, ast.Attribute)), None)
        if name is not None and statement.value is not None:
            for node in SyntaxNodes.below(statement.value):
                if isinstance(node, (ast.Call, ast.Subscript)):
                    found.setdefault(id(node), name)
    return found


def _reads_environment(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        if function.attr == "getenv":
            return True
        return function.attr in {"get", "setdefault", "pop"} and _is_environ(function.value)
    return isinstance(function, ast.Name) and function.id == "getenv"


def _is_environ(value: ast.expr) -> bool:
    if isinstance(value, ast.Attribute):
        return value.attr == "environ"
    return isinstance(value, ast.Name) and value.id.lower().strip("_") in {"environ", "env", "e", "osenv"}


def _options(nodes: SyntaxNodes, names: dict[str, ast.expr]) -> Iterator[dict[str, Any]]:
    for call in nodes.of(ast.Call):
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "add_argument":
            continue
        words = [
            one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
        ]
        options = [word for word in words if word.startswith("-")]
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        if options and "action" not in keywords:
            yield _knob("option", max(options, key=len), _resolved(keywords.get("default"), names))


def _constants(tree: ast.Module, nodes: SyntaxNodes) -> Iterator[dict[str, Any]]:
    """Constants of the module, and of classes that hold settings."""
    bodies = [("module", tree.body)]
    bodies += [("class", one.body) for one in nodes.of(ast.ClassDef) if _SETTINGS_CLASS.fullmatch(one.name)]
    for kind, body in bodies:
        for statement in body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target: ast.expr = statement.targets[0]
            elif isinstance(statement, ast.AnnAssign):
                target = statement.target
            else:
                continue
            if isinstance(target, ast.Name) and statement.value is not None:
                yield from _literal(kind, target.id, statement.value)


def _parameters(nodes: SyntaxNodes) -> Iterator[dict[str, Any]]:
    """Defaults of parameters, and numbers that calls pass by keyword."""
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda] = [
        *nodes.of(ast.FunctionDef),
        *nodes.of(ast.AsyncFunctionDef),
        *nodes.of(ast.Lambda),
    ]
    for function in functions:
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args]
        with_default = named[len(named) - len(arguments.defaults) :]
        for argument, default in zip(with_default, arguments.defaults, strict=True):
            yield from _literal("parameter", argument.arg, default)
        for argument, keyword_default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if keyword_default is not None:
                yield from _literal("parameter", argument.arg, keyword_default)
    for call in nodes.of(ast.Call):
        for keyword in call.keywords:
            if keyword.arg is not None:
                yield from _literal("parameter", keyword.arg, keyword.value)


def _locals(nodes: SyntaxNodes) -> Iterator[dict[str, Any]]:
    """Constants that a function binds once and does not change."""
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = [
        *nodes.of(ast.FunctionDef),
        *nodes.of(ast.AsyncFunctionDef),
    ]
    for function in functions:
        for name, statement in local_constants(function):
            yield from _literal("local", name, statement.value)


def _literal(kind: str, name: str, value: ast.expr) -> Iterator[dict[str, Any]]:
    found = _folded(value)
    if isinstance(found, (int, float, str)) and not (isinstance(found, str) and len(found) > _LONGEST_TEXT):
        yield _knob(kind, name, value)


def _resolved(default: ast.expr | None, names: dict[str, ast.expr]) -> ast.expr | None:
    return names.get(default.id, default) if isinstance(default, ast.Name) else default


def _knob(kind: str, name: str, default: ast.expr | None) -> dict[str, Any]:
    value = None if default is None else _folded(default)
    text = None if value is None else str(value)[:_LONGEST_TEXT]
    return {"name": name[:80], "kind": kind, "value": text, "type": type(value).__name__}


def _folded(node: ast.expr, depth: int = 0) -> Any:
    """The value of a literal, of arithmetic of numbers, or of `str()`/`int()` around one.

    None for others, and for numbers beyond any size: arithmetic on them could be made to take for ever.
    """
    value = _value(node, depth)
    return None if isinstance(value, int) and abs(value) > _LARGEST else value


def _value(node: ast.expr, depth: int) -> Any:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, (int, float, str)) else None
    if depth > 8:
        return None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = _folded(node.operand, depth + 1)
        return -operand if isinstance(operand, (int, float)) else None
    if isinstance(node, ast.BinOp):
        left, right = _folded(node.left, depth + 1), _folded(node.right, depth + 1)
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            return _combined(node.op, left, right)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"str", "int", "float"}
        and len(node.args) == 1
    ):
        return _folded(node.args[0], depth + 1)
    return None


def _combined(operator: ast.operator, left: float, right: float) -> Any:
    if isinstance(operator, ast.Mult):
        return left * right
    if isinstance(operator, ast.Add):
        return left + right
    if isinstance(operator, ast.Sub):
        return left - right
    if isinstance(operator, ast.FloorDiv) and right:
        return left // right
    is_power = isinstance(operator, (ast.Pow, ast.LShift)) and isinstance(left, int)
    if is_power and isinstance(right, int) and 0 <= right <= 64 and abs(left) <= 1024:
        return left**right if isinstance(operator, ast.Pow) else int(left) << right
    return None
