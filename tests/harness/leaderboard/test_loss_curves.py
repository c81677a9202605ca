from __future__ import annotations

import pytest

from harness.leaderboard.loss_curves import Curve, curves_of, read_curve, thinned
from tests.harness.leaderboard.board_samples import row


def log(*losses, first=1, score="final_exact val_loss:2.1 val_bpb:1.06"):
    lines = [f"step:{first + at}/900 train_loss:{loss} train_time:{at}ms" for at, loss in enumerate(losses)]
    return ("\n".join([*lines, score]) + "\n").encode()


def curve(data, before_line=None):
    return read_curve(data, "train_seed1.log", 1, before_line)


def test_a_curve_holds_the_losses_of_the_steps():
    assert curve(log(6.5, 5.25, 4.0)).train == ((1, 6.5), (2, 5.25), (3, 4.0))


def test_validation_losses_of_training_are_kept_apart():
    data = log(6.5, 5.25) + b"step:2/900 val_loss:5.1000 val_bpb:2.0100\nstep:3/900 train_loss:5.0 x\n"
    assert curve(data).validation == ((2, 5.1),)


def test_of_several_runs_in_a_log_the_one_before_the_score_is_drawn():
    first, second = log(6.0, 5.0, 4.0), log(6.1, 5.1)
    assert curve(first + second, before_line=7).train == ((1, 6.1), (2, 5.1))
    assert curve(first + second, before_line=4).train == ((1, 6.0), (2, 5.0), (3, 4.0))


@pytest.mark.parametrize(
    "data", [b"", b"\0\1\2" * 400, b"val_loss:2.1 val_bpb:1.06\n", log(6.5), b"step:1 train_loss:nan\n" * 9]
)
def test_a_log_without_two_losses_has_no_curve(data):
    assert curve(data) is None


def test_losses_that_no_model_has_are_left_out():
    assert curve(log(6.5, 9999.0, 4.0)).train == ((1, 6.5), (3, 4.0))


def test_a_long_curve_is_thinned_to_means_between_its_ends():
    points = tuple((step, float(step % 2)) for step in range(1000))
    found = thinned(points, 50)
    assert len(found) == 50
    assert (found[0], found[-1]) == (points[0], points[-1])
    assert all(0.3 < loss < 0.7 for _, loss in found[1:-1])


def test_each_counted_log_gives_one_curve():
    counted = row(1500, 1.06, 1.07)
    scores = tuple(
        type(score)(val_bpb=score.val_bpb, standing=score.standing, source="", seed=score.seed, log=name)
        for score, name in zip(counted.scores, ("a.log", "missing.log"), strict=True)
    )
    logs = {"a.log": log(6.0, 5.0)}
    found = curves_of(row(1500, scores=scores), lambda _, name: logs.get(name))
    assert found == (Curve(seed=0, log="a.log", train=((1, 6.0), (2, 5.0)), validation=()),)
