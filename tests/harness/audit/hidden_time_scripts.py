"""Scripts whose learning has a time or a place that plain calls do not show, each beside its legal twin.

`illegal` and `legal` differ by the smallest edit. `shows` is the line, in the illegal script, that the rule
has to name: in a place of its finding, or in its reason where the verdict is left open.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.finding import RuleVerdict
from tests.harness.audit.hostile_sources import script

LEARNS = "c3-score-before-update"
OPEN = RuleVerdict.NOT_CHECKED
ASKED = RuleVerdict.NEEDS_HUMAN


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenTime:
    """One way to learn out of sight, and the nearest program that may do it."""

    illegal: str
    legal: str
    shows: str
    verdict: RuleVerdict = RuleVerdict.FAIL
    rule: str = LEARNS

    @property
    def line(self) -> int:
        """The line of the illegal script that has to be named."""
        found = [at for at, text in enumerate(self.illegal.splitlines(), 1) if self.shows in text]
        assert len(found) == 1, (self.shows, found)
        return found[0]


LOOP = "    x, y = tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]\n"


def over_chunks(generator: str) -> str:
    """A script that scores what a generator of chunks yields."""
    text = script(
        f"def chunks():\n    for i in range((tokens.numel() - 1) // 1024):\n    {LOOP}{generator}\n"
    )
    loop = f"for i in range((tokens.numel() - 1) // 1024):\n{LOOP}    pass\n    with"
    assert loop in text
    return text.replace(loop, "for x, y in chunks():\n    with")


YIELDS_THEN_LEARNS = over_chunks("        yield x, y\n        learn(x, y)")
LEARNS_THEN_YIELDS = over_chunks("        learn(x, y)\n        yield x, y")

GENERATORS = {
    "learning before the yield": HiddenTime(
        illegal=LEARNS_THEN_YIELDS, legal=YIELDS_THEN_LEARNS, shows="optimizer.step()"
    ),
    "learning before the yield, counted": HiddenTime(
        illegal=LEARNS_THEN_YIELDS.replace("for x, y in chunks()", "for at, (x, y) in enumerate(chunks())"),
        legal=YIELDS_THEN_LEARNS.replace("for x, y in chunks()", "for at, (x, y) in enumerate(chunks())"),
        shows="optimizer.step()",
    ),
    "learning before the yield, through another generator": HiddenTime(
        illegal=LEARNS_THEN_YIELDS.replace(
            "loss_sum, byte", "def all_of():\n    yield from chunks()\nloss_sum, byte"
        ).replace("in chunks():", "in all_of():"),
        legal=YIELDS_THEN_LEARNS.replace(
            "loss_sum, byte", "def all_of():\n    yield from chunks()\nloss_sum, byte"
        ).replace("in chunks():", "in all_of():"),
        shows="optimizer.step()",
    ),
    "learning when the next value is asked for": HiddenTime(
        illegal=script(
            "def steps():\n    while True:\n        learn(x, y)\n        yield\nteacher = steps()",
            "next(teacher)",
        ),
        legal=script("def steps():\n    while True:\n        yield 1\nteacher = steps()", "next(teacher)"),
        shows="teacher = steps()",
        verdict=OPEN,
    ),
    "learning in a generator expression": HiddenTime(
        illegal=script(
            "spans = range((tokens.numel() - 1) // 1024)\n"
            "teacher = (learn(tokens[k * 1024 : (k + 1) * 1024], tokens[k * 1024 + 1 : (k + 1) * 1024 + 1])"
            " for k in spans)",
            "next(teacher)",
        ),
        legal=script(
            "spans = range((tokens.numel() - 1) // 1024)\nteacher = (k * 1024 for k in spans)",
            "next(teacher)",
        ),
        shows="teacher = (",
        verdict=ASKED,
        rule="ttt-score-first",
    ),
}

_SEQUENTIAL = "model = torch.nn.Sequential(torch.nn.Embedding(1024, 64), torch.nn.Linear(64, 1024))\n"
_NORMED = _SEQUENTIAL.replace(", torch.nn.Linear", ", torch.nn.BatchNorm1d(64), torch.nn.Linear")


def with_forward(*lines: str) -> str:
    """A script whose network has this forward pass."""
    body = "".join(f"        {line}\n" for line in lines)
    return script().replace(
        _SEQUENTIAL,
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.table = torch.nn.Embedding(1024, 1024)\n"
        '        self.register_buffer("mean", torch.zeros(1024))\n'
        "        self.length, self.places = 0, None\n"
        f"    def forward(self, x):\n{body}"
        "        return h + self.mean\n"
        "model = Net()\n",
    )


FORWARD_STATE = {
    "running statistics in training mode": HiddenTime(
        illegal=script(inside="model.train()").replace(_SEQUENTIAL, _NORMED),
        legal=script(inside="model.eval()").replace(_SEQUENTIAL, _NORMED),
        shows="return F.cross_entropy(model(x), y)",
        verdict=OPEN,
    ),
    "a buffer that gathers what goes in": HiddenTime(
        illegal=with_forward("h = self.table(x)", "self.mean.mul_(0.9).add_(h.detach().mean(0))"),
        legal=with_forward("h = self.table(x)", "self.mean.mul_(0.9).add_(self.table.weight.mean(0))"),
        shows="self.mean.mul_(0.9)",
        verdict=OPEN,
    ),
    "an attribute that the next pass reads": HiddenTime(
        illegal=with_forward("h = self.table(x) + self.mean", "self.mean = h.detach().mean(0)"),
        legal=with_forward("h = self.table(x) + self.mean", "self.mean = h.new_zeros(h.size(-1))"),
        shows="self.mean = h",
        verdict=OPEN,
    ),
    "a cache made from tokens": HiddenTime(
        illegal=with_forward(
            "n = x.bincount(minlength=1024)",
            "if self.places is None:",
            "    self.places = n",
            "h = self.table(x) + self.places",
        ),
        legal=with_forward(
            "n = x.size(0)",
            "if self.places is None or self.length != n:",
            "    self.length, self.places = n, torch.arange(n, device=x.device)[:, None]",
            "h = self.table(x) + self.places",
        ),
        shows="    self.places = n",
        verdict=OPEN,
    ),
}

_OBJECT = "class Box{bases}:\n    def {method}\n        {does}\n{made}\n"


def with_box(method: str, does: str, inside: str, bases: str = "", made: str = "box = Box()") -> str:
    """A script with a class that has this method, and what is done with an object of it for each chunk."""
    return script(_OBJECT.format(bases=bases, method=method, does=does, made=made), inside)


def box_twins(method: str, inside: str, **parts: str) -> HiddenTime:
    """A method that nobody calls in plain sight, with and without learning in it."""
    return HiddenTime(
        illegal=with_box(method, "learn(x, y)", inside, **parts),
        legal=with_box(method, "return 1", inside, **parts),
        shows="class Box",
        verdict=OPEN,
    )


UNSEEN_CALLS = {
    "__hash__": box_twins("__hash__(self):", "{box: 1}"),
    "__index__": box_twins("__index__(self):", "[1, 2][box]"),
    "__eq__ of a member": box_twins("__eq__(self, other):", "1 in [box]"),
    "__setattr__": box_twins("__setattr__(self, name, to):", "box.z = 1"),
    "__deepcopy__": box_twins("__deepcopy__(self, memo):", "copy.deepcopy(box)"),
    "a data set that a library reads": box_twins(
        "__getitem__(self, at):",
        "list(torch.utils.data.DataLoader(box))",
        bases="(torch.utils.data.Dataset)",
    ),
    "a signal handler": HiddenTime(
        illegal=script(
            "import signal\ndef hear(number, frame):\n    learn(x, y)\nsignal.signal(10, hear)",
            "signal.raise_signal(10)",
        ),
        legal=script(
            "import signal\ndef hear(number, frame):\n    print(number)\nsignal.signal(10, hear)",
            "signal.raise_signal(10)",
        ),
        shows="signal.signal(10, hear)",
        verdict=OPEN,
    ),
    "a thread that waits for what it learns": HiddenTime(
        illegal=script(
            "import queue, threading\nq = queue.Queue()\n"
            "def work():\n    while True:\n        learn(*q.get())\n"
            "threading.Thread(target=work, daemon=True).start()",
            "q.put((x, y))",
        ),
        legal=script(
            "import queue, threading\nq = queue.Queue()\n"
            "def work():\n    while True:\n        print(q.get())\n"
            "threading.Thread(target=work, daemon=True).start()",
            "q.put(i)",
        ),
        shows="q.put(",
        verdict=OPEN,
    ),
    "a property setter": HiddenTime(
        illegal=script(
            "class Box:\n    @property\n    def z(self):\n        return 1\n    @z.setter\n"
            "    def z(self, to):\n"
            "        learn(*to)\nbox = Box()",
            "box.z = (x, y)",
        ),
        legal=script(
            "class Box:\n    @property\n    def z(self):\n        return 1\n    @z.setter\n"
            "    def z(self, to):\n"
            "        self.kept = to\nbox = Box()",
            "box.z = (x, y)",
        ),
        shows="optimizer.step()",
    ),
    "__getattr__": HiddenTime(
        illegal=with_box("__getattr__(self, name):", "return learn(x, y)", "box.z"),
        legal=with_box("__getattr__(self, name):", "return self[name]", "box.z", bases="(dict)"),
        shows="optimizer.step()",
    ),
}
_WEIGHTS = "flat = model[1].weight.data.view(-1)"
WEIGHTS_AT_PLACES = {
    "weights written where the chunk says": HiddenTime(
        illegal=script(_WEIGHTS, "flat[y] += 0.1"),
        legal=script(_WEIGHTS, "flat[:9] += 0.1"),
        shows="flat[y] += 0.1",
    ),
    "weights set where validation says": HiddenTime(
        illegal=script("model[0].weight.data[tokens.unique()] = 0.0"),
        legal=script("model[0].weight.data[:9] = 0.0"),
        shows="model[0].weight.data[tokens",
    ),
    "weights added to at places": HiddenTime(
        illegal=script(_WEIGHTS, "np.add.at(flat, y, 0.1)"),
        legal=script(_WEIGHTS, "np.add.at(flat, [1, 2], 0.1)"),
        shows="np.add.at",
    ),
}

_REPLAY = (
    script()
    .replace(
        "    count += 1024\n",
        "    count += 1024\n"
        "    k = random.randrange(i + 1)\n"
        "    learn(tokens[k * 1024 : (k + 1) * 1024], tokens[k * 1024 + 1 : (k + 1) * 1024 + 1])\n",
    )
    .replace("import os\n", "import os\nimport random\n")
)
REPLAYS = {
    "a chunk drawn from those not scored yet": HiddenTime(
        illegal=_REPLAY.replace("randrange(i + 1)", "randrange(i + 3)"),
        legal=_REPLAY,
        shows="optimizer.step()",
    ),
}
