from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from harness.dynamic.probes.probe import ProbeResult, ScoredRun, scored_run
from harness.dynamic.probes.scattered_targets import scattered_places, scattered_targets
from harness.probe_outcome import Outcome
from tests.harness.dynamic.toy_runs import VAL_TOKENS, run_toy, validation
from tests.programs.dynamic import mutant_bases
from tests.programs.dynamic import toy_scripts as toys
from tests.programs.dynamic.mutant_bases import small

_LOGITS = "        logits = self.head(torch.tanh(self.table(x)))\n"
SEES_TARGETS_NOW_AND_THEN = toys.FROZEN.replace(
    _LOGITS,
    f"{_LOGITS}        logits = logits + 0.1 * (x % 4 == 3)[..., None] * F.one_hot(y, logits.size(-1))\n",
)
"""Illegal: behind one token in four the target gets a higher score; all of it is a softmax."""
SLIDING = small(mutant_bases.SLIDING)
REMEMBERS = toys.FROZEN.replace(
    _LOGITS,
    (
        f"{_LOGITS}        logits = logits + getattr(self, 'bias', 0.0)\n"
        "        if not torch.is_grad_enabled():\n"
        "            self.bias = F.one_hot(y, logits.size(-1)).float().mean((0, 1))\n"
    ),
)
"""Legal: what was scored before raises the scores of its tokens."""


@cache
def _scored(source: str, places: tuple[int, ...] = ()) -> ScoredRun:
    tokens = validation()
    where = list(places)
    tokens[where] = 2 + (tokens[where] + 5) % 126
    with tempfile.TemporaryDirectory() as folder:
        run = run_toy(source, Path(folder) / "run", tokens)
    return scored_run(f"{len(places)} replaced", run, stream_tokens=VAL_TOKENS, label=None)


def _places(source: str) -> tuple[int, ...]:
    places = scattered_places(_scored(source))
    assert places is not None
    return tuple(places.tolist())


def _said(source: str, alone: int | None = None) -> ProbeResult:
    places = _places(source)
    one = None if alone is None else _scored(source, (places[alone],))
    return scattered_targets(_scored(source), _scored(source, places), places, one)


def test_each_row_has_a_place_that_no_other_row_has_as_context() -> None:
    places = np.array(_places(toys.FROZEN))
    assert ((places - 1) // 64).tolist() == list(range(16))
    assert (places % 64 != 0).all()  # those targets are the first input of the next row


def test_windows_that_overlap_have_a_place_each() -> None:
    assert len(_places(SLIDING)) == 31


def test_a_network_that_does_not_see_its_targets_is_clean_at_all_places() -> None:
    result = _said(toys.FROZEN)
    assert (result.outcome, result.numbers["seen"]) == (Outcome.CLEAN, 16)


def test_a_target_seen_behind_one_token_in_four_is_a_breach() -> None:
    differing = _said(SEES_TARGETS_NOW_AND_THEN).numbers["differing"]
    assert 0 < differing < 16
    places, tokens = _places(SEES_TARGETS_NOW_AND_THEN), validation()
    result = _said(
        SEES_TARGETS_NOW_AND_THEN, next(at for at, place in enumerate(places) if tokens[place - 1] % 4 == 3)
    )
    assert (result.outcome, result.condition) == (Outcome.BREACH, "c1-causal")


def test_a_difference_that_no_run_confirmed_is_no_breach() -> None:
    assert _said(SEES_TARGETS_NOW_AND_THEN).outcome is Outcome.NO_POWER


def test_what_was_remembered_from_earlier_places_is_no_breach() -> None:
    result = _said(REMEMBERS, 2)  # the first place of the second chunk
    assert result.outcome is Outcome.NO_POWER
    assert "with what stood before it" in result.sentence
