"""Judges many targets: cached results first, the rest in worker processes, every result kept as it comes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.audit.kept_audits import KeptAudits, open_audit_cache
from harness.check import check_target, could_not_check, needs_audit
from harness.reports.report_json import to_json
from harness.result_cache import ResultCache, result_key, tool_digest
from harness.targets import Target, content_key
from harness.worker_pool import TASK_TIMEOUT_SECONDS, run_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.check import CheckOptions
    from harness.git.pull_request import Clone


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What each worker needs: the clone's path (opened there, objects are not picklable) and the options.

    `audits` is the folder of audits of earlier runs, None to compute all afresh.
    """

    repo: Path | None
    options: CheckOptions
    audits: Path | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One result as a JSON document; `index` is the target's place in the list."""

    index: int
    target: Target
    document: dict[str, Any]
    from_cache: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """A worker's result: the report, and the audits it had to compute, packed for the cache."""

    document: dict[str, Any]
    audits: dict[str, bytes]


def start_worker(setup: WorkerSetup) -> Callable[[Target], _Answer]:
    """Open the clone once, then judge target after target (runs in the worker process)."""
    from harness.git.pull_request import open_clone

    clone = open_clone(setup.repo) if setup.repo is not None else None

    kept = KeptAudits(setup.audits)

    def judge_one(target: Target) -> _Answer:
        document = to_json(check_target(target, clone, setup.options, kept))
        return _Answer(document, kept.take_fresh())

    return judge_one


def judge_single(
    target: Target,
    clone: Clone | None,
    options: CheckOptions,
    cache: ResultCache | None,
    on_run: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """The result of one target, judged in this process; its audit is kept, its report is not.

    `on_run` hears of each run of the dynamic audit before it begins.
    """
    with _audit_cache(cache, options) as audits:
        kept = KeptAudits(audits.directory if audits is not None else None)
        document = to_json(check_target(target, clone, options, kept, on_run))
        _keep(kept.take_fresh(), audits)
    return document


def _audit_cache(
    cache: ResultCache | None, options: CheckOptions
) -> contextlib.AbstractContextManager[ResultCache | None]:
    audits = open_audit_cache(cache) if needs_audit(options) else None
    return contextlib.nullcontext() if audits is None else audits


def _keep(fresh: dict[str, bytes], audits: ResultCache | None) -> None:
    for key, packed in fresh.items():
        if audits is not None:
            audits.put_packed(key, packed)


def _keys(
    targets: Sequence[Target], clone: Clone | None, options: CheckOptions, *, use_cache: bool
) -> list[str | None]:
    if not use_cache:
        return [None] * len(targets)
    tool, how = tool_digest(options.rules_dir), options.key()
    contents = (content_key(target, clone) for target in targets)
    return [None if content is None else result_key(content, how, tool) for content in contents]


def _may_stay(document: Mapping[str, Any]) -> bool:
    """Whether the same would come out when it is judged again: nothing failed that may be mended meanwhile.

    A submission that could not be run, and runs that ended for want of time or of a package, are no error.
    """
    if document.get("error"):
        return False
    dynamic = document.get("dynamic")
    return dynamic is None or not (dynamic["failure"] or dynamic["lacking"])


def judge_all(
    targets: Sequence[Target],
    clone: Clone | None,
    options: CheckOptions,
    *,
    jobs: int = 1,
    cache: ResultCache | None = None,
) -> Iterator[Judged]:
    """Yield every target's result: cached ones first, then the others as workers finish them.

    A target whose worker dies or hangs yields a could-not-check document; neither it nor what hung on this
    machine is cached, so the next run tries it again.
    """
    keys = _keys(targets, clone, options, use_cache=cache is not None)
    # A kept answer writes no files: where those of the runs are asked for, they are made.
    asks_files = options.dynamic is not None and options.dynamic.keep is not None
    missing: list[int] = []
    for index, (target, key) in enumerate(zip(targets, keys, strict=True)):
        document = None
        if cache is not None and key is not None and not asks_files:
            document = cache.get(key)
        if document is None:
            missing.append(index)
        else:
            yield Judged(index, target, document, from_cache=True)
    todo = [targets[index] for index in missing]
    with _audit_cache(cache if todo else None, options) as audits:
        setup = WorkerSetup(
            clone.path if clone is not None else None,
            options,
            audits.directory if audits is not None else None,
        )
        seconds = TASK_TIMEOUT_SECONDS + (options.dynamic.whole_seconds if options.dynamic else 0.0)
        workers = max(1, min(jobs, len(todo)))
        for done in run_tasks(todo, start_worker, setup, jobs=workers, timeout_seconds=seconds):
            index = missing[done.index]
            if done.failure is not None:
                message = (
                    f"{done.task.label} could not be checked: {done.failure}; judge it alone to see more"
                )
                document = to_json(could_not_check(done.task, message, options))
            else:
                document = done.result.document
                _keep(done.result.audits, audits)
                if cache is not None and (key := keys[index]) is not None and _may_stay(document):
                    cache.put(key, document)
            yield Judged(index, done.task, document, from_cache=False)


def in_order(results: Iterator[Judged]) -> Iterator[Judged]:
    """The same results in the order of their targets, each as soon as all before it are there.

    When the user interrupts, the results that were waiting for an earlier one come out before the interrupt
    goes on: nothing computed is lost.
    """
    held: dict[int, Judged] = {}
    following = 0
    try:
        for result in results:
            held[result.index] = result
            while following in held:
                yield held.pop(following)
                following += 1
    except KeyboardInterrupt:
        yield from (held[index] for index in sorted(held))
        raise
