"""Settings laid on a configuration: from the command line and from the environment.

On the command line a setting is `group.field=value` (`model.num_layers=5`); in the environment it is the
variable that the challenge's scripts use (`NUM_LAYERS=5`), so that a packed `train_gpt.py` is steered the way
competitors steer theirs.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from enum import Enum
from typing import TYPE_CHECKING

from reference_model.config import Config, ConfigError

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator, Mapping


def config_fields() -> Iterator[tuple[str, str, type | types.GenericAlias, str]]:
    """Every switch: group, field, type and the environment variable that overrides it."""
    for group, part in typing.get_type_hints(Config).items():
        if not dataclasses.is_dataclass(part):
            continue
        hints = typing.get_type_hints(part)
        for each in dataclasses.fields(part):
            yield group, each.name, hints[each.name], each.metadata["env"]


def configured(
    config: Config, *, overrides: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """`config` with `group.field` overrides, which win, and environment variables of the challenge's scripts.

    Raises ConfigError for an unknown field, a value of the wrong type and a combination that makes no sense.
    """
    chosen: dict[str, dict[str, object]] = {}
    known = {}
    for group, name, kind, variable in config_fields():
        known[f"{group}.{name}"] = (group, name, kind)
        if environ is not None and variable in environ:
            chosen.setdefault(group, {})[name] = _parsed(environ[variable], kind, variable)
    for path, text in (overrides or {}).items():
        if path not in known:
            raise ConfigError(
                f"no setting is called {path!r}; see `python -m reference_model presets --settings`"
            )
        group, name, kind = known[path]
        chosen.setdefault(group, {})[name] = _parsed(text, kind, path)
    parts = {group: dataclasses.replace(getattr(config, group), **values) for group, values in chosen.items()}
    return dataclasses.replace(config, **parts)


def _parsed(text: str, kind: type | types.GenericAlias, where: str) -> object:
    try:
        if typing.get_origin(kind) is tuple:
            inner = typing.get_args(kind)[0]
            return tuple(_parsed(item.strip(), inner, where) for item in text.split(",") if item.strip())
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind(text.lower())
        if kind is bool:
            return _BOOLEANS[text.strip().lower()]
        value: object = typing.cast("type", kind)(text)
        if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
            raise ValueError("torch counts to there")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("no setting means anything when it is infinite")
        return value
    except (ValueError, KeyError):
        raise ConfigError(f"{where}={text!r:.80} is not {_wanted(kind)}") from None


_LARGEST_NUMBER = 2**63 - 1


_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _wanted(kind: type | types.GenericAlias) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    if kind is bool:
        return "0 or 1"
    if kind is float:
        return "a finite number"
    return (
        "a list of numbers such as 9,10" if typing.get_origin(kind) is tuple else f"of type {kind.__name__}"
    )
