from __future__ import annotations

import ast
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from torch.nn import functional

from harness.dynamic.events import (
    BackwardEvent,
    ForwardEvent,
    IncrementEvent,
    LossEvent,
    NetworkEvent,
    OpenEvent,
    PrintEvent,
    ProgramEvent,
    StepEvent,
    WriteEvent,
)
from harness.dynamic.probes.probe import scored_run
from tests.harness.dynamic.toy_runs import VAL_TOKENS, run_toy, toy_run, validation
from tests.programs.dynamic import toy_scripts as toys

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.dynamic.toy_runs import ToyRun


_FIND_HOOKS = "import builtins\nfound = [n for n in vars(builtins) if n[0] == '_' and len(n) == 14]\n"


def _ran(source: str, tmp_path: Path) -> ToyRun:
    return run_toy(source, tmp_path / "run", validation())


def test_rows_losses_gradients_and_steps_of_a_run_are_told() -> None:
    record = toy_run(toys.SCORE_FIRST).events
    forwards = list(record.of(ForwardEvent))
    assert [event.source for event in forwards] == ["train"] * 6 + ["val"] * 32
    assert [(row.start, row.length) for row in forwards[6].rows] == [(0, 64), (64, 64)]
    assert [event.grad for event in forwards[6:10]] == [False, True, True, True]
    losses = list(record.of(LossEvent))
    assert [row.start for row in losses[0].rows] == [1, 65]
    assert len(list(record.of(BackwardEvent))) == 30
    assert [event.source for event in record.of(StepEvent)] == ["train"] * 6 + ["val"] * 24


def test_passes_are_told_where_the_table_is_another_object_in_each() -> None:
    anew = toys.SCORE_FIRST.replace("self.table(x)", "F.embedding(x, self.table.weight.view(128, 16)[:])")
    assert anew != toys.SCORE_FIRST

    def told(source: str) -> list[tuple[str, bool]]:
        return [(event.source, event.grad) for event in toy_run(source).events.of(ForwardEvent)]

    assert told(anew) == told(toys.SCORE_FIRST)


def test_a_second_table_for_the_same_tokens_is_no_second_pass() -> None:
    two = toys.SCORE_FIRST.replace(
        "logits = self.head(torch.tanh(self.table(x)))",
        "logits = self.head(torch.tanh(self.table(x) + F.embedding(x, self.table.weight * 0.5)))",
    )
    assert two != toys.SCORE_FIRST
    count = len(list(toy_run(two).events.of(ForwardEvent)))
    assert count == len(list(toy_run(toys.SCORE_FIRST).events.of(ForwardEvent)))


@pytest.mark.parametrize("extra", ["weight=torch.full((128,), 0.9)", "label_smoothing=0.1"])
def test_a_loss_that_is_weighed_or_smoothed_is_not_told_as_that_of_a_softmax(
    extra: str, tmp_path: Path
) -> None:
    changed = toys.FROZEN.replace(
        'y.reshape(-1), reduction="none")', f'y.reshape(-1), reduction="none", {extra})'
    )
    assert changed != toys.FROZEN
    run = scored_run("base", _ran(changed, tmp_path), stream_tokens=VAL_TOKENS, label=None)
    plain = scored_run("base", toy_run(toys.FROZEN), stream_tokens=VAL_TOKENS, label=None)
    assert (run.score.network_share, plain.score.network_share) == (0.0, 1.0)


def test_weights_change_with_a_step_and_with_a_write_in_place() -> None:
    sums = [event.weights for event in toy_run(toys.SCORE_FIRST).events.of(ForwardEvent) if not event.grad]
    assert len(set(sums)) == 8
    still = [event.weights for event in toy_run(toys.FROZEN).events.of(ForwardEvent) if not event.grad]
    assert len(set(still)) == 1
    written = toys.FROZEN.replace(
        "    loss_sum += nll", "    model.head.bias.data.add_(0.001)\n    loss_sum += nll"
    )
    sums = [event.weights for event in toy_run(written).events.of(ForwardEvent) if not event.grad]
    assert len(set(sums)) == 8


def test_files_read_and_written_are_told_with_what_they_are() -> None:
    record = toy_run(toys.FROZEN).events
    assert [event.split for event in record.of(OpenEvent)] == ["train", "val", "written"]
    assert [event.path.rsplit("/", 1)[-1] for event in record.of(WriteEvent)] == ["final_model.pt"]


def test_programs_and_addresses_are_told(tmp_path: Path) -> None:
    source = f"""
import socket, subprocess
subprocess.run([{sys.executable!r}, "-c", ""])
socket.create_connection(("127.0.0.1", 9), timeout=0.1)
"""
    with pytest.raises(OSError, match="refused"):
        _ran(source, tmp_path)
    from harness.dynamic.event_record import read_event_record

    record = read_event_record(tmp_path / "run" / "out")
    assert any(sys.executable in event.command for event in record.of(ProgramEvent))
    assert any("127.0.0.1" in event.address for event in record.of(NetworkEvent))


def test_the_capture_changes_no_digit_of_what_a_script_prints(tmp_path: Path) -> None:
    captured = next(
        event.text for event in toy_run(toys.SCORE_FIRST).events.of(PrintEvent) if "final" in event.text
    )
    run_toy(toys.FROZEN, tmp_path / "run", validation())  # writes the data
    script = tmp_path / "plain.py"
    script.write_text(toys.SCORE_FIRST)
    result = subprocess.run(
        [sys.executable, str(script)],
        env={"DATA_PATH": str(tmp_path / "run" / "data"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert captured in result.stdout


@pytest.mark.parametrize(
    "attack",
    [
        "import os\nfor n in os.listdir('../out'): os.unlink('../out/' + n)\n",
        "open('../out/events.jsonl', 'w').write('')\n",
        "open('../out/events.jsonl', 'a').write('{\"n\": 99}\\n')\n",
        "import os\nos.truncate('../out/arrays.f64', 0)\n",
        "import os\nos.closerange(200, 240)\n",
    ],
)
def test_a_script_that_reaches_for_the_record_leaves_none_that_is_believed(
    attack: str, tmp_path: Path
) -> None:
    run = _ran(toys.FROZEN + attack, tmp_path)
    assert run.events.why_powerless() is not None


@pytest.mark.parametrize(
    "attack",
    [
        f"{_FIND_HOOKS}for n in found: delattr(builtins, n)\n",
        f"{_FIND_HOOKS}for n in found: setattr(builtins, n, lambda *a: a[-1])\n",
        "import sys\nsys.stdout = sys.__stdout__\n",
        "F.cross_entropy = lambda *a, **k: F.nll_loss(F.log_softmax(a[0], -1), a[1], **k) * 0.5\n",
    ],
)
def test_a_script_that_takes_hooks_away_gets_no_clean_answer_for_it(
    attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functional, "cross_entropy", functional.cross_entropy)  # put back what a script put
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    halved = toys.FROZEN.replace("nll.double().sum().item()", "0.5 * float(nll.double().sum())")
    with_attack = halved.replace("total = (val", attack + "total = (val")
    run: ToyRun | None = None
    try:
        run = _ran(with_attack, tmp_path)
    except (NameError, TypeError, ValueError):
        return  # a script that broke itself has no score
    scored = scored_run("run", run, stream_tokens=VAL_TOKENS, label=None)
    assert scored.metric is None or not scored.score.has_positions


def test_forged_events_of_a_script_that_calls_a_hook_do_not_explain_its_number(tmp_path: Path) -> None:
    attack = """
import builtins
hook = [getattr(builtins, n) for n in vars(builtins) if len(n) == 14 and n[0] == "_" and n[-1] == "a"][0]
bits = 1.0123 * byte_count * math.log(2.0)
hook("train_gpt.py:1:0 loss_sum", "+", 0.0, bits)
print(f"final_exact val_loss:{bits / token_count:.8f} val_bpb:{1.0123:.8f}")
"""
    run = _ran(toys.FROZEN + attack, tmp_path)
    scored = scored_run("run", run, stream_tokens=VAL_TOKENS, label=None)
    assert scored.metric is not None
    assert scored.score.resolution == VAL_TOKENS - 1  # explained, but by one value for all tokens: no power


def test_a_place_that_is_full_still_tells_its_sum(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from harness.dynamic.child.capture import recorder

    monkeypatch.setattr(recorder, "MOST_SITE_EVENTS", 20)
    run = _ran("x = 0.0\nfor k in range(100):\n    x += 0.5\nprint(f'{x:.1f}')\n", tmp_path)
    added = list(run.events.of(IncrementEvent))
    assert sum(event.value for event in added) == 50.0
    assert added[-1].folded == 80
    assert run.events.why_powerless([added[0].site]) is not None


def test_nothing_of_the_capture_is_left_after_a_run(tmp_path: Path) -> None:
    import builtins

    import torch

    before, save = set(vars(builtins)), torch.save
    _ran("x = 1.0\nx += 2.0\n", tmp_path)
    assert set(vars(builtins)) == before
    assert torch.save is save
    assert not torch._C._len_torch_function_stack()


def test_a_packed_source_gets_the_same_hooks() -> None:
    from harness.dynamic.child.capture.source_hooks import HookNames, hooked

    names = HookNames()
    tree = hooked(ast.parse("x += 1"), "<unpacked>", names)
    assert names.added in ast.unparse(tree)
    assert compile(tree, "<unpacked>", "exec").co_code
    assert ModuleType("x").__dict__
