"""Writes a configuration as the module that a packed script carries in place of `baked_configuration`."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_model.config import Config

BAKED_MODULE = "reference_model.baked_configuration"


def baked_text(config: Config, switches: tuple[str, ...]) -> str:
    """The module's text: only what differs from the defaults is written."""
    used: set[str] = set()
    written = _written(config, used, 0)
    names = ", ".join(sorted(used))
    return (
        '"""The configuration this script trains."""\n\n'
        "from __future__ import annotations\n\n"
        f"from {type(config).__module__} import {names}\n\n"
        f"BAKED_CONFIG = {written}\n\n"
        f"BAKED_SWITCHES: tuple[str, ...] = {switches!r}\n"
    )


def _written(value: object, used: set[str], depth: int) -> str:
    if isinstance(value, Enum):
        used.add(type(value).__name__)
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple):
        items = [_written(each, used, depth) for each in value]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if not dataclasses.is_dataclass(value):
        return repr(value)
    used.add(type(value).__name__)
    indent = "    " * (depth + 1)
    changed = [each for each in dataclasses.fields(value) if getattr(value, each.name) != each.default]
    lines = [
        f"{indent}{each.name}={_written(getattr(value, each.name), used, depth + 1)},\n" for each in changed
    ]
    return (
        f"{type(value).__name__}(\n{''.join(lines)}{'    ' * depth})"
        if lines
        else f"{type(value).__name__}()"
    )
