"""The dynamic audit without a script: what a scorer's losses depend on, for a competitor's own tests.

Give it a function from tokens to losses. It scores drawn streams in many ways and compares: whether a loss
depends on later tokens, on the token itself, or is not the logarithm of a probability at all. Sources of the
probes: the four conditions of issue #1017 of openai/parameter-golf; docs/black_box.md.

Shapes: T tokens, V vocabulary. Needs numpy.
"""

from __future__ import annotations

from harness.black_box.audit import BlackBoxReport, BreachError, audit_scorer
from harness.black_box.interface_scorer import interface_scorer
from harness.black_box.probe_result import ProbeResult
from harness.black_box.scorer import Scorer, ScorerError
from harness.probe_outcome import Outcome

__all__ = [
    "BlackBoxReport",
    "BreachError",
    "Outcome",
    "ProbeResult",
    "Scorer",
    "ScorerError",
    "audit_scorer",
    "interface_scorer",
]
