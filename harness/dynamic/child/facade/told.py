"""What the facade has to tell: programs a script wanted to start, packages it reached for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LISTENERS: list[Callable[[str, dict[str, Any]], None]] = []


def listen(listener: Callable[[str, dict[str, Any]], None]) -> None:
    """Call `listener(kind, fields)` for everything told from now on."""
    _LISTENERS.append(listener)


def tell(kind: str, **fields: Any) -> None:
    """Tell that something of this kind happened."""
    for listener in _LISTENERS:
        listener(kind, fields)
