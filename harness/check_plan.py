"""What a golf-check command line asks for: the targets to judge, and the options to judge them with."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import GolfError, SetupError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.check import CheckOptions
    from harness.dynamic.dynamic_check import DynamicOptions
    from harness.evidence.standing_record import Frontier
    from harness.git.pr_metadata import PullRequestInfo
    from harness.git.pull_request import Clone
    from harness.result_cache import ResultCache
    from harness.ruleset import Ruleset
    from harness.targets import Target

# Rows of --pr-metadata that could not be read are named one by one up to here.
_PROBLEMS_NAMED = 5
# What the dynamic audit needs beside a sandbox; golf-check itself needs none of it.
_RUN_WITH = ("torch", "numpy", "sentencepiece")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The targets of one command line. `is_batch`: it named a collection, not single submissions."""

    targets: tuple[Target, ...]
    clone: Clone | None
    is_batch: bool


def _metadata(arguments: argparse.Namespace, note: Callable[[str], None]) -> dict[int, PullRequestInfo]:
    if arguments.pr_metadata is None:
        return {}
    from harness.git.pr_metadata import read_pr_metadata

    known, problems = read_pr_metadata(arguments.pr_metadata)
    for problem in problems[:_PROBLEMS_NAMED]:
        note(f"--pr-metadata: {problem}")
    if len(problems) > _PROBLEMS_NAMED:
        note(f"--pr-metadata: {len(problems) - _PROBLEMS_NAMED:,} more rows were skipped")
    return known


def record_targets(clone: Clone, revision: str) -> tuple[Target, ...]:
    """Every folder under records/ at a revision, each standing for itself."""
    from harness.targets import Target

    folders = clone.record_folders(revision)
    return tuple(Target(revision=revision, entry=folder, whole_tree=True) for folder in folders)


def plan_clone(arguments: argparse.Namespace, note: Callable[[str], None]) -> Plan:
    """Targets of --pr, --ref, --all-prs or --records. Raises `SetupError` when the clone cannot be read."""
    from harness.git.pull_request import open_clone
    from harness.targets import Target

    clone = open_clone(arguments.repo)
    info = _metadata(arguments, note)
    if arguments.all_prs:
        numbers = clone.pull_requests()
        targets = tuple(Target(pr=number, info=info.get(number)) for number in numbers)
        return Plan(targets=targets, clone=clone, is_batch=True)
    if arguments.records is not None:
        return Plan(targets=record_targets(clone, arguments.records), clone=clone, is_batch=True)
    if arguments.ref is not None:
        pr = arguments.pr[0] if arguments.pr else None
        known = info.get(pr) if pr is not None else None
        target = Target(revision=arguments.ref, pr=pr, entry=arguments.entry, info=known)
        return Plan(targets=(target,), clone=clone, is_batch=False)
    targets = tuple(
        Target(pr=number, entry=arguments.entry, info=info.get(number)) for number in arguments.pr or ()
    )
    return Plan(targets=targets, clone=clone, is_batch=False)


def plan_folders(paths: Iterable[Path]) -> Plan:
    """Targets of PATH arguments; one that holds several submissions makes it a batch."""
    from harness.folder_tree import submission_folders
    from harness.targets import Target

    targets: list[Target] = []
    is_batch = False
    for path in paths:
        folders = submission_folders(path)
        is_batch = is_batch or len(folders) > 1
        targets += [Target(folder=folder) for folder in folders]
    targets = list(dict.fromkeys(targets))  # several files of one submission are one submission
    return Plan(targets=tuple(targets), clone=None, is_batch=is_batch)


def _selected(arguments: argparse.Namespace, ruleset: Ruleset) -> tuple[str, ...]:
    """Ids of the rules to run; an unknown id is a usage error with the nearest known one."""
    import difflib

    for rule in (*(arguments.select or ()), *arguments.ignore):
        if rule not in ruleset.rules:
            near = difflib.get_close_matches(rule, ruleset.rules, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; see --list-rules"
            raise UsageError(f"there is no rule {rule!r}{hint}")
    wanted = arguments.select or tuple(ruleset.rules)
    return tuple(rule for rule in wanted if rule not in arguments.ignore)


def _frontier(
    clone: Clone, rules_dir: Path, cache: ResultCache | None, note: Callable[[str], None]
) -> Frontier:
    """The standing records of the clone's main; kept in the cache, as it takes reading every row's logs."""
    from harness.evidence.standing_record import Frontier, find_frontier
    from harness.result_cache import result_key, tool_digest

    key = result_key(f"frontier:{clone.main_commit}", "", tool_digest(rules_dir))
    kept = cache.get(key) if cache is not None else None
    if kept is not None:
        return Frontier.from_json(kept)
    note("reading the leaderboard on main and the logs of its rows (kept for the next run)")
    frontier = find_frontier(clone)
    if cache is not None:
        cache.put(key, frontier.to_json())
    return frontier


def _dynamic(arguments: argparse.Namespace) -> DynamicOptions | None:
    """How submissions are run; None without --dynamic. Raises `SetupError` where nothing can be run."""
    if not arguments.dynamic:
        return None
    missing = [name for name in _RUN_WITH if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise SetupError(
            f"--dynamic runs submissions, and {' and '.join(missing)} {verb} not installed here; "
            "run: pip install 'golf-harness[model]'"
        )
    from harness.dynamic.asked_settings import WHOLE_SECONDS
    from harness.dynamic.dynamic_check import DynamicOptions
    from harness.sandbox.choose import choose_sandbox

    choose_sandbox(arguments.sandbox)  # said once here, not once for each submission
    return DynamicOptions(
        sandbox=arguments.sandbox,
        whole_seconds=arguments.dynamic_seconds or WHOLE_SECONDS,
        thorough=arguments.dynamic_thorough,
        # A batch has a submission on each processor, and so has a run of two ranks.
        workers=1 if arguments.jobs > 1 or arguments.dynamic_ranks > 1 else None,
        ranks=arguments.dynamic_ranks,
        device=arguments.dynamic_device,
        keep=arguments.keep_runs,
    )


def check_options(
    arguments: argparse.Namespace,
    plan: Plan,
    cache: ResultCache | None,
    note: Callable[[str], None],
) -> CheckOptions:
    """Options of the command line. Raises `UsageError` for an unknown rule, `SetupError` for bad data.

    The standing records are looked up only when a rule needs them and the clone holds what is to be judged.
    """
    from harness.case import Profile
    from harness.check import CheckOptions
    from harness.evidence.standing_record import parse_reference
    from harness.ruleset import RULES_DIR, load_ruleset

    rules_dir = arguments.rules_dir or RULES_DIR
    rules = _selected(arguments, load_ruleset(rules_dir))
    reference = parse_reference(arguments.reference) if arguments.reference else None
    frontier = None
    needs_record = any(load_ruleset(rules_dir).rules[rule].needs_record for rule in rules)
    clone = plan.clone
    if clone is not None and reference is None and needs_record and any(map(clone.commit_of, plan.targets)):
        try:
            frontier = _frontier(clone, rules_dir, cache, note)
        except GolfError as error:
            note(f"no standing record is known: {error}; significance is not checked")
    return CheckOptions(
        profile=Profile(arguments.profile),
        as_of=arguments.as_of,
        rules=rules,
        rules_dir=rules_dir,
        reference=reference,
        frontier=frontier,
        dynamic=_dynamic(arguments),
    )
