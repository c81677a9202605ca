"""A shift optimised on part of a window: the part before a border is asked about, all of it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

_SHIFT = """
h = model(x)
shift = torch.zeros(1, h.size(-1), device=device, requires_grad=True)
fitting = torch.optim.AdamW([shift], lr=0.01)
border = max(x.numel() - 64, 1)
mask = torch.zeros(1024, device=device)
{mask}
with torch.enable_grad():
    for _ in range(8):
        fitting.zero_grad()
        {loss}.backward()
        fitting.step()
losses = F.cross_entropy(h + shift.detach(), y, reduction="none")
loss_sum += losses[border:].sum().item()
"""
_LOSSES = 'F.cross_entropy(h + shift, y, reduction="none")'
_KEPT = {
    "product": f"({_LOSSES} * mask).sum()",
    "chosen losses": f"{_LOSSES}[mask.bool()].mean()",
    "chosen rows": "F.cross_entropy((h + shift)[mask.bool()], y[mask.bool()])",
}


def _rules(tmp_path: Path, mask: str, loss: str) -> tuple[RuleVerdict, RuleVerdict]:
    script = scored_by(_SHIFT.format(mask=mask, loss=loss))
    scored = said_of(script, tmp_path / "scored", "slot-scored-region")
    return scored.verdict, said_of(script, tmp_path / "context", "slot-context-only").verdict


@pytest.mark.parametrize("how", _KEPT)
def test_a_shift_on_the_losses_that_a_mask_keeps_before_a_border_is_asked(tmp_path: Path, how: str) -> None:
    scored, context = _rules(tmp_path, "mask[:border] = 1.0", _KEPT[how])
    assert scored is not RuleVerdict.FAIL
    assert context is RuleVerdict.NEEDS_HUMAN


@pytest.mark.parametrize("how", _KEPT)
def test_a_shift_on_the_losses_that_a_mask_keeps_behind_a_border_fails(tmp_path: Path, how: str) -> None:
    scored, context = _rules(tmp_path, "mask[border:] = 1.0", _KEPT[how])
    assert scored is RuleVerdict.FAIL
    assert context is not RuleVerdict.NEEDS_HUMAN


def test_a_shift_on_a_slice_before_a_border_is_asked(tmp_path: Path) -> None:
    loss = "F.cross_entropy((h + shift)[:border], y[:border])"
    scored, context = _rules(tmp_path, "", loss)
    assert scored is not RuleVerdict.FAIL
    assert context is RuleVerdict.NEEDS_HUMAN


def test_a_shift_on_the_whole_window_fails(tmp_path: Path) -> None:
    scored, _ = _rules(tmp_path, "", "F.cross_entropy(h + shift, y)")
    assert scored is RuleVerdict.FAIL
