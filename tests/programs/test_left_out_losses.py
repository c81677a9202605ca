"""Losses left out of the sum by a test on themselves or on their token, beside masks of positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.judging import judged
from tests.programs.loss_script import line_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

_EACH = 'a = F.cross_entropy(model(x), y, reduction="none")\n'
_MEAN = "a = F.cross_entropy(model(x), y)\n"


def _asked(script: str, root: Path) -> list[Finding]:
    found = [finding for finding in judged(script, root, also=("val-full",)) if finding.rule == "val-full"]
    return [finding for finding in found if finding.verdict is RuleVerdict.NEEDS_HUMAN]


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (_EACH + "loss_sum += a[a < 10].sum().item()", "a < 10"),
        (_EACH + "loss_sum += (a * (a < 10).float()).sum().item()", "a < 10"),
        (_EACH + "loss_sum += torch.where(a < 10, a, torch.zeros_like(a)).sum().item()", "a < 10"),
        (_EACH + "loss_sum += a.masked_fill(a > 10, 0.0).sum().item()", "a > 10"),
        (_EACH + "a[a > 10] = 0.0\nloss_sum += a.sum().item()", "a > 10"),
        (_EACH + "loss_sum += a.topk(1000, largest=False).values.sum().item()", "topk"),
        (_MEAN + "if a < 6.0:\n    loss_sum += a.item() * 1024", "loss_sum += a"),
        (_EACH + "loss_sum += a[y != 7].sum().item()", "y != 7"),
        (_MEAN + "loss_sum += loss_sum / max(i, 1) if i % 2 else a.item() * 1024", "max(i, 1)"),
    ],
)
def test_leaving_losses_out_of_the_sum_asks(tmp_path: Path, score: str, text: str) -> None:
    script = scored_by(score)
    asked = _asked(script, tmp_path)
    assert asked
    assert line_of(script, text) in {place.line for place in asked[0].places}


def test_skipping_the_rest_of_a_pass_by_its_loss_asks(tmp_path: Path) -> None:
    score = _MEAN + "count += y.numel()\nif a > 6.0:\n    continue\nloss_sum += a.item() * 1024"
    assert _asked(scored_by(score), tmp_path)


def test_a_count_that_leaves_tokens_out_by_their_loss_asks(tmp_path: Path) -> None:
    score = _MEAN + "loss_sum += a.item() * 1024\nif a > 6.0:\n    continue"
    assert _asked(scored_by(score), tmp_path)


@pytest.mark.parametrize(
    "score",
    [
        _EACH + "loss_sum += a[-64:].sum().item()",
        _EACH + "mask = torch.arange(1024, device=device) >= 960\nloss_sum += a[mask].sum().item()",
        _EACH
        + "mask = torch.arange(1024, device=device) >= 960\nloss_sum += (a * mask.float()).sum().item()",
        _EACH + "dear = (a > 10).sum().item()\nprint(i, dear)\nloss_sum += a.sum().item()",
        _MEAN + "if a > 6.0:\n    print('dear', i)\nloss_sum += a.item() * 1024",
        _MEAN + "if i % 100 == 0:\n    print(loss_sum)\nloss_sum += a.item() * 1024",
        _EACH + "byte_sum += (byte_lengths[y] * (y != 7)).sum().item()\nloss_sum += a.sum().item()",
    ],
)
def test_masks_of_positions_and_of_bytes_ask_nothing(tmp_path: Path, score: str) -> None:
    assert not _asked(scored_by(score), tmp_path)
