"""What a forward pass leaves behind in its network, and names that nothing binds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.programs.loss_script import said_of, scored_by

if TYPE_CHECKING:
    from pathlib import Path

_SCORE = "loss_sum += F.cross_entropy(model(x), y, reduction='sum').item()\n"
_FORWARD = """\
    def forward(self, x):
        return self.head(torch.tanh(self.embedding(x)))
"""
_COUNTED = """\
    def forward(self, x):
        if self.counting:
            self.seen = self.seen + F.one_hot(x, 1024).sum(0)
        return self.head(torch.tanh(self.embedding(x))) + self.seen
"""
_COUNTING = "self.head = nn.Linear(64, 1024)\n        self.seen = 0\n        self.counting = {value}"
_CACHED = """\
    def table(self, size, device):
        if self.cosines is None:
            self.cosines = outer(size, device)
        return self.cosines

    def forward(self, x):
        rows = x.size(0)
        cosines = self.table({given}, x.device)
        return self.head(torch.tanh(self.embedding(x) * cosines[:rows]))
"""
_OUTER = "def outer(size, device):\n    return torch.outer(torch.as_tensor(size), torch.ones(64))\n\n\n"


def _script(forward: str, value: str = "False", score: str = _SCORE, before: str = "") -> str:
    script = scored_by(score, before=before).replace(_FORWARD, forward)
    script = script.replace("class Net", _OUTER + "class Net")
    made = _COUNTING.replace("{value}", value) + "\n        self.cosines = None"
    return script.replace("self.head = nn.Linear(64, 1024)", made)


def _order(script: str, root: Path) -> RuleVerdict:
    return said_of(script, root, "c3-score-before-update").verdict


def test_a_diagnostic_that_is_switched_off_reaches_no_score(tmp_path: Path) -> None:
    assert _order(_script(_COUNTED), tmp_path) is RuleVerdict.PASS


@pytest.mark.parametrize(
    ("value", "before", "forward"),
    [
        ("True", "", _COUNTED),
        ("False", "model.counting = True", _COUNTED),
        ("False", "setattr(model, 'coun' + 'ting', True)", _COUNTED),
        ("False", "", _COUNTED.replace("        if", "        self.counting = True\n        if")),
        ("False", "", _COUNTED.replace("        if", "        start(self)\n        if")),
        ("False", "", _COUNTED.replace("self.counting", "not self.counting")),
        ("False", "", _COUNTED.replace("self.counting", "self.counting or len(x)")),
    ],
)
def test_a_count_that_may_be_switched_on_is_left_open(
    tmp_path: Path, value: str, before: str, forward: str
) -> None:
    script = _script(forward, value, before=before)
    script = script.replace("class Net", "def start(net):\n    net.counting = True\n\n\nclass Net")
    assert _order(script, tmp_path) is not RuleVerdict.PASS


def test_a_table_of_sizes_made_by_a_method_carries_no_tokens(tmp_path: Path) -> None:
    assert _order(_script(_CACHED.replace("{given}", "rows")), tmp_path) is RuleVerdict.PASS


@pytest.mark.parametrize("given", ["x.sum()", "*x", "max(rows, x[0])"])
def test_a_table_of_tokens_made_by_a_method_is_left_open(tmp_path: Path, given: str) -> None:
    assert _order(_script(_CACHED.replace("{given}", given)), tmp_path) is not RuleVerdict.PASS


_UNBOUND = "if len(byte_lengths) < 10:\n    loss_sum += probe(model, x, y)\n"


def test_a_call_of_a_name_that_nothing_binds_hides_nothing(tmp_path: Path) -> None:
    script = scored_by(_SCORE + _UNBOUND.replace("len(byte_lengths) < 10", "x.sum() < 0"))
    assert _order(script, tmp_path) is RuleVerdict.PASS


@pytest.mark.parametrize(
    "before",
    [
        "globals()['pro' + 'be'] = torch.load('probe.pt')",
        "import builtins\nsetattr(builtins, 'pro' + 'be', torch.load('probe.pt'))",
        "from helpers import *",
        "import sys\nvars(sys.modules[__name__])['pro' + 'be'] = torch.load('probe.pt')",
        "exec(open('probe.txt').read())",
    ],
)
def test_a_call_of_a_name_that_text_may_bind_is_left_open(tmp_path: Path, before: str) -> None:
    script = scored_by(_SCORE + _UNBOUND.replace("len(byte_lengths) < 10", "x.sum() < 0"), before=before)
    assert _order(script, tmp_path) is not RuleVerdict.PASS


def test_a_caught_call_of_an_unbound_name_is_left_open(tmp_path: Path) -> None:
    caught = "try:\n    loss_sum += probe(model, x, y)\nexcept NameError:\n    pass\n"
    assert _order(scored_by(_SCORE + caught), tmp_path) is not RuleVerdict.PASS


_PARTS = """\
    def forward(self, x):
        rows = self.embedding(x)
        for name, part in zip(names, [1, 2]):
            if name in self.parts:
                rows = rows + self.parts[name](rows)
        return self.head(torch.tanh(rows))
"""
_HEAD = "self.head = nn.Linear(64, 1024)"


def _with_parts(more: str = "") -> str:
    script = scored_by(_SCORE, before="names = [str(len(one)) for one in byte_lengths]").replace(
        _FORWARD, _PARTS
    )
    return script.replace(_HEAD, f"{_HEAD}\n        self.parts = nn.ModuleDict(){more}")


def test_parts_that_were_never_made_hide_nothing(tmp_path: Path) -> None:
    assert _order(_with_parts(), tmp_path) is RuleVerdict.PASS


@pytest.mark.parametrize(
    "more",
    [
        "\n        self.parts['1'] = load('parts')",
        "\n        self.parts.add_module('1', load('parts'))",
        "\n        self.parts.update({'1': load('parts')})",
        "\n        setattr(self.parts, '1', load('parts'))",
        "\n        fill(self.parts)",
    ],
)
def test_parts_that_nobody_can_read_are_left_open(tmp_path: Path, more: str) -> None:
    script = _with_parts(more).replace(
        "import glob", "import glob\nfrom parts_of_mine import fill, load as made"
    )
    assert _order(script.replace("load('parts')", "made('parts')"), tmp_path) is not RuleVerdict.PASS


def test_a_call_of_none_ends_the_script_and_hides_nothing(tmp_path: Path) -> None:
    score = _SCORE + "if x.sum() < 0:\n    loss_sum += probe(model, x, y)\n"
    assert _order(scored_by(score, before="probe = None"), tmp_path) is RuleVerdict.PASS


@pytest.mark.parametrize("before", ["from mine import probe", "import mine\nprobe = mine.probe or None"])
def test_a_call_of_what_may_not_be_none_is_left_open(tmp_path: Path, before: str) -> None:
    score = _SCORE + "if x.sum() < 0:\n    loss_sum += probe(model, x, y)\n"
    assert _order(scored_by(score, before=before), tmp_path) is not RuleVerdict.PASS
