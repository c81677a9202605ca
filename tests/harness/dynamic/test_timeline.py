from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from harness.dynamic.phases import phases
from harness.dynamic.probes.probe import ScoredRun, scored_run
from harness.dynamic.timeline import timeline_svg
from tests.harness.dynamic.toy_runs import VAL_TOKENS, toy_run
from tests.programs.dynamic import toy_scripts as toys


def _scored(source: str, name: str = "run") -> ScoredRun:
    return scored_run(name, toy_run(source), stream_tokens=VAL_TOKENS, label=None)


def _order(run: ScoredRun) -> list[str]:
    return [phase.kind for phase in phases(run) if phase.kind in {"score", "learn", "write", "claim"}]


def test_the_order_of_scoring_and_learning_is_told() -> None:
    assert _order(_scored(toys.SCORE_FIRST)) == ["write", "score", "learn", "claim"]
    assert _order(_scored(toys.ADAPT_THEN_SCORE)) == ["write", "learn", "score", "claim"]


def test_rounds_are_told_once_with_how_often() -> None:
    (score,) = [phase for phase in phases(_scored(toys.SCORE_FIRST)) if phase.kind == "score"]
    assert (score.times, score.count, score.counted) == (8, 8, 1024)
    assert (score.lowest, score.highest) == (0, 1024)


def test_scores_that_do_not_count_are_looks() -> None:
    kinds = [phase.kind for phase in phases(_scored(toys.DISCARDED_SCORES))]
    assert kinds.index("look") < kinds.index("learn") < kinds.index("score")


def _marks(svg: str, kind: str) -> list[float]:
    root = ElementTree.fromstring(svg)
    return [
        float(each.attrib["x"])
        for each in root.iter("{http://www.w3.org/2000/svg}rect")
        if each.get("class") == kind and each.get("height") != "10"
    ]


def test_the_picture_shows_adapt_then_score_as_orange_before_blue() -> None:
    illegal = timeline_svg(_scored(toys.ADAPT_THEN_SCORE))
    assert max(_marks(illegal, "learn")) < min(_marks(illegal, "score"))
    legal = timeline_svg(_scored(toys.SCORE_FIRST))
    assert min(_marks(legal, "score")) < min(_marks(legal, "learn"))
    assert len(_marks(legal, "learn")) == 24


def test_what_a_script_prints_cannot_leave_the_picture() -> None:
    run = _scored(toys.FROZEN)
    assert run.metric is not None
    evil = "<script>alert(1)</script>[bold]"
    metric = replace(run.metric.metric, label=evil)
    run = replace(run, name=evil, metric=replace(run.metric, metric=metric))
    svg = timeline_svg(run)
    assert "<script" not in svg
    ElementTree.fromstring(svg)


def test_a_run_without_a_score_is_drawn_too() -> None:
    source = toys.FROZEN.replace("val_bpb = loss_sum / math.log(2.0) / byte_count", "val_bpb = 1.0123")
    run = _scored(source)
    assert run.metric is None
    assert "score" not in _order(run)
    ElementTree.fromstring(timeline_svg(run))
