"""Which settings of a configuration are technique switches, and the values a bundle bakes in.

A switch decides which code runs: every enumeration, bool and tuple of layers in the groups of `_GROUPS`, and
the numbers of `_OFF_AT_ZERO`, where only "zero or not" is baked in. Everything else stays a plain setting:
schedule, data, evaluation and run groups, sizes and rates are read when the script runs.
"""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reference_model.config import Config

_GROUPS = ("model", "optimizer", "averaging", "quantization", "ttt", "ngram")
_OFF_AT_ZERO = (
    "model.unique_layers",
    "model.bigram_buckets",
    "averaging.ema_decay",
    "averaging.swa_every",
    "quantization.prune_fraction",
    "quantization.qat_threshold",
)
_NUMBER_TESTS: dict[type[ast.cmpop], bool] = {ast.Gt: True, ast.NotEq: True, ast.Eq: False, ast.LtE: False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Baked values by dotted path, and the classes that hold them.

    `groups` maps a class name to the path of its values: {"Config": "", "ModelConfig": "model"}.
    """

    values: Mapping[str, object]
    groups: Mapping[str, str]
    used: set[str] = field(default_factory=set)  # paths that decided a branch

    def without(self, names: set[str]) -> Switches:
        """The switches less those whose last part is in `names`."""
        kept = {path: value for path, value in self.values.items() if path.rpartition(".")[2] not in names}
        return Switches(values=kept, groups=self.groups)

    def truth(self, path: str) -> bool | None:
        """Whether the value is true in a test; None when it is not a switch. Enumerations are always true."""
        if path not in self.values:
            return None
        self.used.add(path)
        value = self.values[path]
        return True if isinstance(value, Enum) else bool(value)

    def compared(self, path: str, operator: ast.cmpop, other: ast.expr) -> bool | None:
        """The outcome of `path operator other`; None when it is open."""
        if path not in self.values:
            return None
        outcome = _compared(self.values[path], operator, other)
        if outcome is not None:
            self.used.add(path)
        return outcome

    def contains(self, path: str) -> bool | None:
        """Whether `anything in path`: decided only where the baked tuple is empty."""
        if self.values.get(path, None) != ():
            return None
        self.used.add(path)
        return False


def _compared(value: object, operator: ast.cmpop, other: ast.expr) -> bool | None:
    if isinstance(value, Enum):
        return _compared_member(value, operator, other)
    if not isinstance(other, ast.Constant):
        return None
    if isinstance(value, bool) and isinstance(other.value, bool):
        if isinstance(operator, (ast.Is, ast.Eq)):
            return value is other.value
        return value is not other.value if isinstance(operator, (ast.IsNot, ast.NotEq)) else None
    if isinstance(value, (int, float)) and other.value == 0 and type(operator) in _NUMBER_TESTS:
        return bool(value) is _NUMBER_TESTS[type(operator)]
    return None


def _compared_member(value: Enum, operator: ast.cmpop, other: ast.expr) -> bool | None:
    if isinstance(operator, (ast.In, ast.NotIn)) and isinstance(other, (ast.Tuple, ast.List, ast.Set)):
        each = [_is_member(value, item) for item in other.elts]
        if None in each:
            return None
        return any(each) is isinstance(operator, ast.In)
    same = _is_member(value, other)
    if same is None:
        return None
    if isinstance(operator, (ast.Is, ast.Eq)):
        return same
    return not same if isinstance(operator, (ast.IsNot, ast.NotEq)) else None


def _is_member(value: Enum, node: ast.expr) -> bool | None:
    if not isinstance(node, ast.Attribute):
        return None
    owner = node.value
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    return node.attr == value.name if name == type(value).__name__ else None


def switches_of(config: Config) -> Switches:
    """The technique switches of a configuration."""
    values: dict[str, object] = {}
    groups = {type(config).__name__: ""}
    for group in dataclasses.fields(config):
        part = getattr(config, group.name)
        if not dataclasses.is_dataclass(part):
            continue
        groups[type(part).__name__] = group.name
        for each in dataclasses.fields(part):
            path, value = f"{group.name}.{each.name}", getattr(part, each.name)
            if path in _OFF_AT_ZERO or (group.name in _GROUPS and isinstance(value, (Enum, bool, tuple))):
                values[path] = value
    return Switches(values=values, groups=groups)
