from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.audit.events import Mixed
from harness.finding import RuleVerdict
from tests.programs.all_twins import BASES
from tests.programs.answer_twins import script
from tests.programs.judging import judged as judged_script
from tests.rules.token_leak_events import C, T, judged, mixture

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

RULE = "c2-normalized"


def test_a_breach_is_stated_at_the_rule_it_breaks(tmp_path: Path) -> None:
    finding = judged(tmp_path, RULE, mixture((T, C)))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
    assert "ngram-key-target" in finding.message


def test_a_key_of_context_alone_is_no_breach(tmp_path: Path) -> None:
    assert "breaches" not in judged(tmp_path, RULE, mixture((C,))).message


def test_a_table_whose_use_was_lost_is_not_called_clean(tmp_path: Path) -> None:
    lost = [event for event in mixture((C,)) if not isinstance(event, Mixed)]
    assert judged(tmp_path, RULE, lost).verdict is RuleVerdict.NOT_CHECKED


PLAIN = BASES["plain"]
CROSS_ENTROPY = "F.cross_entropy(logits.reshape(-1, logits.size(-1)).float(), targets.reshape(-1)"


def said(root: Path, old: str = "", new: str = "") -> tuple[Finding, str]:
    """What the rule says of the plain script with one edit, and the script."""
    assert old in PLAIN
    text = PLAIN.replace(old, new) if old else PLAIN
    return next(one for one in judged_script(text, root) if one.rule == RULE), text


def test_a_plain_cross_entropy_that_is_added_up_passes_with_the_printed_line(tmp_path: Path) -> None:
    finding, text = said(tmp_path)
    assert finding.verdict is RuleVerdict.PASS
    assert 'log0(f"final_int8' in text.splitlines()[finding.places[0].line - 1]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("batch_loss.to(torch.float64) *", "0.9 * batch_loss.to(torch.float64) *", "scaled by 0.9"),
        ("batch_loss.to(torch.float64) *", "batch_loss.clamp(max=5.0) *", "given to clamp"),
        ("batch_loss.to(torch.float64) *", "(batch_loss - 0.1) *", "shifted by a constant"),
    ],
)
def test_a_loss_that_is_altered_where_it_is_counted_asks_at_that_line(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    finding, text = said(tmp_path, old, new)
    assert (finding.verdict, finding.places[0].file) == (RuleVerdict.NEEDS_HUMAN, "train_gpt.py")
    assert finding.places[0].line == line_with(text, new)
    assert what in finding.message


COUNTED = "batch_loss.to(torch.float64) *"


def test_a_factor_that_is_divided_out_again_asks_nothing(tmp_path: Path) -> None:
    finding, _ = said(tmp_path, COUNTED, "(1000.0 * batch_loss).to(torch.float64) / 1000.0 *")
    assert finding.verdict is RuleVerdict.PASS


def test_a_factor_that_is_not_quite_divided_out_asks(tmp_path: Path) -> None:
    finding, text = said(tmp_path, COUNTED, "(1000.0 * batch_loss).to(torch.float64) / 1001.0 *")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.places[0].line == line_with(text, "1001.0")


@pytest.mark.parametrize(("factor", "asks"), [("1024", False), ("512", True)])
def test_a_mean_loss_times_the_length_of_its_slice_asks_nothing(
    tmp_path: Path, factor: str, asks: bool
) -> None:
    text = script(loss=f"F.cross_entropy(logits, y).item() * {factor}")
    finding = next(one for one in judged_script(text, tmp_path) if one.rule == RULE)
    assert (finding.verdict is RuleVerdict.NEEDS_HUMAN) == asks
    assert (finding.verdict is RuleVerdict.PASS) != asks


def test_smoothed_labels_ask_at_the_loss(tmp_path: Path) -> None:
    finding, text = said(tmp_path, CROSS_ENTROPY, CROSS_ENTROPY + ", label_smoothing=0.1")
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.places[0].line == line_with(text, "label_smoothing")


def test_a_loss_of_values_that_nothing_normalised_is_not_called_clean(tmp_path: Path) -> None:
    finding, _ = said(tmp_path, CROSS_ENTROPY, CROSS_ENTROPY.replace("cross_entropy", "nll_loss"))
    assert finding.verdict is RuleVerdict.NOT_CHECKED
    assert "not seen to be normalised" in finding.message


def test_a_result_that_is_altered_after_the_pass_is_not_called_clean(tmp_path: Path) -> None:
    finding, _ = said(
        tmp_path,
        "val_loss = (loss_sum / token_count).item()",
        "val_loss = (loss_sum / token_count).item() ** 0.9",
    )
    assert finding.verdict is RuleVerdict.NOT_CHECKED


def line_with(text: str, part: str) -> int:
    """The line that holds this part."""
    return 1 + next(number for number, line in enumerate(text.splitlines()) if part in line)
