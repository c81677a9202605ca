"""golf-check: judge submissions without running them. Parses, calls, renders, exits; decides nothing."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.command import day, exit_status_of, open_closed_streams
from harness.errors import SetupError
from harness.exit_status import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.check_output import OutputOptions
    from harness.result_cache import ResultCache

FORMATS = ("text", "concise", "json", "jsonl", "sarif", "github", "markdown")


_EPILOG = """\
exit status
  0    nothing wrong was found and nothing was left open
  1    at least one FAIL
  2    wrong usage
  3    no FAIL, but a person must decide or evidence is missing (--exit-zero-on-review makes it 0)
  4    nothing to check, or it could not be checked (a fault of the machine, the clone or the arguments)
  70   a bug of golf-check itself
  130  interrupted; results already computed are kept, the same command resumes

A batch (--all-prs, --records, --agreement, a folder of submissions) exits with 1 only under --fail-on fail.

examples
  golf-check records/track_10min_16mb/2026-04-01_MyRun
  golf-check --repo parameter-golf --pr 1959
  golf-check --repo parameter-golf --all-prs --jobs 2 --format jsonl --output verdicts.jsonl --statistics
  golf-check --dynamic records/track_10min_16mb/2026-04-01_MyRun
  golf-check --explain artifact-cap

"No finding" is not "legal": rules that could not be checked are listed in every verdict.
"""


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _rule_list(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def build_parser() -> argparse.ArgumentParser:
    """The command line of golf-check; imports nothing heavy, so that --help is instant."""
    parser = argparse.ArgumentParser(
        prog="golf-check",
        description="Judge Parameter Golf submissions by files, logs, code and git history. Runs nothing of "
        "them, unless --dynamic says so.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"golf-check {__version__}")

    what = parser.add_argument_group("what to judge")
    what.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="a submission folder, or a folder of them"
    )
    what.add_argument(
        "--repo", type=Path, metavar="DIR", help="a local git clone; nothing is checked out or fetched"
    )
    what.add_argument("--pr", type=_positive, nargs="+", metavar="N", help="pull requests of the clone")
    what.add_argument(
        "--ref", metavar="REV", help="a commit or ref of the clone (with one --pr: that state of it)"
    )
    what.add_argument("--entry", metavar="FOLDER", help="which folder of the commit is the submission")
    what.add_argument("--all-prs", action="store_true", help="every pull request of the clone")
    what.add_argument(
        "--records",
        metavar="REV",
        nargs="?",
        const="main",
        help="every folder under records/ at REV (default main)",
    )
    what.add_argument(
        "--agreement",
        type=Path,
        metavar="LABELS",
        help="judge labelled commits and compare with their rulings; with --records also the merged folders",
    )
    what.add_argument(
        "--pr-metadata",
        type=Path,
        metavar="FILE",
        help="titles and dates of pull requests: JSON from the GitHub API or `gh pr list --json`",
    )

    how = parser.add_argument_group("how to judge")
    how.add_argument(
        "--as-of",
        type=day,
        metavar="DATE",
        help="rules in force then (default: the PR's date, else newest)",
    )
    how.add_argument(
        "--profile",
        choices=("practice", "text", "formal"),
        default="practice",
        help="how literally rules are read",
    )
    how.add_argument("--select", type=_rule_list, metavar="RULE,...", help="only these rules")
    how.add_argument("--ignore", type=_rule_list, metavar="RULE,...", default=(), help="all but these rules")
    how.add_argument(
        "--reference",
        metavar="RECORD",
        help="the record to beat: scores (1.061,1.060,...) or a submission folder",
    )
    how.add_argument(
        "--rules-dir", type=Path, metavar="DIR", help="the dated data of another challenge (default: ours)"
    )

    dynamic = parser.add_argument_group(
        "running submissions (the dynamic audit; untrusted code, in a sandbox)"
    )
    dynamic.add_argument(
        "--dynamic",
        action="store_true",
        help="also run each submission at tiny size on this machine, again with other tokens, and compare",
    )
    dynamic.add_argument(
        "--sandbox",
        choices=("auto", "bwrap", "landlock", "none"),
        default="auto",
        help="default auto; never none by itself",
    )
    dynamic.add_argument(
        "--dynamic-seconds",
        type=_positive,
        metavar="S",
        help="for all runs of one submission together (default 300)",
    )
    dynamic.add_argument(
        "--dynamic-ranks", type=int, choices=(1, 2), default=1, help="processes that share a run (default 1)"
    )
    dynamic.add_argument(
        "--dynamic-device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="cpu: stand-ins for the GPU (default); cuda: the real one",
    )
    dynamic.add_argument(
        "--dynamic-thorough",
        action="store_true",
        help="four runs more: the stream twice, adaptation taken back, one document replaced, the end of one",
    )
    dynamic.add_argument(
        "--keep-runs",
        type=Path,
        metavar="DIR",
        help="keep what each probe saw, a picture of the first run, and log and record of it and of each run "
        "that shows a breach",
    )

    out = parser.add_argument_group("output")
    out.add_argument("--format", choices=FORMATS, default="text", help="default text")
    out.add_argument("--output", type=Path, metavar="FILE", help="write there instead of standard output")
    out.add_argument("--show-passes", action="store_true", help="text: also what each passing rule saw")
    out.add_argument(
        "--statistics", action="store_true", help="end with submissions per verdict and findings per rule"
    )
    out.add_argument("--quiet", action="store_true", help="no progress, no notes on standard error")
    out.add_argument("--exit-zero-on-review", action="store_true", help="exit 0 where 3 would be the status")
    out.add_argument(
        "--fail-on", choices=("fail", "never"), help="when to exit with 1 (default: fail; in a batch never)"
    )

    run = parser.add_argument_group("running")
    run.add_argument(
        "--jobs", type=_positive, default=1, metavar="N", help="worker processes of a batch (default 1)"
    )
    run.add_argument("--no-cache", action="store_true", help="compute everything afresh")
    run.add_argument("--cache-dir", type=Path, metavar="DIR", help="default: $XDG_CACHE_HOME/golf-harness")

    learn = parser.add_argument_group("learning about the rules")
    learn.add_argument(
        "--list-rules", action="store_true", help="every rule, and whether golf-check checks it"
    )
    learn.add_argument(
        "--explain", metavar="RULE", help="what a rule checks, why, how, and what it cannot see"
    )
    learn.add_argument("--list-rulings", action="store_true", help="the dated precedents behind the rules")
    return parser


def _check_usage(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """One way of naming submissions at a time; each that needs a clone has one."""
    ways = {
        "PATH": bool(arguments.paths),
        "--pr": bool(arguments.pr) and arguments.ref is None,
        "--ref": arguments.ref is not None,
        "--all-prs": arguments.all_prs,
        "--records": arguments.records is not None,
        "--agreement": arguments.agreement is not None,
    }
    named = [way for way, is_used in ways.items() if is_used]
    if named == ["--records", "--agreement"]:
        named = ["--agreement"]  # the merged folders are judged as accepted states beside the labels
    if not named:
        parser.error("nothing to judge: name a submission folder, or --repo DIR with --pr N (see --help)")
    if len(named) > 1:
        parser.error(f"{' and '.join(named)} cannot be combined; run golf-check once for each")
    if named != ["PATH"] and arguments.repo is None:
        parser.error(f"{named[0]} needs --repo DIR, a local git clone")
    if named == ["PATH"] and arguments.repo is not None:
        parser.error("PATH names a folder on disk; with --repo use --pr, --ref, --all-prs or --records")
    if arguments.ref is not None and len(arguments.pr or ()) > 1:
        parser.error("--ref is one state of one pull request; name one --pr with it")
    about_runs = {
        "--keep-runs": arguments.keep_runs is not None,
        "--sandbox": arguments.sandbox != "auto",
        "--dynamic-thorough": arguments.dynamic_thorough,
        "--dynamic-seconds": arguments.dynamic_seconds is not None,
        "--dynamic-ranks": arguments.dynamic_ranks != 1,
        "--dynamic-device": arguments.dynamic_device != "cpu",
    }
    given = [name for name, is_given in about_runs.items() if is_given]
    if given and not arguments.dynamic:
        parser.error(f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} about runs: add --dynamic")
    if arguments.dynamic_device == "cuda" and arguments.dynamic_ranks > 1:
        parser.error("--dynamic-ranks 2 is for --dynamic-device cpu: one GPU does not hold two ranks")
    if arguments.entry is not None and (arguments.all_prs or arguments.records or arguments.agreement):
        parser.error("--entry chooses the folder of one commit; it goes with --ref or one --pr")


def _open_cache(arguments: argparse.Namespace, note: Callable[[str], None]) -> ResultCache | None:
    if arguments.no_cache:
        return None
    from harness.result_cache import ResultCache, default_cache_dir

    cache = ResultCache(arguments.cache_dir or default_cache_dir())
    if cache.warning:
        note(cache.warning)
    return cache


def _learn(arguments: argparse.Namespace) -> str | None:
    """The answer to --explain, --list-rules or --list-rulings, None when none was asked."""
    from harness.ruleset import RULES_DIR

    rules_dir = arguments.rules_dir or RULES_DIR
    if arguments.explain:
        from harness.rule_pages import explain

        return explain(arguments.explain, rules_dir)
    if arguments.list_rules:
        from harness.rule_pages import list_rules

        return list_rules(rules_dir)
    if arguments.list_rulings:
        from harness.rulings import list_rulings

        return list_rulings(rules_dir)
    return None


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Do what the command line asks and return the exit status."""

    def note(message: str) -> None:
        if not arguments.quiet:
            print(f"golf-check: {message}", file=sys.stderr)

    answer = _learn(arguments)
    if answer is not None:
        print(answer)
        return Exit.OK
    _check_usage(arguments, parser)
    if not (arguments.all_prs or arguments.records or arguments.agreement):
        # A tenth of a second that would otherwise be waited for, after the imports below.
        from harness.code.source_code import start_reader

        start_reader()
    from harness.check_output import CheckOutput
    from harness.check_plan import check_options, plan_clone, plan_folders

    if arguments.agreement is not None:
        return _run_agreement(arguments, note)
    plan = plan_clone(arguments, note) if arguments.repo is not None else plan_folders(arguments.paths)
    if not plan.targets:
        raise SetupError("there is nothing to check: no submission was found where you pointed")
    with _cache_or_nothing(_open_cache(arguments, note)) as cache:
        options = check_options(arguments, plan, cache, note)
        output = CheckOutput(_output(arguments), plan.targets, is_batch=plan.is_batch, note=note)
        return output.run(plan.clone, options, cache)


def _output(arguments: argparse.Namespace) -> OutputOptions:
    from harness.check_output import OutputOptions

    return OutputOptions(
        format=arguments.format,
        output=arguments.output,
        show_passes=arguments.show_passes,
        statistics=arguments.statistics,
        quiet=arguments.quiet,
        exit_zero_on_review=arguments.exit_zero_on_review,
        fail_on=arguments.fail_on,
        jobs=arguments.jobs,
    )


def _run_agreement(arguments: argparse.Namespace, note: Callable[[str], None]) -> int:
    from harness.agreement import read_labels, read_reason_codes
    from harness.batch import in_order, judge_all
    from harness.check_output import write_whole
    from harness.check_plan import Plan, check_options, record_targets
    from harness.git.pull_request import open_clone
    from harness.progress import shown_progress
    from harness.reports.agreement_report import build, render
    from harness.ruleset import load_ruleset

    labels = read_labels(arguments.agreement)
    clone = open_clone(arguments.repo)
    merged = record_targets(clone, arguments.records) if arguments.records is not None else ()
    with (
        _cache_or_nothing(_open_cache(arguments, note)) as cache,
        shown_progress(len(labels) + len(merged), "judged", quiet=arguments.quiet) as advance,
    ):
        targets = tuple(label.target for label in labels) + merged
        plan = Plan(targets=targets, clone=clone, is_batch=True)
        options = check_options(arguments, plan, cache, note)
        codes = read_reason_codes(options.rules_dir)
        results = judge_all(targets, clone, options, jobs=arguments.jobs, cache=cache)
        documents = [result.document for result in in_order(advance(results))]
    static = {rule.id for rule in load_ruleset(options.rules_dir).rules.values() if rule.needs_audit}
    folders = tuple(target.label for target in merged)
    agreement = build(labels, documents, codes, merged=folders, static_rules=frozenset(static))
    write_whole(render(agreement, arguments.format), arguments.output)
    return Exit.OK


def _cache_or_nothing(cache: ResultCache | None) -> Any:
    import contextlib

    return contextlib.nullcontext() if cache is None else cache


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the golf-check command."""
    open_closed_streams()
    parser = build_parser()
    arguments = parser.parse_args(argv)
    return exit_status_of(
        parser, lambda: run(arguments, parser), when_interrupted="results already computed are kept"
    )


if __name__ == "__main__":
    sys.exit(main())
