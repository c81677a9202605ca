"""val-full on the code: limits on the validation stream, random minibatches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from rules import val_full
from tests.harness.audit.scans.scan_builder import facts_of, scanned_case
from tests.programs.all_twins import BASES
from tests.programs.judging import judged

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

PART = """\
import glob, os
import numpy as np

limit = int(os.environ.get("LIMIT", "{limit}"))
tokens = np.fromfile(glob.glob("data/fineweb_val_*.bin")[0])
if limit > 0:
    tokens = tokens[:limit]
"""


def test_a_limit_on_the_validation_stream_asks_when_it_is_set(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, PART.replace("{limit}", "1048576"))
    found = [one for one in val_full.check(case) if one.verdict is RuleVerdict.NEEDS_HUMAN]
    assert [(one.rule, one.places[0].line) for one in found] == [("val-full", 7)]


def test_a_limit_of_zero_asks_nothing(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, PART.replace("{limit}", "0"))
    assert all(one.verdict is RuleVerdict.PASS for one in val_full.check(case))


SAMPLE = """\
import torch

def batch(split):
    places = torch.randint(9, (3,))
    return places

def main():
    for _ in range(20):
        loss = model(batch("{split}"))

main()
"""


def test_random_minibatches_of_validation_ask(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, SAMPLE.replace("{split}", "val"))
    found = [one for one in val_full.check(case) if one.verdict is RuleVerdict.NEEDS_HUMAN]
    assert [(one.rule, one.places[0].line) for one in found] == [("val-full", 8)]


def test_random_minibatches_of_training_are_no_matter_of_validation() -> None:
    assert facts_of(SAMPLE.replace("{split}", "train"))["validation_caps"] == []


HEAD = "    head = val_tokens[: args.train_seq_len + 1].to(device, torch.int64)\n"
WATCH = HEAD + "    model.forward_logits(head[:-1][None])\n"
FINAL = '    val_loss, val_bpb = eval_val(args, model, device, val_tokens, luts)\n    log0(f"final'


def asked_in(root: Path, before: str, after: str) -> list[Finding]:
    """What val-full asks of the plain script with one edit."""
    text = BASES["plain"].replace(before, after)
    assert text != BASES["plain"]
    said = judged(text, root)
    return [one for one in said if one.rule == "val-full" and one.verdict is RuleVerdict.NEEDS_HUMAN]


def test_a_part_that_is_only_looked_at_asks_nothing(tmp_path: Path) -> None:
    assert asked_in(tmp_path, FINAL, WATCH + FINAL) == []


def test_a_part_that_is_scored_asks_at_the_slice(tmp_path: Path) -> None:
    scored = FINAL.replace("val_tokens, luts", "head, luts")
    (found,) = asked_in(tmp_path, FINAL, HEAD + scored)
    line = found.places[0].line
    text = BASES["plain"].replace(FINAL, HEAD + scored)
    assert "head = val_tokens[" in text.splitlines()[(line or 0) - 1]


WHOLE_ROWS = """\
import glob, os
import numpy as np

def load_validation(pattern, length):
    tokens = np.concatenate([np.fromfile(path) for path in glob.glob(pattern)])
    return tokens[: {end}]

val_tokens = load_validation("data/fineweb_val_*.bin", int(os.environ.get("LENGTH", "1024")))
"""


def test_a_stream_cut_to_whole_rows_is_no_part(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, WHOLE_ROWS.replace("{end}", "((tokens.size - 1) // length) * length + 1"))
    assert all(one.verdict is not RuleVerdict.NEEDS_HUMAN for one in val_full.check(case))


def test_a_stream_cut_to_a_given_number_of_tokens_asks(tmp_path: Path) -> None:
    case = scanned_case(tmp_path, WHOLE_ROWS.replace("{end}", "length + 1"))
    found = [one for one in val_full.check(case) if one.verdict is RuleVerdict.NEEDS_HUMAN]
    assert [(one.rule, one.places[0].line) for one in found] == [("val-full", 6)]
