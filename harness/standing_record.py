"""The record a submission has to beat: given on the command line, or found in the clone's own history."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The standing record: per-seed scores (bits per byte) and where they came from.

    `bytes_per_token` is that of the reference's own tokenizer where known, None otherwise.
    `source` says who named it ("--reference", "main at 1a2b3c4, PR #1855").
    """

    name: str
    scores: tuple[float, ...]
    source: str
    pr: int | None = None
    bytes_per_token: float | None = None
