"""Weights of a mixture that a test on the scored token decides, beside those of the context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import line_of, said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

_CACHE = """\
ids = tokens.cpu().numpy()
counts = defaultdict(lambda: defaultdict(int))
totals = defaultdict(int)
"""
_SCORE = """\
probs = F.softmax(model(x).float(), dim=-1).cpu().numpy()
for t in range(1024):
    pos = i * 1024 + t + 1
    target = int(ids[pos])
    context = tuple(ids[pos - 3 : pos].tolist())
    seen = totals[context]
    cached = np.zeros(1024)
    for token, count in counts[context].items():
        cached[token] = count / seen
    {weight}
    mixed = (1.0 - weight) * probs[t] + weight * cached
    loss_sum += -math.log(max(mixed[target], 1e-12))
    counts[context][target] += 1
    totals[context] += 1
"""


def _mixed_by(weight: str) -> str:
    score = _SCORE.replace("{weight}", weight.replace("\n", "\n    "))
    return scored_by(score, before=_CACHE).replace(
        "import glob", "import glob\nfrom collections import defaultdict"
    )


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        ("weight = 0.3 if int(cached.argmax()) == target else 0.0", "argmax"),
        ("weight = 0.3 if target % 2 else 0.0", "target % 2"),
        ("weight = 0.0\nif target > 500:\n    weight = 0.3", "target > 500"),
    ],
)
def test_a_weight_that_the_scored_token_decides_asks(tmp_path: Path, weight: str, text: str) -> None:
    script = _mixed_by(weight)
    finding = said_of(script, tmp_path, "ngram-target-gate")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert line_of(script, text) in {place.line for place in finding.places}


@pytest.mark.parametrize(
    "weight",
    [
        "weight = 0.3 if seen > 0 else 0.0",
        "weight = 0.3 if ids[pos - 1] > 500 else 0.0",
        "weight = 0.0\nif probs[t].max() < 0.5:\n    weight = 0.3",
        "entropy = -(probs[t] * np.log(probs[t])).sum()\nweight = 0.3 if entropy > 2.0 else 0.1",
    ],
)
def test_a_weight_of_the_context_asks_nothing(tmp_path: Path, weight: str) -> None:
    finding = said_of(_mixed_by(weight), tmp_path, "ngram-target-gate")
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE, finding.message
