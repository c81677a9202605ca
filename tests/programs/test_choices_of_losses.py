"""The lower of two losses of each token by other words than a minimum, beside what keeps both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import line_of, said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

_TWO = """\
a = F.cross_entropy(model(x), y, reduction="none")
b = F.cross_entropy(other(x), y, reduction="none")
"""
_GATHERED = """\
p, q = F.softmax(model(x), -1), F.softmax(other(x), -1)
a, b = -p.gather(1, y[:, None]).log(), -q.gather(1, y[:, None]).log()
"""
_FUNCTION = """\
def losses(net, x, y):
    return F.cross_entropy(net(x), y, reduction="none")
"""

_KEPT = {
    "a mask times each": ("m = (a < b).float()", "loss_sum += (m * a + (1 - m) * b).sum().item()"),
    "storing under a mask": ("better = b < a\na[better] = b[better]", "loss_sum += a.sum().item()"),
    "reading under two masks": ("", "loss_sum += (a[a < b].sum() + b[~(a < b)].sum()).item()"),
    "the minimum of a stack": ("", "loss_sum += torch.stack([a, b]).amin(0).sum().item()"),
    "a clip at the other": ("", "loss_sum += torch.clamp(a, max=b).sum().item()"),
    "the minimum of numpy": ("", "loss_sum += np.fmin(a.cpu().numpy(), b.cpu().numpy()).sum()"),
}
_KEPT_AT = {
    "a mask times each": "m * a",
    "storing under a mask": "= b[better]",
    "reading under two masks": "a[a < b]",
    "the minimum of a stack": "amin",
    "a clip at the other": "clamp",
    "the minimum of numpy": "fmin",
}


@pytest.mark.parametrize("how", _KEPT)
def test_keeping_the_lower_loss_of_each_token_fails(tmp_path: Path, how: str) -> None:
    script = scored_by(_TWO + "\n".join(_KEPT[how]))
    finding = said_of(script, tmp_path, "oracle-min")
    assert finding.verdict is RuleVerdict.FAIL
    assert line_of(script, _KEPT_AT[how]) in {place.line for place in finding.places}


@pytest.mark.parametrize(
    "score",
    [
        "loss_sum += float(np.sort(torch.stack([a, b]).cpu().numpy(), axis=0)[0].sum())",
        "loss_sum += torch.stack([a, b]).kthvalue(1, dim=0).values.sum().item()",
        "loss_sum += torch.lerp(a, b, (b < a).float()).sum().item()",
        "loss_sum += sorted([a.sum().item(), b.sum().item()])[0]",
    ],
)
def test_an_order_statistic_or_a_function_of_the_comparison_asks(tmp_path: Path, score: str) -> None:
    script = scored_by(_TWO + score)
    finding = said_of(script, tmp_path, "oracle-min")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert line_of(script, score) in {place.line for place in finding.places}


@pytest.mark.parametrize(
    "score",
    [
        "loss_sum += (a - F.relu(a - b)).sum().item()",
        "loss_sum += (0.5 * (a + b - (a - b).abs())).sum().item()",
        "loss_sum += a.scatter_reduce(0, torch.arange(1024, device=device), b, 'amin').sum().item()",
        "w = torch.softmax(-9 * torch.stack([a, b]), 0)\nloss_sum += (w * torch.stack([a, b])).sum().item()",
    ],
)
def test_what_a_function_keeps_of_two_losses_is_left_open(tmp_path: Path, score: str) -> None:
    for rule in ("oracle-min", "c4-single-pass"):
        finding = said_of(scored_by(_TWO + score), tmp_path / rule, rule)
        assert finding.verdict is RuleVerdict.NOT_CHECKED, finding.message
        assert "several losses of the same tokens" in finding.message


def test_the_higher_of_two_probabilities_is_left_open(tmp_path: Path) -> None:
    best = "p = torch.maximum(F.softmax(model(x), -1), F.softmax(other(x), -1))\n"
    script = scored_by(best + "loss_sum += -torch.log(p.gather(1, y[:, None])).sum().item()")
    assert said_of(script, tmp_path, "oracle-min").verdict is RuleVerdict.NOT_CHECKED


def test_two_calls_of_one_function_make_two_losses(tmp_path: Path) -> None:
    two = "a = losses(model, x, y)\nb = losses(other, x, y)\n"
    script = scored_by(two + "loss_sum += torch.minimum(a, b).sum().item()", before=_FUNCTION)
    assert said_of(script, tmp_path, "oracle-min").verdict is RuleVerdict.FAIL


@pytest.mark.parametrize(
    "two",
    [
        "a, b = losses(model, x, y), losses(other, x, y)\n",
        _TWO.replace("a = ", "a, b = ").replace("\nb = ", ", "),
        _GATHERED,
    ],
)
def test_two_calls_on_one_line_make_two_losses(tmp_path: Path, two: str) -> None:
    script = scored_by(
        two + "m = (a < b).float()\nloss_sum += (m * a + (1 - m) * b).sum().item()", before=_FUNCTION
    )
    assert said_of(script, tmp_path, "oracle-min").verdict is RuleVerdict.FAIL


@pytest.mark.parametrize(
    "score",
    [
        "loss_sum += (0.7 * a + 0.3 * b).sum().item()",
        "loss_sum += -torch.log(0.5 * torch.exp(-a) + 0.5 * torch.exp(-b)).sum().item()",
        "gain = (a - b).abs().mean().item()\nprint(i, gain)\nloss_sum += a.sum().item()",
        "loss_sum += torch.stack([a, b]).mean(0).sum().item()",
        "m = (y == 5).float()\nloss_sum += (a * (1 - m)).sum().item() + (a * m).sum().item()",
        "loss_sum += a[-64:].sum().item() + a[:-64].sum().item()",
        "loss_sum += a.clamp(min=0).sum().item()",
    ],
)
def test_expressions_that_keep_both_losses_or_one_alone_pass(tmp_path: Path, score: str) -> None:
    for rule in ("oracle-min", "c4-single-pass"):
        finding = said_of(scored_by(_TWO + score), tmp_path / rule, rule)
        assert finding.verdict is RuleVerdict.PASS, finding.message
