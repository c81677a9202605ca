"""Weights that go through files and codecs of the script: what they learned goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.answer_twins import script
from tests.programs.judging import judged

if TYPE_CHECKING:
    from pathlib import Path

CODEC = """\
def shuffled(data, stride):
    given, out = bytearray(data), bytearray(len(data))
    for first in range(stride):
        for at, to in enumerate(range(first, len(data), stride)):
            out[to] = given[at]
    return bytes(out)


import io
"""
ADAPT = """\
for i in range((tokens.numel() - 1) // 1024):
    optimizer.zero_grad()
    x, y = tokens[i * 1024 : i * 1024 + 1024], tokens[i * 1024 + 1 : i * 1024 + 1025]
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
"""
SAVE = """\
buffer = io.BytesIO()
torch.save(model.state_dict(), buffer)
Path("model.bin").write_bytes(shuffled(buffer.getvalue(), 4))
"""
LOAD = """\
with open("model.bin", "rb") as file:
    model.load_state_dict(torch.load(io.BytesIO(shuffled(file.read(), 4))))
"""


def order_of(text: str, root: Path) -> tuple[RuleVerdict, str]:
    """What c3 says of a script."""
    finding = next(one for one in judged(text, root) if one.rule == "c3-score-before-update")
    return finding.verdict, finding.message


def test_what_was_learned_before_saving_comes_back_through_a_codec_of_bytes(tmp_path: Path) -> None:
    verdict, message = order_of(script(first=CODEC, before=ADAPT + SAVE + LOAD), tmp_path)
    assert verdict is RuleVerdict.FAIL, message


def test_what_was_learned_after_saving_does_not_come_back(tmp_path: Path) -> None:
    verdict, message = order_of(script(first=CODEC, before=SAVE + ADAPT + LOAD), tmp_path)
    assert verdict is RuleVerdict.PASS, message


@pytest.mark.parametrize("source", ["torch.load(os.environ['WEIGHTS'])", "{}"])
def test_weights_from_an_unknown_place_clear_nothing_after_learning(tmp_path: Path, source: str) -> None:
    load = f"model.load_state_dict({source}, strict=False)\n"
    verdict, message = order_of(script(first=CODEC, before=ADAPT + load), tmp_path)
    assert verdict is RuleVerdict.NOT_CHECKED, message
    assert "reloaded at train_gpt.py:" in message


COPIED = """\
def copied(value):
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return {made}(copied(item) for item in value)
    return value


saved = copied(model.state_dict())
model.load_state_dict(saved)
"""


@pytest.mark.parametrize(
    ("made", "verdict"), [("type(value)", RuleVerdict.PASS), ("make[0]", RuleVerdict.NOT_CHECKED)]
)
def test_a_copy_of_a_lists_own_kind_takes_all_it_is_given(
    tmp_path: Path, made: str, verdict: RuleVerdict
) -> None:
    said, message = order_of(script(before=COPIED.replace("{made}", made)), tmp_path)
    assert said is verdict, message
