"""Twins the audit does not judge as expected today, with the reason; each is tested to be missed still.

A twin that is judged rightly fails its test until its line here is deleted.
"""

from __future__ import annotations

KNOWN_MISSES: dict[str, str] = {}
