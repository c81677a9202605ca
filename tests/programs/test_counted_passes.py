"""Counts of the tokens of one pass, gathered before or after their score, in logits and beside losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import line_of, said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

RULES = ("c2-normalized", "c3-score-before-update", "c4-single-pass")

_LOSS = "F.cross_entropy(logits, y, reduction='sum')"
_PLAIN = f"logits = model(x)\nloss_sum += {_LOSS}.item()\n"
_BIASED = f"logits = model(x) + 0.3 * torch.log(counts + 1)\nloss_sum += {_LOSS}.item()\n"
_FRESH = "counts = torch.zeros(1024, device=device)"
_COUNTED = "counts = torch.bincount(TAKEN, minlength=1024)\n"
_ADDED = "counts += torch.bincount(TAKEN, minlength=1024)\n"
_PAIR = "    x, y = tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]\n"
_LOOP = "for i in range((tokens.numel() - 1) // 1024):\n"
_ZEROS = "torch.zeros(2, 1024, dtype=torch.int64)"
_MADE = "def batches():\n" + "".join(f"    {line}\n" for line in (_LOOP + _PAIR).splitlines())
_FILLED = f"""\
    xs, ys = {_ZEROS}, {_ZEROS}
    for row in range(2):
        window = tokens[i * 1024 : (i + 1) * 1024 + 1]
        xs[row, :1024], ys[row, :1024] = window[:-1], window[1:]
    x, y = xs.view(-1), ys.view(-1)
"""
_WINDOWS = """\
windows = [(end - 1024, end) for end in range(1024, tokens.numel(), 1024)]
for start, stop in windows:
"""
_PLACED = """\
    places = torch.arange(i * 1024 + 1, (i + 1) * 1024 + 1)
    x, y = tokens[places - 1], tokens[places]
"""
_COUNTER = """\
from collections import Counter
found = Counter(y.tolist())
counts = torch.tensor([float(found[t]) for t in range(1024)])
"""
# Each layout: the loop's head, how it takes its inputs and targets, and targets taken a second time.
_LAYOUTS = {
    "windows-of-a-list": (
        _WINDOWS,
        "    x, y = tokens[start:stop], tokens[start + 1 : stop + 1]\n",
        "tokens[start + 1 : stop + 1]",
    ),
    "pairs-of-a-list": (f"pairs = []\n{_LOOP}{_PAIR}    pairs.append((x, y))\nfor x, y in pairs:\n", "", "y"),
    "pairs-of-a-generator": (f"{_MADE}        yield x, y\nfor x, y in batches():\n", "", "y"),
    "positions": (_LOOP, _PLACED, "y"),
    "rows-filled": (_LOOP, _FILLED, "y"),
    "one-window": (
        _LOOP,
        "    window = tokens[i * 1024 : (i + 1) * 1024 + 1]\n    x, y = window[:-1], window[1:]\n",
        "tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]",
    ),
    "inputs-alone": (_LOOP, _PAIR, "x"),
}


def _laid_out(layout: str, score: str, *, before: str = "") -> str:
    head, pair, taken = _LAYOUTS[layout]
    script = scored_by(score.replace("TAKEN", taken), before=before)
    return script.replace(_LOOP + _PAIR, head + pair)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", _LAYOUTS)
def test_counts_of_the_pass_that_is_scored_leave_the_order_open(
    tmp_path: Path, layout: str, rule: str
) -> None:
    script = _laid_out(layout, _COUNTED + _BIASED)
    finding = said_of(script, tmp_path, rule)
    assert finding.verdict is RuleVerdict.NOT_CHECKED, finding.message
    assert f"train_gpt.py:{line_of(script, _LOSS)}" in finding.message


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_counts_of_the_pass_after_its_score_are_no_second_pass(tmp_path: Path, layout: str) -> None:
    script = _laid_out(layout, _BIASED + _ADDED, before=_FRESH)
    finding = said_of(script, tmp_path, "c4-single-pass")
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", _LAYOUTS)
def test_counts_of_the_pass_that_are_only_printed_leave_nothing_open(
    tmp_path: Path, layout: str, rule: str
) -> None:
    script = _laid_out(layout, f"{_COUNTED}print(counts.max(), TAKEN.float().mean())\n{_PLAIN}")
    finding = said_of(script, tmp_path, rule)
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("rule", ["c2-normalized", "c3-score-before-update"])
@pytest.mark.parametrize(
    ("counted", "line"),
    [
        (_COUNTED, "counts = torch.bincount"),
        (_COUNTER, "found = Counter("),
        (f"{_FRESH}\nfor t in y.tolist():\n    counts[t] += 1\n", "counts[t] += 1"),
    ],
)
def test_counts_of_the_very_slice_that_is_scored_fail_where_they_are_made(
    tmp_path: Path, counted: str, line: str, rule: str
) -> None:
    script = scored_by(counted.replace("TAKEN", "y") + _BIASED)
    finding = said_of(script, tmp_path, rule)
    assert finding.verdict is RuleVerdict.FAIL, finding.message
    assert f"what is made of the targets at train_gpt.py:{line_of(script, line)}" in finding.message


def test_the_chain_of_counts_of_the_scored_slice_holds_the_loss(tmp_path: Path) -> None:
    script = scored_by(_COUNTED.replace("TAKEN", "y") + _BIASED)
    finding = said_of(script, tmp_path, "c2-normalized")
    assert line_of(script, _LOSS) in {place.line for place in finding.places}


_CHUNKS = "for at in range(0, TOKENS.numel(), 65536):\n    part = TOKENS[at : at + 65536]\n"
_LISTED = "counts = torch.tensor([float(found.get(t, 0)) for t in range(1024)])"
_GATHERED = {
    "bincount": f"{_FRESH}\n{_CHUNKS}    counts += torch.bincount(part, minlength=1024)",
    "add-at": f"table = np.zeros(1024)\n{_CHUNKS}    np.add.at(table, part.cpu().numpy(), 1)\n"
    "counts = torch.from_numpy(table)",
    "one-hot": f"{_FRESH}\n{_CHUNKS}    counts = counts + F.one_hot(part, 1024).sum(0)",
    "list": f"found = [0] * 1024\n{_CHUNKS}    for t in part.tolist():\n        found[t] += 1\n"
    "counts = torch.tensor(found)",
    "dictionary": f"found = {{}}\n{_CHUNKS}    for t in part.tolist():\n"
    f"        found[t] = found.get(t, 0) + 1\n{_LISTED}",
    "counter": f"from collections import Counter\nfound = Counter()\n{_CHUNKS}"
    f"    found.update(part.tolist())\n{_LISTED}",
    "parts": f"parts = []\n{_CHUNKS}    parts.append(torch.bincount(part, minlength=1024))\n"
    "counts = torch.stack(parts).sum(0)",
    "split": "counts = sum(torch.bincount(part, minlength=1024) for part in TOKENS.split(65536))",
    "function": "def table(stream):\n    found = torch.zeros(1024)\n"
    "    for at in range(0, stream.numel(), 65536):\n"
    "        found.index_add_(0, stream[at : at + 65536], torch.ones(65536))\n"
    "    return found\ncounts = table(TOKENS)",
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", _GATHERED)
def test_counts_gathered_chunk_by_chunk_before_the_scores_leave_the_order_open(
    tmp_path: Path, way: str, rule: str
) -> None:
    before = _GATHERED[way].replace("TOKENS", "tokens")
    finding = said_of(_laid_out("windows-of-a-list", _BIASED, before=before), tmp_path, rule)
    assert finding.verdict is RuleVerdict.NOT_CHECKED, finding.message


@pytest.mark.parametrize("way", _GATHERED)
def test_counts_of_training_chunks_are_no_second_pass(tmp_path: Path, way: str) -> None:
    before = _GATHERED[way].replace("TOKENS", "train_tokens")
    finding = said_of(_laid_out("windows-of-a-list", _BIASED, before=before), tmp_path, "c4-single-pass")
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize(
    "after",
    [
        "for t in y.tolist():\n    found[t] = found.get(t, 0) + 1\n",
        "found.update(y.tolist())\n",
        "for part in y.split(256):\n    for t in part.tolist():\n        found[t] = found.get(t, 0) + 1\n",
    ],
)
def test_counts_in_a_dictionary_after_each_score_are_no_second_pass(tmp_path: Path, after: str) -> None:
    before = "from collections import Counter\nfound = Counter()"
    script = _laid_out("windows-of-a-list", f"{_LISTED}\n{_BIASED}{after}", before=before)
    finding = said_of(script, tmp_path, "c4-single-pass")
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("rule", RULES)
def test_bytes_and_documents_counted_chunk_by_chunk_leave_nothing_open(tmp_path: Path, rule: str) -> None:
    before = (
        f"total, starts = 0.0, 0\n{_CHUNKS}    total += byte_lengths[part].sum().item()\n"
        "    starts += (part == 1).sum().item()\nprint(starts)"
    )
    script = scored_by(_PLAIN, before=before.replace("TOKENS", "tokens"), end="byte_sum = total")
    finding = said_of(script, tmp_path, rule)
    assert finding.verdict is RuleVerdict.PASS, finding.message


_SHIFT = "loss - 0.3 * torch.log(counts + 1)[y]"
_LOSSES = "loss = F.cross_entropy(model(x), y, reduction='none')\n"
_SHIFTS = {
    "difference": f"{_LOSSES}loss_sum += ({_SHIFT}).sum().item()\n",
    "in-place": f"{_LOSSES}loss -= 0.3 * torch.log(counts + 1)[y]\nloss_sum += loss.sum().item()\n",
    "method": f"{_LOSSES}loss_sum += loss.sub(0.3 * torch.log(counts + 1)[y]).sum().item()\n",
    "looked-up": f"{_LOSSES}shift = torch.log(counts + 1).gather(0, y)\n"
    "loss_sum += torch.sub(loss, shift).sum().item()\n",
    "mixture": "p = F.softmax(model(x), -1).gather(1, y[:, None])[:, 0]\n"
    "q = (counts / counts.sum())[y]\nloss_sum += -torch.log(0.9 * p + 0.1 * q).sum().item()\n",
    "log-mixture": "p = F.log_softmax(model(x), -1).gather(1, y[:, None])[:, 0]\n"
    "q = torch.log(counts / counts.sum())[y]\nloss_sum += -torch.logaddexp(p, q).sum().item()\n",
}


@pytest.mark.parametrize("rule", RULES[1:])
@pytest.mark.parametrize("way", _SHIFTS)
@pytest.mark.parametrize("counted", ["tokens", "y"])
def test_a_loss_shifted_by_counts_of_its_tokens_leaves_the_order_open(
    tmp_path: Path, counted: str, way: str, rule: str
) -> None:
    count = _COUNTED.replace("TAKEN", counted)
    before, inside = (count, "") if counted == "tokens" else ("", count)
    finding = said_of(scored_by(inside + _SHIFTS[way], before=before), tmp_path, rule)
    assert finding.verdict is RuleVerdict.NOT_CHECKED, finding.message


def test_a_shifted_loss_is_named_at_its_line(tmp_path: Path) -> None:
    script = scored_by(_SHIFTS["difference"], before=_COUNTED.replace("TAKEN", "tokens"))
    finding = said_of(script, tmp_path, "c3-score-before-update")
    assert f"validation-in-loss at train_gpt.py:{line_of(script, _SHIFT)}" in finding.message


@pytest.mark.parametrize("rule", RULES[1:])
@pytest.mark.parametrize("way", _SHIFTS)
def test_a_loss_shifted_by_counts_of_training_leaves_the_order_closed(
    tmp_path: Path, way: str, rule: str
) -> None:
    script = scored_by(_SHIFTS[way], before=_COUNTED.replace("TAKEN", "train_tokens"))
    finding = said_of(script, tmp_path, rule)
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("way", _SHIFTS)
def test_a_loss_shifted_by_counts_of_scored_passes_is_no_second_pass(tmp_path: Path, way: str) -> None:
    script = scored_by(_SHIFTS[way] + _ADDED.replace("TAKEN", "y"), before=_FRESH)
    finding = said_of(script, tmp_path, "c4-single-pass")
    assert finding.verdict is RuleVerdict.PASS, finding.message


@pytest.mark.parametrize("rule", RULES[1:])
def test_a_loss_divided_by_bytes_of_all_validation_leaves_nothing_open(tmp_path: Path, rule: str) -> None:
    score = f"{_LOSSES}loss_sum += (loss.sum() / total * total).item()\n"
    script = scored_by(score, before="total = byte_lengths[tokens].sum()")
    finding = said_of(script, tmp_path, rule)
    assert finding.verdict is RuleVerdict.PASS, finding.message
