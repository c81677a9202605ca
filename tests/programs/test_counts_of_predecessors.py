"""Shares of what was counted before each token, mixed with the network's probability behind its lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import line_of, said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

RULES = ("c3-score-before-update", "c4-single-pass")

_MIXER = """\
class Mixer:
    def __init__(self, stream):
        self.stream = stream.cpu().numpy()
        self.counts = np.ones((1024, 1024))
        self.totals = np.full(1024, 1024.0)
    def mix(self, places, log_probs, targets):
        contexts, following = self.stream[places - 1], self.stream[places]
        shares = torch.from_numpy(self.counts[contexts, following] / self.totals[contexts]).to(device)
        own = log_probs.gather(1, targets[:, None])[:, 0]
        return -torch.logaddexp(own + math.log(0.9), torch.log(shares) + math.log(0.1))
    def learn(self, places):
        contexts, following = self.stream[places - 1], self.stream[places]
        np.add.at(self.counts, (contexts, following), 1)
        np.add.at(self.totals, contexts, 1)
mixer = Mixer(tokens)
"""
_PLACES = "places = np.arange(i * 1024 + 1, (i + 1) * 1024 + 1)\n"
_SCORE = "loss_sum += mixer.mix(places, F.log_softmax(model(x), -1), y).sum().item()\n"
_LEARN = "mixer.learn(places)\n"
_WINDOWS = {
    "range": {},
    "array-of-starts": {
        "for i in range((tokens.numel() - 1) // 1024):": "for start in np.arange(0, tokens.numel(), 1024):",
        "(i + 1) * 1024 + 1": "start + 1025",
        "(i + 1) * 1024": "start + 1024",
        "i * 1024 + 1": "start + 1",
        "i * 1024": "start",
    },
}


def _mixed(score: str, windows: str) -> str:
    script = scored_by(_PLACES + score, before=_MIXER)
    for old, new in _WINDOWS[windows].items():
        assert old in script
        script = script.replace(old, new)
    return script


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("windows", _WINDOWS)
def test_a_table_that_counts_each_window_behind_its_score_passes(
    tmp_path: Path, windows: str, rule: str
) -> None:
    finding = said_of(_mixed(_SCORE + _LEARN, windows), tmp_path, rule)
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("windows", _WINDOWS)
def test_a_table_that_counts_each_window_before_its_score_is_asked_about(
    tmp_path: Path, windows: str
) -> None:
    script = _mixed(_LEARN + _SCORE, windows)
    finding = said_of(script, tmp_path, "c3-score-before-update")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN, finding.message
    assert line_of(script, "np.add.at(self.counts") in {place.line for place in finding.places}


@pytest.mark.parametrize("windows", _WINDOWS)
def test_a_table_that_counts_each_window_before_its_score_leaves_the_single_pass_open(
    tmp_path: Path, windows: str
) -> None:
    script = _mixed(_LEARN + _SCORE, windows)
    finding = said_of(script, tmp_path, "c4-single-pass")
    assert finding.verdict is RuleVerdict.NOT_CHECKED, finding.message
    assert f"validation-in-loss at train_gpt.py:{line_of(script, 'torch.logaddexp')}" in finding.message


_COUNTED = "    found[token] = found.get(token, 0) + 1\n"
_SHARED = "    shares[at] = found.get(token, 0) / (at + 1)\n"
_PREPARED = """\
found = {}
shares = np.zeros(tokens.numel())
for at, token in enumerate(tokens.tolist()):
"""
_OWN = "own = F.log_softmax(model(x), -1).gather(1, y[:, None])[:, 0]\n"
_ADDED = f"""\
{_OWN}counted = torch.from_numpy(shares[i * 1024 + 1 : (i + 1) * 1024 + 1]).to(device)
loss_sum += -torch.logaddexp(own + math.log(0.9), torch.log(counted) + math.log(0.1)).sum().item()
"""


@pytest.mark.parametrize("rule", RULES)
def test_shares_prepared_token_by_token_from_earlier_ones_pass(tmp_path: Path, rule: str) -> None:
    script = scored_by(_ADDED, before=_PREPARED + _SHARED + _COUNTED)
    finding = said_of(script, tmp_path, rule)
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize(
    ("rule", "verdict"), [(RULES[0], RuleVerdict.NEEDS_HUMAN), (RULES[1], RuleVerdict.NOT_CHECKED)]
)
def test_shares_prepared_with_each_token_itself_do_not_pass(
    tmp_path: Path, rule: str, verdict: RuleVerdict
) -> None:
    script = scored_by(_ADDED, before=_PREPARED + _COUNTED + _SHARED)
    finding = said_of(script, tmp_path, rule)
    assert finding.verdict is verdict, finding.message
