"""Counts of all validation tokens in the logits, beside those of tokens that may be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import line_of, said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

RULES = ("c2-normalized", "c3-score-before-update", "c4-single-pass")

_LOSS = "F.cross_entropy(logits, y, reduction='sum')"
_BIASED = f"logits = model(x) + 0.3 * torch.log(counts + 1)\nloss_sum += {_LOSS}.item()\n"
_UPDATED = "counts += torch.bincount(y, minlength=1024)\n"
_ADDED = "np.add.at(counts, y, 1)\n"
_FRESH = "counts = torch.zeros(1024, device=device)\n"
_WAYS = {
    "bincount": "counts = torch.bincount(TOKENS, minlength=1024)",
    "without-the-first": "counts = torch.bincount(TOKENS[1:], minlength=1024)",
    "numpy-bincount": "counts = torch.from_numpy(np.bincount(TOKENS.cpu().numpy(), minlength=1024))",
    "add-at": "table = np.zeros(1024)\nnp.add.at(table, TOKENS.cpu().numpy(), 1)\n"
    "counts = torch.from_numpy(table)",
    "one-hot": "counts = F.one_hot(TOKENS, 1024).sum(0)",
    "scatter": f"{_FRESH}counts.scatter_add_(0, TOKENS, torch.ones_like(TOKENS))",
    "second-half": "counts = torch.bincount(TOKENS[TOKENS.numel() // 2 :], minlength=1024)",
    "sample": "counts = torch.bincount(TOKENS[torch.randint(0, 10**6, (4096,))], minlength=1024)",
    "histogram": "counts = torch.histc(TOKENS.float(), 1024)",
    "each-token": f"{_FRESH}for token in TOKENS.tolist():\n    counts[token] += 1",
    "compared": "counts = torch.stack([(TOKENS == t).sum() for t in range(1024)])",
    "entries": "found = torch.bincount(TOKENS, minlength=1024)\n"
    "counts = torch.tensor([float(found[t]) for t in range(1024)])",
    "counter": "from collections import Counter\nfound = Counter(TOKENS.tolist())\n"
    "counts = torch.tensor([float(found[t]) for t in range(1024)])",
    "mean": "counts = TOKENS.float().mean()",
}


def _in_a_list_of_windows(script: str) -> str:
    """The same scores; which tokens a pass scores is now in a list, which regions do not tell apart."""
    script = script.replace(
        "for i in range((tokens.numel() - 1) // 1024):",
        "windows = []\nfor end in [1024, *range(2048, tokens.numel(), 1024)]:\n"
        "    windows.append((end - 1024, end))\nfor start, stop in windows:",
    )
    return script.replace(
        "tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]",
        "tokens[start:stop], tokens[start + 1 : stop + 1]",
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", _WAYS)
def test_counts_of_all_validation_tokens_in_the_logits_leave_the_order_open(
    tmp_path: Path, way: str, rule: str
) -> None:
    script = _in_a_list_of_windows(scored_by(_BIASED, before=_WAYS[way].replace("TOKENS", "tokens")))
    finding = said_of(script, tmp_path, rule)
    assert finding.verdict is RuleVerdict.NOT_CHECKED, finding.message
    assert f"train_gpt.py:{line_of(script, _LOSS)}" in finding.message


@pytest.mark.parametrize("way", sorted(_WAYS.keys() - {"each-token"}))
def test_counts_of_training_tokens_in_the_logits_leave_the_order_closed(tmp_path: Path, way: str) -> None:
    script = _in_a_list_of_windows(scored_by(_BIASED, before=_WAYS[way].replace("TOKENS", "train_tokens")))
    finding = said_of(script, tmp_path, "c3-score-before-update")
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("way", _WAYS)
def test_counts_of_training_tokens_in_the_logits_are_no_second_pass(tmp_path: Path, way: str) -> None:
    script = _in_a_list_of_windows(scored_by(_BIASED, before=_WAYS[way].replace("TOKENS", "train_tokens")))
    finding = said_of(script, tmp_path, "c4-single-pass")
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("update", [_UPDATED, _ADDED])
def test_counts_updated_after_scoring_are_no_second_pass(tmp_path: Path, update: str) -> None:
    script = _in_a_list_of_windows(scored_by(_BIASED + update, before=_FRESH))
    finding = said_of(script, tmp_path, "c4-single-pass")
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("update", [_UPDATED, _ADDED])
def test_counts_updated_before_scoring_know_the_targets(tmp_path: Path, update: str) -> None:
    script = _in_a_list_of_windows(scored_by(update + _BIASED, before=_FRESH))
    finding = said_of(script, tmp_path, "c3-score-before-update")
    assert finding.verdict is RuleVerdict.FAIL, finding.message
    assert line_of(script, update.strip()) in {place.line for place in finding.places}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "size", ["tokens.numel()", "tokens.shape[0]", "len(tokens)", "int(tokens.max()) + 1", "max(tokens)"]
)
def test_the_size_of_the_stream_or_of_its_vocabulary_leaves_nothing_open(
    tmp_path: Path, size: str, rule: str
) -> None:
    score = f"logits = model(x)[..., :size]\nloss_sum += {_LOSS}.item()\n"
    before = f"size = {size}\nassert tokens.max() < 2048"
    finding = said_of(_in_a_list_of_windows(scored_by(score, before=before)), tmp_path, rule)
    assert finding.verdict is RuleVerdict.PASS, finding.message


def test_bytes_of_all_validation_tokens_in_the_denominator_leave_nothing_open(tmp_path: Path) -> None:
    score = f"logits = model(x)\nloss_sum += {_LOSS}.item()\n"
    script = scored_by(score, before="total = byte_lengths[tokens].sum().item()", end="byte_sum = total")
    finding = said_of(_in_a_list_of_windows(script), tmp_path, "c3-score-before-update")
    assert finding.verdict is RuleVerdict.PASS, finding.message


def test_the_documents_of_a_window_leave_nothing_open(tmp_path: Path) -> None:
    score = f"logits = model(x) + other(documents[start:stop])\nloss_sum += {_LOSS}.item()\n"
    script = _in_a_list_of_windows(scored_by(score, before="documents = (tokens == 1).cumsum(0)"))
    finding = said_of(script, tmp_path, "c4-single-pass")
    assert finding.verdict is RuleVerdict.PASS, finding.message
