"""A cache kept and asked through functions over a list of windows, with mixture weights learned by numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import line_of, said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

_WINDOWS = """\
table = np.zeros((4096, 1024))
log_w = np.log(np.array([0.9, 0.1]))
ids = tokens.cpu().numpy()
def buckets_of(contexts):
    return (contexts[:, 0] * 31 + contexts[:, 1] * 17) % 4096
def seen_before(contexts):
    held = table[buckets_of(contexts)]
    return held, held.sum(axis=1)
def remember(contexts, targets):
    np.add.at(table, (buckets_of(contexts), targets), 1.0)
windows = []
for end in [1024, *range(1088, tokens.numel(), 64)]:
    windows.append((end - 1024, 0 if end == 1024 else 960))
"""
_LEARNED = "log_w += 0.05 * np.array([np.log(p[at, targets]).sum(), np.log(cache[at, targets]).sum()])\n"
_REMEMBERED = "remember(contexts, targets)\n"
_WEIGHED = "w = np.exp(log_w - np.logaddexp(*log_w))\n"
_LOOKED_UP = "held, times = seen_before(contexts)\n"
_STACKED = "contexts = np.stack([ids[places - 2], ids[places - 1]], axis=1)\n"
_SCORE = f"""\
p = F.softmax(model(x)[new:].double(), dim=-1).cpu().numpy()
places = np.arange(start + new + 1, start + 1025)
{_STACKED}targets = ids[places]
at = np.arange(targets.size)
{_LOOKED_UP}cache = (held + 512.0 * p) / (times + 512.0)[:, None]
{_WEIGHED}mixed = w[0] * p + w[1] * cache
loss_sum += -np.log(mixed[at, targets]).sum()
{_REMEMBERED}{_LEARNED}"""
_PAIR = "    x, y = tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]\n"


def _mixed(score: str = _SCORE) -> str:
    script = scored_by(score, before=_WINDOWS).replace(
        "for i in range((tokens.numel() - 1) // 1024):\n" + _PAIR,
        "for start, new in windows:\n"
        "    x, y = tokens[start : start + 1024], tokens[start + new + 1 : start + 1025]\n",
    )
    assert "start + new" in script
    return script


@pytest.mark.parametrize(
    "rule", ["c3-score-before-update", "c4-single-pass", "ngram-key-target", "oracle-min", "mixer-hedge"]
)
@pytest.mark.parametrize("weights", ["learned", "fixed"])
def test_a_cache_that_learns_after_each_score_passes(tmp_path: Path, weights: str, rule: str) -> None:
    finding = said_of(
        _mixed(_SCORE if weights == "learned" else _SCORE.replace(_LEARNED, "")), tmp_path, rule
    )
    assert finding.verdict is RuleVerdict.PASS, finding.message


def test_weights_learned_from_earlier_windows_are_no_gate(tmp_path: Path) -> None:
    finding = said_of(_mixed(), tmp_path, "ngram-target-gate")
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE, finding.message


def test_a_cache_that_counts_its_window_before_the_score_asks(tmp_path: Path) -> None:
    early = _SCORE.replace(_REMEMBERED, "").replace(_LOOKED_UP, _REMEMBERED + _LOOKED_UP)
    script = _mixed(early)
    finding = said_of(script, tmp_path, "c3-score-before-update")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN, finding.message
    lines = {place.line for place in finding.places}
    assert {line_of(script, "np.add.at(table"), line_of(script, "held = table[")} <= lines


def test_weights_learned_from_the_window_before_its_score_ask(tmp_path: Path) -> None:
    script = _mixed(_SCORE.replace(_LEARNED, "").replace(_WEIGHED, _LEARNED + _WEIGHED))
    finding = said_of(script, tmp_path, "ngram-target-gate")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN, finding.message
    assert line_of(script, "mixed[at, targets]") in {place.line for place in finding.places}


_SIDE_BY_SIDE = {
    "stack": _STACKED,
    "last-axis": "contexts = np.stack((ids[places - 2], ids[places - 1]), -1)\n",
    "column-stack": "contexts = np.column_stack([ids[places - 2], ids[places - 1]])\n",
}


@pytest.mark.parametrize("way", _SIDE_BY_SIDE)
def test_columns_of_context_make_no_key_of_the_target(tmp_path: Path, way: str) -> None:
    finding = said_of(_mixed(_SCORE.replace(_STACKED, _SIDE_BY_SIDE[way])), tmp_path, "ngram-key-target")
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("way", _SIDE_BY_SIDE)
def test_a_column_of_targets_makes_a_key_of_the_target(tmp_path: Path, way: str) -> None:
    stacked = _SIDE_BY_SIDE[way].replace("places - 1", "places")
    script = _mixed(_SCORE.replace(_STACKED, stacked))
    finding = said_of(script, tmp_path, "ngram-key-target")
    assert finding.verdict is RuleVerdict.FAIL, finding.message
    assert line_of(script, "contexts[:, 0] * 31") in {place.line for place in finding.places}


_PARTS = "F.softmax(torch.tanh(model.embedding(x)) @ model.head.weight.T, -1)"


@pytest.mark.parametrize(
    ("made", "verdict"),
    [(f"{_PARTS}.detach().cpu().numpy()", RuleVerdict.PASS), (_PARTS, RuleVerdict.NOT_CHECKED)],
)
def test_probabilities_in_an_array_carry_no_gradient(tmp_path: Path, made: str, verdict: RuleVerdict) -> None:
    score = f"q = {made}\nloss_sum += -np.log(q[np.arange(1024), y]).sum()\n"
    script = scored_by(score).replace("    with torch.no_grad():\n", "    if True:\n")
    finding = said_of(script, tmp_path, "c3-score-before-update")
    assert finding.verdict is verdict, finding.message
