"""Scripts made to stop, blind or fool the static audit: each hides learning or wastes time."""

from __future__ import annotations

_SCRIPT = """\
import glob
import math
import os
import numpy as np
import torch
import torch.nn.functional as F

shards = [np.fromfile(path, dtype="<u2") for path in sorted(glob.glob("./data/fineweb_val_*.bin"))]
tokens = torch.from_numpy(np.concatenate(shards).astype(np.int64))
model = torch.nn.Sequential(torch.nn.Embedding(1024, 64), torch.nn.Linear(64, 1024))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
byte_lengths = torch.ones(1024)


def loss_of(x, y):
    return F.cross_entropy(model(x), y)


def learn(x, y):
    optimizer.zero_grad()
    loss_of(x, y).backward()
    optimizer.step()


{before}
loss_sum, byte_sum, count = 0.0, 0.0, 0
for i in range((tokens.numel() - 1) // 1024):
    x, y = tokens[i * 1024 : (i + 1) * 1024], tokens[i * 1024 + 1 : (i + 1) * 1024 + 1]
    {inside}
    with torch.no_grad():
        loss_sum += loss_of(x, y).item() * 1024
    byte_sum += byte_lengths[y].sum().item()
    count += 1024
val_loss = loss_sum / count
val_bpb = val_loss / math.log(2.0) * count / byte_sum
print(f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")
"""


def script(before: str = "", inside: str = "pass") -> str:
    """A script that scores validation; `inside` runs before a chunk is scored."""
    return _SCRIPT.replace("{before}", before).replace("{inside}", inside)


def nested(depth: int, opening: str) -> str:
    """Blocks in blocks; "{}" in the opening line is the depth."""
    return "".join("    " * level + opening.format(level) + "\n" for level in range(depth))


def handlers(depth: int) -> str:
    """The ends of as many nested try blocks."""
    levels = ["    " * level for level in reversed(range(depth))]
    return "".join(f"{indent}except Exception:\n{indent}    pass\n" for indent in levels)


# Ways to learn from the chunk before it is scored without a line that says so plainly.
HIDDEN_LEARNING = {
    "exec": script(inside="exec('learn(x, y)')"),
    "eval": script(inside="eval('lea' + 'rn(x, y)')"),
    "compiled code": script("code = compile('learn(x, y)', 'c', 'exec')", "exec(code)"),
    "code from a file": script("code = open('weights.bin').read()", "exec(code)"),
    "getattr chain": script(
        "class Box: pass\nbox = Box()\nbox.inner = Box()\nbox.inner.go = learn",
        "getattr(getattr(box, 'in' + 'ner'), os.environ.get('HOW', 'go'))(x, y)",
    ),
    "globals": script(inside="globals()[''.join(['l', 'earn'])](x, y)"),
    "decorator that replaces": script(
        "def swap(function):\n    def other(x, y):\n        return learn(x, y)\n    return other\n"
        "@swap\ndef look(x, y):\n    return None\n",
        "look(x, y)",
    ),
    "decorator from nowhere": script(
        "from tools_of_mine import swap\n@swap\ndef look(x, y):\n    return None\n", "look(x, y)"
    ),
    "generator with an effect": script(
        "def steps(x, y):\n    learn(x, y)\n    yield 1\n", "sum(1 for _ in steps(x, y))"
    ),
    "property with an effect": script(
        "class Probe:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n    @property\n"
        "    def value(self):\n        learn(self.x, self.y)\n        return 0\n",
        "Probe(x, y).value",
    ),
    "operator with an effect": script(
        "class Probe:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
        "    def __add__(self, other):\n        learn(self.x, self.y)\n        return other\n",
        "Probe(x, y) + 1",
    ),
    "assertion": script(inside="assert learn(x, y) is None"),
    "annotation": script(inside="def unused(z: learn(x, y)):\n        pass"),
    "cause of an error": script(
        inside="try:\n        raise ValueError from learn(x, y)\n"
        "    except (ValueError, TypeError):\n        pass"
    ),
    "type of an exception": script(
        inside="try:\n        raise ValueError\n    except (learn(x, y), ValueError):\n        pass"
    ),
    "guard of a match": script(
        inside="match 1:\n        case 1 if learn(x, y):\n            pass\n        case _:\n            pass"
    ),
    "deleted attribute": script(
        "class Box: pass\ndef boxed(x, y):\n    learn(x, y)\n    box = Box()\n    box.a = 1\n"
        "    return box\n",
        "del boxed(x, y).a",
    ),
    "generator that is sent tokens": script(
        "def learner():\n    while True:\n        x, y = yield\n        learn(x, y)\n"
        "pipe = learner()\nnext(pipe)",
        "pipe.send((x, y))",
    ),
    "attribute set with an effect": script(
        "class Probe:\n    def __setattr__(self, name, value):\n        learn(*value)\nprobe = Probe()",
        "probe.pair = (x, y)",
    ),
    "descriptor with an effect": script(
        "class Slot:\n    def __set__(self, owner, value):\n        learn(*value)\n"
        "class Probe:\n    pair = Slot()\nprobe = Probe()",
        "probe.pair = (x, y)",
    ),
    "tensor class with an effect": script(
        "class Seen(torch.Tensor):\n    @classmethod\n"
        "    def __torch_function__(cls, func, types, args=(), kw=None):\n"
        "        learn(*args)\n        return super().__torch_function__(func, types, args, kw or {})\n",
        "torch.maximum(x.as_subclass(Seen), y)",
    ),
    "destructor": script(
        "class Probe:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
        "    def __del__(self):\n        learn(self.x, self.y)\n",
        "Probe(x, y)",
    ),
    "context manager": script(
        "class Probe:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
        "    def __enter__(self):\n        learn(self.x, self.y)\n    def __exit__(self, *a):\n"
        "        return\n",
        "with Probe(x, y):\n        pass",
    ),
    "patched library": script(
        "real = torch.no_grad\ndef patched():\n    learn(x, y)\n    return real()\ntorch.no_grad = patched\n"
    ),
    "forward hook": script(
        "@torch.enable_grad()\ndef hook(module, given):\n    handle.remove()\n    learn(x, y)\n",
        "handle = model.register_forward_pre_hook(hook)",
    ),
    "hook after a part ran": script(
        "def hook(module, given, output):\n    handle.remove()\n    with torch.enable_grad():\n"
        "        learn(x, y)\n",
        "handle = model[0].register_forward_hook(hook)",
    ),
    "gradient switched on": script(
        "@torch.no_grad()\ndef look(x, y):\n    torch.set_grad_enabled(True)\n    learn(x, y)\n",
        "look(x, y)",
    ),
    "forward of one object": script(
        "real = model.forward\ndef forward(x):\n    return real(x)\n"
        "class Once(torch.nn.Module):\n    def forward(self, x):\n        return model(x)\n"
        "probe = Once()\nprobe.forward = lambda x: learn(x, y)\n",
        "probe(x)",
    ),
    "comparison with an effect": script(
        "class Probe:\n    def __lt__(self, other):\n        learn(x, y)\n        return True\n",
        "Probe() < 1",
    ),
    "reduction with an effect": script(
        "import functools", "functools.reduce(lambda one, other: learn(x, y), [x, y])"
    ),
    "patched class": script(
        "plain = torch.nn.Linear.forward\ndef forward(self, x):\n    learn(x, y)\n    return plain(self, x)\n"
        "torch.nn.Linear.forward = forward\n"
    ),
    "library from nowhere, by what it returns": script(
        "from tools_of_mine import make\nlook = make()", "look.go(x, y)"
    ),
    "base class that hears of its subclasses": script(
        "class Base:\n    def __init_subclass__(cls):\n        learn(x, y)\n",
        "class Sub(Base):\n        pass",
    ),
    "class decorator": script(
        "def swap(cls):\n    learn(x, y)\n    return cls\n", "@swap\n    class Look:\n        pass"
    ),
    "star import": script("from hidden import *", "look(x, y)"),
    "import by name": script(
        "import importlib\ntools = importlib.import_module(os.environ.get('TOOLS', 'hid' + 'den'))",
        "tools.look(x, y)",
    ),
    "exception as a jump": script(
        "def look(x, y):\n    try:\n        raise ValueError(learn)\n    except ValueError as error:\n"
        "        error.args[0](x, y)\n",
        "look(x, y)",
    ),
    "thread": script("import threading", "threading.Thread(target=learn, args=(x, y)).start()"),
    "native code": script("import ctypes\nlibrary = ctypes.CDLL('./learn.so')", "library.look(x, y)"),
    "subprocess": script("import subprocess", "subprocess.run(['python', 'learn.py'])"),
    "metaclass": script(
        "class Meta(type):\n    def __call__(cls, x, y):\n        learn(x, y)\n"
        "class Look(metaclass=Meta):\n    pass\n",
        "Look(x, y)",
    ),
    "map": script(inside="list(map(learn, [x], [y]))"),
    "sort key": script(inside="sorted([x], key=lambda one: learn(one, y))"),
    "default argument": script("def look(x, y, go=learn):\n    go(x, y)\n", "look(x, y)"),
    "dictionary of functions": script(
        "ways = {'a': print, 'b': learn}", "ways[os.environ.get('WAY', 'b')](x, y)"
    ),
    "assignment in a condition": script(inside="_ = 0 if (z := learn(x, y)) else 1"),
    "star arguments": script(inside="learn(*[x], **{'y': y})"),
}

# What only costs time, memory or depth.
WASTE = {
    "recursion": script("def down(n):\n    return down(n + 1)\n", "down(0)"),
    "mutual recursion": script(
        "def one(n):\n    return two(n) + two(n + 1)\ndef two(n):\n    return one(n) + one(n - 1)\n", "one(0)"
    ),
    "endless loop": script("while True:\n    x = 1\n"),
    "nested loops": script(nested(15, "for a{} in range(10 ** 9):") + "    " * 15 + "x = 1\n"),
    "known long loop": script("z = 0\nfor a in range(10 ** 12):\n    z = z + a\n"),
    "doubling calls": script(
        "def f0(x):\n    return x\n"
        + "".join(f"def f{n}(x):\n    return f{n - 1}(x) + f{n - 1}(x)\n" for n in range(1, 40)),
        "f39(1)",
    ),
    "doubling branches": script(
        "z = 0\n" + "".join(f"if os.environ.get('A{n}'):\n    z = z + {2**n}\n" for n in range(60))
    ),
    "huge power": script("z = 10 ** 10 ** 8\n"),
    "huge shift": script("z = 1 << 10 ** 12\n"),
    "huge text": script("z = 'a' * 10 ** 10\n"),
    "huge list": script("z = [0] * 10 ** 12\n"),
    "huge range": script("z = list(range(10 ** 12))\n"),
    "huge format": script("z = f'{1:>{10 ** 10}}' + '%*d' % (10 ** 10, 1) + 'a'.ljust(10 ** 10)\n"),
    "growing text": script("z = 'ab'\nfor a in range(100):\n    z = z + z\n"),
    "growing list": script("z = [1]\nfor a in range(100):\n    z = z + z\n"),
    "growing number": script("z = 3\n" + "z = z * z\n" * 64),
    "factorial": script("z = math.factorial(10 ** 9)\n"),
    "list in itself": script("z = []\nz.append(z)\nz2 = str(z)\nz3 = z == z\n"),
    "class of itself": script("class A:\n    pass\nA.a = A\nA.a.a.a.b = A\nB = A.a.b.a\n"),
    "closure chain": script(
        "f = lambda x: x\nfor a in range(10 ** 6):\n    f = (lambda g: lambda x: g(x))(f)\n", "f(1)"
    ),
    "generator without end": script("def forever():\n    while True:\n        yield 1\nz = sum(forever())\n"),
    "yield from itself": script("def again():\n    yield from again()\nfor a in again():\n    pass\n"),
    "deep data": script("z = 1\nfor a in range(10 ** 5):\n    z = [z]\nz2 = z == [z]\n"),
    "code that is data": script("SOURCE = '''" + "def f(x):\n    return x\n" * 20_000 + "'''\n"),
    "many functions": script("".join(f"def g{n}(x):\n    return x + {n}\n" for n in range(20_000))),
    "100,000 lines": script("".join(f"v{n} = {n} + len('a')\n" for n in range(100_000))),
    "a million elements": script("TABLE = [" + ",".join(["1"] * 1_000_000) + "]\n"),
    "wide dictionary": script("TABLE = {" + ",".join(f"{n}: '{n}'" for n in range(200_000)) + "}\n"),
    "deep nesting": script("z = " + "[" * 90 + "]" * 90 + "\n"),
    "deep blocks": script(nested(19, "if tokens:") + "    " * 19 + "pass\n"),
    "long chain": script("z = x0" + ".a" * 900 + "\n"),
    "long sum": script("z = 1" + " + 1" * 900 + "\n"),
    "many comparisons": script("z = " + " < ".join(str(n) for n in range(5_000)) + "\n"),
    "comprehensions": script("z = [a for a in range(10 ** 9) for b in range(10 ** 9) if a < b]\n"),
    "regular expression": script("import re\nz = re.match('(a+)+b', 'a' * 50)\n"),
    "strange names": script("ﬁ = 1\nµ = 2\n__builtins__ = {}\n__name__ = 'x'\n__file__ = []\n"),
    "try in try": script(nested(15, "try:") + "    " * 15 + "z = 1\n" + handlers(15)),
    "match": script(
        "match tokens:\n    case [1, *rest] if rest:\n        z = rest\n"
        "    case {'a': b, **c}:\n        z = b\n"
    ),
    "async": script(
        "import asyncio\nasync def run():\n    async for a in run():\n        await run()\n"
        "asyncio.run(run())\n"
    ),
    "globals rebound": script("def f():\n    global f, learn, model\n    f = learn = model = None\nf()\n"),
    "deleted names": script("del model\ndel loss_of\n"),
    "return at top": script("class A(A0 := object):\n    x = [y for y in (z := [1])]\n"),
}
