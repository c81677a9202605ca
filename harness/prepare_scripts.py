"""How training data was prepared: what shipped scripts hold out, and how many shards an export can have."""

from __future__ import annotations

import ast
import math
import re
from typing import TYPE_CHECKING

from harness.finding import Sourced
from harness.stated_methods import commands
from harness.validation_bytes import known_streams, stream_of_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.ruleset import Limits
    from harness.submission import Submission

_OPTION = re.compile(r"^--(?:num[-_])?val(?:idation)?[-_](?:num[-_])?docs$")
_COMMAND = re.compile(r"--(?:num[-_])?val(?:idation)?[-_](?:num[-_])?docs[= ]+['\"]?(\d[\d_,]{0,11})\b")
_SCRIPT_LIMIT = 400_000  # characters; larger files are no preparation script


def most_shards(val_tokens: int | None, limits: Limits) -> int:
    """How many train shards of the published size the source documents can fill.

    Their tokens per document are those of the validation stream; for an unknown stream, those of the known
    one with the most tokens per document, the byte-level one left out.
    """
    stream = stream_of_tokens(val_tokens, limits) if val_tokens is not None else None
    longest = max(each.tokens for each in known_streams(limits) if each.bytes_per_token > 1.5)
    per_document = (stream.tokens if stream is not None else longest) / limits.integer("validation.documents")
    return math.ceil(
        limits.integer("data.source_documents") * per_document / limits.integer("data.shard_tokens")
    )


def held_out_defaults(submission: Submission) -> Iterator[Sourced[int]]:
    """The default of each `--val-docs` style option in a shipped Python script, with its line."""
    texts = {path: file.text for path, file in submission.texts.items() if path.endswith(".py")}
    for source in (submission.code.entry, *submission.code.closure):
        if source is not None and source.text is not None:
            texts.setdefault(source.path, source.text)
    for path, text in sorted(texts.items()):
        if "val" in text and "docs" in text and len(text) <= _SCRIPT_LIMIT:
            yield from _defaults(path, text)


def held_out_commands(submission: Submission) -> Iterator[Sourced[int]]:
    """The number each shown command passes to a `--val-docs` style option."""
    for command in commands(submission):
        for match in _COMMAND.finditer(command.value):
            yield command.with_value(int(match.group(1).replace("_", "").replace(",", "")))


def _defaults(path: str, text: str) -> Iterator[Sourced[int]]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # a script that does not parse is reported by the rule that asks whether it runs
    constants = _constants(tree)
    lines = text.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr != "add_argument" or not any(_is_option(argument) for argument in node.args):
            continue
        for keyword in node.keywords:
            value = _number(keyword.value, constants) if keyword.arg == "default" else None
            if value is not None:
                line = keyword.value.lineno
                yield Sourced(value, path, line, lines[line - 1].strip()[:200])


def _is_option(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_OPTION.match(node.value))


def _constants(tree: ast.Module) -> dict[str, int]:
    """Module-level names bound to a whole number."""
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, int) and not isinstance(value, bool):
                found.update({target.id: value for target in node.targets if isinstance(target, ast.Name)})
    return found


def _number(node: ast.expr, constants: dict[str, int]) -> int | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value
    return constants.get(node.id) if isinstance(node, ast.Name) else None
