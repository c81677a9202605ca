"""What runs without a plain call of it, and what nobody can read."""

from __future__ import annotations

import textwrap

import pytest

from harness.audit.events import Selected, Unresolved
from tests.harness.audit.interpreter.small_programs import audit, is_late, learned

SCORED = """
for ci in range(n):
    x, y = pair(ci * C, (ci + 1) * C + 1)
    {inside}
    total += score(x, y).sum()
"""

META = """
class Meta(type):
    def __call__(cls, x):
        train(x, y)
class Look(metaclass=Meta):
    pass
"""


def body(inside: str, before: str = "") -> str:
    """An evaluation that does this before it scores each chunk."""
    return textwrap.dedent(before) + SCORED.format(inside=textwrap.indent(inside, " " * 4).strip())


def hidden(text: str) -> list[str]:
    """Why the score may depend on something not seen."""
    return [event.reason for event in audit(text).events if isinstance(event, Unresolved) and event.on_path]


@pytest.mark.parametrize(
    ("inside", "before"),
    [
        ("Probe() + 1", "class Probe:\n    def __add__(self, other):\n        train(x, y)\n"),
        ("1 @ Probe()", "class Probe:\n    def __rmatmul__(self, other):\n        train(x, y)\n"),
        ("-Probe()", "class Probe:\n    def __neg__(self):\n        train(x, y)\n"),
        ("1 in Probe()", "class Probe:\n    def __contains__(self, one):\n        train(x, y)\n"),
        ("z = 1 if Probe() else 2", "class Probe:\n    def __bool__(self):\n        train(x, y)\n"),
        ("len(Probe())", "class Probe:\n    def __len__(self):\n        train(x, y)\n"),
        ("f'{Probe()}'", "class Probe:\n    def __str__(self):\n        train(x, y)\n"),
        ("probe = Probe()\nprobe += 1", "class Probe:\n    def __iadd__(self, one):\n        train(x, y)\n"),
        ("sorted([x], key=lambda one: train(one, y))", ""),
        ("[x].sort(key=lambda one: train(one, y))", ""),
        ("list(filter(lambda one: train(one, y), [x]))", ""),
        ("functools.reduce(lambda one, two: train(x, y), [x, y])", ""),
        ("torch.utils.checkpoint.checkpoint(train, x, y)", ""),
        ("torch.ones(1).apply_(lambda one: train(x, y) or one)", ""),
        ("try:\n    raise ValueError(train)\nexcept ValueError as error:\n    error.args[0](x, y)", ""),
        ("with torch.no_grad():\n    with torch.enable_grad():\n        train(x, y)", ""),
        ("Look(x)", META),
    ],
)  # fmt: skip
def test_learning_without_a_plain_call_is_followed(inside: str, before: str) -> None:
    assert is_late(body(inside, before))


def test_a_forward_hook_runs_with_the_network_and_not_after_its_removal() -> None:
    hook = (
        "def hook(module, given):\n    handle.remove()\n    with torch.enable_grad():\n        train(x, y)\n"
    )
    assert is_late(body("handle = model.register_forward_pre_hook(hook)", hook))
    removed = "handle = model.register_forward_pre_hook(hook)\nhandle.remove()"
    assert not learned(audit(body(removed, hook)))


@pytest.mark.parametrize(
    ("inside", "before", "reason"),
    [
        ("look(x)", "from nowhere import look", "unknown-call"),
        ("made.look(x)", "from nowhere import make\nmade = make()", "unknown-call"),
        ("pass", "from nowhere import *", "missing-module"),
        ("library.look(x)", "import ctypes\nlibrary = ctypes.CDLL('./a.so')", "native-code"),
        ("subprocess.run(['python', 'learn.py'])", "import subprocess", "other-program"),
        ("os.system('nvidia-smi; python learn.py')", "", "other-program"),
        ("pass", "def mine(*given):\n    return None\ntorch.no_grad = mine", "patched-library"),
        ("pass", "setattr(torch.nn.Linear, 'forward', lambda self, x: x)", "patched-library"),
        ("pass", "def mine(x, y):\n    return x.mean()\nF.cross_entropy = mine", "patched-library"),
        ("pass", "def mine(x, y):\n    train(x, y)\n    return x\nF.rms_norm = mine", "patched-library"),
        (
            "subprocess.run(['python' if C > n else 'nvidia-smi', 'a.py'])",
            "import subprocess",
            "other-program",
        ),
        ("Probe()", "class Probe:\n    def __del__(self):\n        train(x, y)", "destructor"),
    ],
)
def test_what_nobody_can_read_leaves_the_score_open(inside: str, before: str, reason: str) -> None:
    assert reason in hidden(body(inside, before + "\n"))


@pytest.mark.parametrize(
    "before",
    [
        "import subprocess\nsubprocess.run(['nvidia-smi'], capture_output=True)",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'brotli'])",
        "import brotli, sentencepiece, zstandard, flash_attn_interface",
        "import compression.zstd as zstd\nzstd.compress(repr(total))",
        "import subprocess\nsubprocess.run(['rocm-smi' if C > n else 'nvidia-smi'])",
        "def norm(x, shape):\n    return x * x.pow(2).mean(-1).rsqrt()\nF.rms_norm = norm",
        "torch.backends.cuda.matmul.allow_tf32 = True\ntorch._dynamo.config.cache_size_limit = 64",
        "import ctypes\nctypes.CDLL('libc.so.6').malloc_trim(0)",
        "class Loader:\n    def __del__(self):\n        self.queue.close()\nLoader()",
    ],
)
def test_known_libraries_and_programs_leave_nothing_open(before: str) -> None:
    assert hidden(body("pass", before + "\n")) == []


def test_a_copy_learns_for_itself() -> None:
    before = "probe = copy.deepcopy(model)\nstep = torch.optim.SGD(probe.parameters(), lr=0.1)\n"
    inside = "probe(x, y).mean().backward()\nstep.step()"
    assert not is_late(body(inside, before))


def test_the_lower_of_two_reported_losses_is_a_choice() -> None:
    result = audit(body("pass") + "total = min(total, score(*pair(0, C)).sum())\n")
    assert [event.by for event in result.events if isinstance(event, Selected)] == ["loss"]


def test_documents_in_a_list_twice_are_met_again() -> None:
    loop = """
    for start, length in documents{times}:
        total += score(*pair(start, start + length)).sum()
        train(*pair(start, start + length))
    """
    found = "starts = (tokens == 1).nonzero().tolist()\ndocuments = [(one, C) for one in starts]\n"
    assert not is_late(found + textwrap.dedent(loop.format(times="")))
    assert is_late(found + textwrap.dedent(loop.format(times=" * 2")))
    assert is_late(found + textwrap.dedent(loop.format(times=" + documents")))


def test_a_step_that_changes_nothing_known_matters_where_a_gradient_of_validation_waits() -> None:
    before = "lost = torch.optim.SGD(nowhere, lr=0.1)\n"
    assert "optimizer-step" in hidden(body("model(x, y).mean().backward()\nlost.step()", before))
    assert hidden(body("pass", before + "lost.step()\n")) == []


def test_a_network_chosen_by_losses_of_validation_leaves_the_score_open() -> None:
    looked = "hard = score(*pair(0, C)).sum().item()\n"
    assert "network-chosen-by-loss" in hidden(
        looked + "model = model if hard < 3 else Model()\n" + body("pass")
    )
    assert hidden(looked + "model = model if EPOCHS < 3 else Model()\n" + body("pass")) == []
