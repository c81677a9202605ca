"""Forked runs of toy scripts: what each token that could have come is scored, and what that sums to."""

from __future__ import annotations

import functools
import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from harness.dynamic.alternative_forks import forked_alternatives
from harness.dynamic.branch_scores import (
    Look,
    branch_nats,
    fork_point,
    joined_record,
    network_nats,
    network_norm,
)
from harness.dynamic.event_record import EventRecord, read_event_record, take_keys
from harness.dynamic.fork_plan import ForkPlan, branch_mark
from harness.dynamic.probes.normalisation import Alternative, normalisation
from harness.dynamic.probes.probe import ProbeResult, scored_run
from harness.dynamic.run_plan import RunPlan
from harness.probe_outcome import Outcome
from tests.harness.dynamic.toy_runs import VAL_TOKENS, VOCAB, ToyRun, run_toy, stream, validation, write_shard
from tests.programs.dynamic.toy_scripts import FROZEN, ONLINE_PAIRS

POSITION = 700
TARGET_IN_KEY = ONLINE_PAIRS.replace(
    "    counted = counts[left, right] / counts[left].sum(axis=1)\n",
    """\
    keys, contexts = (left * 31 + right) % 16, left % 16
    counted = np.minimum(counts[keys, 0] / counts[contexts, 1], 1.0)
    np.add.at(counts, (keys, 0), 1)
    np.add.at(counts, (contexts, 1), 1)
""",
)
LOWER_OF_TWO = ONLINE_PAIRS.replace(
    "mixed = -np.log(0.5 * neural + 0.5 * counted)", "mixed = -np.log(np.maximum(neural, counted))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    path: Path

    def run(self, source: str, fork: ForkPlan | None, out: str) -> tuple[EventRecord, str]:
        """The record of a child on `source`, and its key."""
        (self.path / out).mkdir()
        (self.path / "work").mkdir(exist_ok=True)
        script = self.path / "work" / "train_gpt.py"
        script.write_text(source)
        for name, tokens in (("val", validation()), ("train", stream(4096, seed=3))):
            write_shard(self.path / f"fineweb_{name}_000000.bin", tokens)
        plan = RunPlan(
            script=str(script),
            environment={"DATA_PATH": str(self.path), "GOLF_TEST_OUT": out},
            data=str(self.path),
            out=str(self.path / out),
            val_files=(str(self.path / "fineweb_val_000000.bin"),),
            train_files=(str(self.path / "fineweb_train_000000.bin"),),
            vocab_size=VOCAB,
            fork=fork.as_json() if fork is not None else None,
        )
        place = self.path / f"{out}.json"
        place.write_text(json.dumps(plan.as_json()))
        done = subprocess.run(
            [sys.executable, "-m", "harness.dynamic.child", str(place)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        keys, _ = take_keys(done.stdout.splitlines())
        return read_event_record(self.path / out, key=keys[0]), keys[0]


@functools.cache
def _alternatives(source: str, count: int) -> tuple[tuple[Alternative, ...], float | None, np.ndarray]:
    """Forks of `source` with `count` drawn tokens; what came there without forks; the shard after them."""
    with tempfile.TemporaryDirectory() as name:
        folder = _Folder(path=Path(name))
        record, _ = folder.run(source, None, "base")
        base = scored_run("base", ToyRun(events=record), stream_tokens=VAL_TOKENS, label=None)
        assert not base.why_not, base.why_not
        point = fork_point(base, POSITION, np.ones(VAL_TOKENS, dtype=np.int64))
        assert point is not None
        true = int(validation()[POSITION])
        drawn = np.random.default_rng(5).permutation(VOCAB)[:count].tolist()
        tokens = tuple(dict.fromkeys([true, *drawn]))
        plan = ForkPlan(
            after_line=point.after_line,
            positions=((POSITION,),) * len(tokens),
            tokens=tuple((token,) for token in tokens),
            most_events=(point.most_events,) * len(tokens),
        )
        trunk, key = folder.run(source, plan, "forks")
        found = []
        for index, token in enumerate(tokens):
            branch = read_event_record(folder.path / "forks", key=key, branch=branch_mark(index))
            whole = joined_record(trunk, point.after_event, branch)
            found.append(
                Alternative(
                    token=token,
                    nats=branch_nats(base, point, whole, 1),
                    network_nats=network_nats(whole, Look(position=POSITION)),
                    network_norm=network_norm(whole, Look(position=POSITION)),
                    is_drawn=token != true,
                )
            )
        shard = np.fromfile(folder.path / "fineweb_val_000000.bin", dtype="<u2", offset=1024)
        return tuple(found), branch_nats(base, point, base.record, 1), shard


def _judged(source: str, count: int = 16) -> ProbeResult:
    alternatives, base_nats, _ = _alternatives(source, count)
    return normalisation(
        alternatives,
        position=POSITION,
        vocab_size=VOCAB,
        true_token=int(validation()[POSITION]),
        base_nats=base_nats,
    )


def test_a_softmax_over_the_vocabulary_sums_to_one():
    result = _judged(FROZEN)
    assert result.outcome == Outcome.CLEAN
    assert result.numbers["estimate"] == pytest.approx(1, abs=1e-5)


def test_the_fork_with_the_token_that_came_scores_as_the_run_without_forks():
    alternatives, base_nats, _ = _alternatives(FROZEN, 16)
    assert alternatives[0].nats == base_nats
    assert base_nats is not None


def test_the_shard_is_afterwards_as_it_was():
    assert np.array_equal(_alternatives(FROZEN, 16)[2], validation())


def test_a_mixture_with_counts_of_scored_tokens_sums_to_one():
    assert _judged(ONLINE_PAIRS, VOCAB).numbers["sum"] == pytest.approx(1, abs=1e-5)


def test_a_few_tokens_and_the_softmax_of_the_network_are_enough_for_a_mixture():
    result = _judged(ONLINE_PAIRS)
    assert "estimate" in result.numbers
    assert result.outcome != Outcome.BREACH


def test_a_table_with_the_target_in_its_key_sums_to_more_than_one_over_some_tokens():
    result = _judged(TARGET_IN_KEY)
    assert result.outcome == Outcome.BREACH
    assert result.condition == "c2-normalized"
    assert result.numbers["sum"] > 1.5


def test_the_lower_of_two_losses_sums_to_more_than_one():
    assert _judged(LOWER_OF_TWO, VOCAB).outcome == Outcome.BREACH


def _by_hand(
    *nats: float | None, network: float | None = None, norms: list[float | None] | None = None, **more
) -> ProbeResult:
    alternatives = [
        Alternative(token=token, nats=each, network_nats=network, network_norm=norm, is_drawn=token > 0)
        for token, (each, norm) in enumerate(zip(nats, norms or [0.0] * len(nats), strict=True))
    ]
    return normalisation(alternatives, position=9, vocab_size=1000, true_token=0, base_nats=nats[0], **more)


def test_a_sum_below_one_without_a_network_proves_nothing():
    assert _by_hand(*[5.0] * 20).outcome == Outcome.NO_POWER


def test_a_control_that_differs_leaves_no_power():
    result = _by_hand(1.0, 2.0)
    assert result.outcome == Outcome.NO_POWER
    moved = normalisation(
        [Alternative(token=0, nats=1.0, network_nats=None, network_norm=None, is_drawn=False)],
        position=9, vocab_size=1000, true_token=0, base_nats=1.1,
    )  # fmt: skip
    assert "1.0 nats and not 1.1" in moved.sentence


def test_a_rerun_that_differs_from_its_fork_leaves_no_power():
    result = _by_hand(0.1, 0.1, 0.1, rerun_nats=3.0)
    assert result.outcome == Outcome.NO_POWER
    assert "derived from the stream before the fork" in result.sentence


EVEN = math.log(1000)


def test_a_network_that_stays_whatever_the_token_lets_the_rest_be_estimated():
    assert _by_hand(*[EVEN] * 20, network=EVEN).outcome == Outcome.CLEAN


@pytest.mark.parametrize("other", [0.25, None], ids=["changes", "unseen"])
def test_a_network_whose_scores_change_with_the_token_estimates_nothing(other):
    result = _by_hand(*[EVEN] * 20, network=EVEN, norms=[0.0] * 19 + [other])
    assert result.outcome == Outcome.NO_POWER
    assert "cannot be estimated" in result.sentence


READS_AGAIN = FROZEN.replace(
    "def chunk_rows(start, end):\n",
    """\
def chunk_rows(start, end):
    val = load("fineweb_val_*.bin")
""",
)


FEWER_EVENTS = FROZEN.replace(
    "torch.manual_seed(1337)\n",
    """\
torch.manual_seed(1337)
print()
extra = 0
for turn in range(1 if "forks" in os.environ["GOLF_TEST_OUT"] else 7):
    extra += 1
""",
)


def test_a_run_of_a_few_events_less_is_forked_at_the_same_line():
    assert FEWER_EVENTS != FROZEN
    nats = [each.nats for each in _alternatives(FEWER_EVENTS, 4)[0]]
    assert nats == [each.nats for each in _alternatives(FROZEN, 4)[0]]


WORKER_PRINTS = FROZEN.replace(
    "torch.manual_seed(1337)\n",
    """\
torch.manual_seed(1337)
worker = os.fork()
if worker == 0:
    for turn in range(40):
        print("from a worker")
    os._exit(0)
os.waitpid(worker, 0)
""",
)


def test_a_worker_that_prints_does_not_begin_the_forks():
    assert WORKER_PRINTS != FROZEN
    nats = [each.nats for each in _alternatives(WORKER_PRINTS, 4)[0]]
    assert nats == [each.nats for each in _alternatives(FROZEN, 4)[0]]


def test_a_script_that_reads_its_shard_again_in_a_fork_finds_the_token_of_the_fork():
    assert READS_AGAIN != FROZEN
    true, *others = _alternatives(READS_AGAIN, 4)[0]
    assert {each.nats for each in others} & {true.nats} == set()
    assert _alternatives(READS_AGAIN, 4)[0] == _alternatives(FROZEN, 4)[0]


def test_an_estimate_by_the_network_alone_proves_nothing():
    # Drawn tokens get an even share of what is left, and the network gives them next to nothing.
    even, network = math.log(10_000), math.log(100_000)
    result = _by_hand(*[even] * 20, network=network)
    assert result.numbers["estimate"] > 1.1
    assert result.numbers["plain_estimate"] < 1.0
    assert result.outcome == Outcome.NO_POWER


def test_a_run_of_two_ranks_is_not_forked():
    plan = RunPlan(script="a.py", data="data", out="out", vocab_size=VOCAB, world_size=2)
    begun: list[RunPlan] = []
    base = scored_run("base", ToyRun(events=EventRecord(events=())), stream_tokens=VAL_TOKENS, label=None)
    result = forked_alternatives(base, None, POSITION, plan, begun.append, lambda position, token: None)()
    assert (result.outcome, begun) == (Outcome.NO_POWER, [])


def test_a_score_whose_place_is_likely_is_a_value_of_its_own():
    with tempfile.TemporaryDirectory() as folder:
        run = run_toy(FROZEN, Path(folder) / "run", validation())
    base = scored_run("base", run, stream_tokens=VAL_TOKENS, label=None)
    assert base.metric is not None
    score = base.score
    # As a last row that is counted twice leaves it: more values than tokens, each with a likely place.
    order = np.r_[0 : score.values.size, score.values.size - 8 : score.values.size]
    likely = replace(
        score,
        **{
            name: getattr(score, name)[order]
            for name in ("values", "positions", "counted_at", "scored_at", "tokens")
        },
        placed=np.ones(order.size, dtype=np.int8),
    )
    base = replace(base, metric=replace(base.metric, score=likely))
    point = fork_point(base, POSITION, np.ones(VAL_TOKENS, dtype=np.int64))
    assert point is not None
    assert point.first == int(np.flatnonzero(likely.positions == POSITION)[0])
