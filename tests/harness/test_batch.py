"""Many targets: order, cache, workers that die."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.batch import Judged, _Answer, in_order, judge_all
from harness.check import CheckOptions
from harness.dynamic.dynamic_check import DynamicOptions
from harness.result_cache import ResultCache
from harness.targets import Target
from harness.worker_pool import Done
from tests.builders import good_files, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def result(index: int) -> Judged:
    return Judged(index, Target(folder=Path("x")), {}, from_cache=False)


def test_results_come_out_in_the_order_of_their_targets():
    assert [each.index for each in in_order(iter([result(2), result(0), result(1)]))] == [0, 1, 2]


def test_an_interrupt_lets_out_the_results_that_waited_for_an_earlier_one():
    def interrupted() -> Iterator[Judged]:
        yield result(0)
        yield result(2)
        raise KeyboardInterrupt

    seen: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(each.index for each in in_order(interrupted()))
    assert seen == [0, 2]


@pytest.fixture
def dead_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task ends with the death of its worker."""
    monkeypatch.setattr(
        "harness.batch.run_tasks",
        lambda tasks, *_, **__: (Done(index, task, None, "it died") for index, task in enumerate(tasks)),
    )


@pytest.mark.usefixtures("dead_worker")
def test_a_dead_worker_gives_a_document_that_blames_no_submission(tmp_path: Path):
    target = Target(folder=write_files(tmp_path, good_files()))
    (judged,) = judge_all([target], None, CheckOptions())
    assert judged.document["verdict"] == "could-not-check"
    assert "it died; judge it alone" in judged.document["error"]


@pytest.mark.usefixtures("dead_worker")
def test_what_could_not_be_checked_is_not_kept(tmp_path: Path):
    target = Target(folder=write_files(tmp_path / "s", good_files()))
    with ResultCache(tmp_path / "cache") as cache:
        list(judge_all([target], None, CheckOptions(), cache=cache))
        (again,) = judge_all([target], None, CheckOptions(), cache=cache)
    assert not again.from_cache


def test_a_result_is_kept_and_comes_back_equal(tmp_path: Path):
    target = Target(folder=write_files(tmp_path / "s", good_files()))
    with ResultCache(tmp_path / "cache") as cache:
        (first,) = judge_all([target], None, CheckOptions(), cache=cache)
        (again,) = judge_all([target], None, CheckOptions(), cache=cache)
    assert again.from_cache
    assert again.document == first.document


def test_other_options_do_not_get_the_kept_result(tmp_path: Path):
    target = Target(folder=write_files(tmp_path / "s", good_files()))
    with ResultCache(tmp_path / "cache") as cache:
        list(judge_all([target], None, CheckOptions(), cache=cache))
        (other,) = judge_all([target], None, CheckOptions(rules=("seeds-three",)), cache=cache)
    assert not other.from_cache


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, object]], list[object]]:
    """Makes every task end with a document that has these keys; gives the list of tasks that were begun."""

    def answer(document: dict[str, object]) -> list[object]:
        begun: list[object] = []

        def run(tasks: Sequence[object], *_: object, **__: object) -> Iterator[Done[object]]:
            for index, task in enumerate(tasks):
                begun.append(task)
                yield Done(index, task, _Answer(document, {}), None)

        monkeypatch.setattr("harness.batch.run_tasks", run)
        return begun

    return answer


def judged_twice(folder: Path, first: CheckOptions, second: CheckOptions | None = None) -> bool:
    """Whether the second of two times came from the cache."""
    target = Target(folder=write_files(folder / "s", good_files()))
    with ResultCache(folder / "cache") as cache:
        list(judge_all([target], None, first, cache=cache))
        (again,) = judge_all([target], None, second or first, cache=cache)
    return again.from_cache


RUN = CheckOptions(dynamic=DynamicOptions())


@pytest.mark.parametrize(
    ("dynamic", "is_kept"),
    [
        ({"failure": None, "lacking": []}, True),
        ({"failure": "this machine could not run it", "lacking": []}, False),
        ({"failure": None, "lacking": ["time"]}, False),
        ({"failure": None, "lacking": ["missing-module"]}, False),
    ],
)
def test_runs_that_hung_on_this_machine_are_made_again(tmp_path: Path, answering, dynamic, is_kept):
    answering({"verdict": "incomplete", "dynamic": dynamic})
    assert judged_twice(tmp_path, RUN) is is_kept


def test_where_files_of_the_runs_are_asked_for_runs_are_made(tmp_path: Path, answering):
    begun = answering({"verdict": "accept", "dynamic": {"failure": None, "lacking": []}})
    assert not judged_twice(tmp_path, RUN, CheckOptions(dynamic=DynamicOptions(keep=tmp_path)))
    assert len(begun) == 2


def test_what_was_made_for_its_files_is_kept_for_those_who_ask_for_none(tmp_path: Path, answering):
    answering({"verdict": "accept", "dynamic": {"failure": None, "lacking": []}})
    assert judged_twice(tmp_path, CheckOptions(dynamic=DynamicOptions(keep=tmp_path)), RUN)
