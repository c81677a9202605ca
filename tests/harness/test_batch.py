"""Many targets: order, cache, workers that die."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.batch import Judged, in_order, judge_all
from harness.check import CheckOptions
from harness.result_cache import ResultCache
from harness.targets import Target
from harness.worker_pool import Done
from tests.builders import good_files, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator


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
