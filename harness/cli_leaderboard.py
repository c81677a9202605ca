"""golf-leaderboard: who holds the record, since when, by how much. Parses, calls, renders, exits."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__
from harness.command import day, exit_status_of, open_closed_streams
from harness.exit_status import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.leaderboard.board_sources import Board
    from harness.ruleset import Limits, Ruleset

_NEWEST_PULL = 10**9
_HELP_WIDTH = 100  # fixed, so that the manual can show the same text

_EPILOG = """\
exit status
  0    done
  2    wrong usage
  4    it could not be done (a fault of the machine, the clone or the arguments)
  70   a bug of golf-leaderboard itself
  130  interrupted; reports already computed are kept, the same command resumes

examples
  golf-leaderboard frontier --repo parameter-golf
  golf-leaderboard frontier --reports verdicts.jsonl --rule text --basis rule --format markdown
  golf-leaderboard compare 1855 1851 --repo parameter-golf
  golf-leaderboard agree --repo parameter-golf --what p-values --curation leaderboard.toml
  golf-leaderboard render --repo parameter-golf --all-prs --jobs 2 --out site --readme README.md
  golf-leaderboard compare 1.0611,1.0608,1.0622 1851 --repo parameter-golf
"""


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a whole number from 1 to 1,024")
    return int(text)


def _pulls(text: str) -> tuple[int, int]:
    first, dash, last = text.replace("#", "").partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and len(text) < 24 and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no range of pull requests such as 1494-1908")
    return int(first), int(last)


def _sources() -> argparse.ArgumentParser:
    """The options that say where rows come from, shared by all commands."""
    parent = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    rows = parent.add_argument_group("where the rows come from")
    rows.add_argument("--repo", type=Path, metavar="DIR", help="a local git clone; nothing is checked out")
    rows.add_argument("--rev", default="main", metavar="REV", help="the revision to read (default main)")
    rows.add_argument("--all-prs", action="store_true", help="every pull request of the clone as well")
    rows.add_argument(
        "--reports",
        type=Path,
        nargs="+",
        default=(),
        metavar="FILE",
        help="reports that golf-check --format jsonl wrote; with --repo they stand in for judging",
    )
    rows.add_argument("--runs", type=Path, metavar="DIR", help="the --out folder of golf-run")
    rows.add_argument(
        "--curation",
        type=Path,
        metavar="FILE",
        help="leaderboard.toml: titles, rulings, reproduction runs, times",
    )
    rules = parent.add_argument_group("how rows are judged")
    rules.add_argument("--as-of", type=day, metavar="DATE", help="the limits of that day (default: newest)")
    rules.add_argument("--rules-dir", type=Path, metavar="DIR", help="the dated data of another challenge")
    out = parent.add_argument_group("output")
    out.add_argument("--quiet", action="store_true", help="no progress, no notes on standard error")
    run = parent.add_argument_group("running")
    run.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="worker processes (default 1)")
    run.add_argument("--no-cache", action="store_true", help="judge everything afresh")
    run.add_argument("--cache-dir", type=Path, metavar="DIR", help="default: $XDG_CACHE_HOME/golf-harness")
    return parent


def _add_text_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="default text")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of standard output")


def _add_chain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rule",
        choices=("text", "practice"),
        default="practice",
        help="text: 0.005 nats at p < 0.01 (README); practice: p < 0.25 in the chain (default)",
    )
    parser.add_argument(
        "--basis",
        choices=("rulings", "rule"),
        default="rulings",
        help="what moves the record: accepted rows (default), or the rule alone",
    )


def _formats(text: str) -> tuple[str, ...]:
    known = ("html", "markdown", "json", "svg", "png")
    wanted = tuple(word.strip() for word in text.split(",") if word.strip())
    unknown = [word for word in wanted if word not in known]
    if unknown or not wanted:
        raise argparse.ArgumentTypeError(f"{text!r:.40}: name some of {','.join(known)}")
    return wanted


def build_parser() -> argparse.ArgumentParser:
    """The command line; imports nothing heavy, so that --help is instant."""

    def shape(prog: str) -> argparse.HelpFormatter:
        return argparse.RawDescriptionHelpFormatter(prog, width=_HELP_WIDTH)

    parser = argparse.ArgumentParser(
        prog="golf-leaderboard",
        description="The chain of records with its statistics, from submissions, runs and rulings.",
        epilog=_EPILOG,
        formatter_class=shape,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"golf-leaderboard {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    frontier = commands.add_parser(
        "frontier",
        parents=[_sources()],
        formatter_class=shape,
        allow_abbrev=False,
        help="every row in the order of its pull request: what it had to beat, and why it entered or did not",
        description="Every row in the order of its pull request: what it had to beat, every p-value, and why "
        "it entered, did not enter or needs a person.",
    )
    _add_chain(frontier)
    _add_text_output(frontier)
    compare = commands.add_parser(
        "compare",
        parents=[_sources()],
        formatter_class=shape,
        allow_abbrev=False,
        help="one pair: scores, gain in three units, one-sided Welch with and without the margin",
        description="Whether A is better than B: every score with its source, the gain in three units, and "
        "one-sided Welch tests with and without the margin.",
    )
    _add_text_output(compare)
    compare.add_argument("a", metavar="A", help='a pull request, a folder, "run NAME", or scores 1.061,1.060')
    compare.add_argument("b", metavar="B", help="the same, the record to beat")
    agree = commands.add_parser(
        "agree",
        parents=[_sources()],
        formatter_class=shape,
        allow_abbrev=False,
        help="the README's table beside the evidence: rows, published p-values, the chain",
        description="The README's hand-kept table beside what submissions and logs say: which score, author, "
        "date and link agree and why not; which runs give the p-values that it states; which rows the rule "
        "yields. Needs --repo.",
    )
    agree.add_argument(
        "--what",
        choices=("rows", "p-values", "chain"),
        default="rows",
        help="rows: score, author, date, link (default); p-values: those that summaries state, beside ours; "
        "chain: the rows that the practised rule yields",
    )
    agree.add_argument(
        "--pulls",
        type=_pulls,
        metavar="FIRST-LAST",
        help="with --what chain: these pull requests (default: all since the chain's first)",
    )
    _add_text_output(agree)
    render = commands.add_parser(
        "render",
        parents=[_sources()],
        formatter_class=shape,
        allow_abbrev=False,
        help="the web site, the README's table, leaderboard.json and plots",
        description="The board as a web site of plain files, the README's table between its markers, "
        "leaderboard.json and plots. What stood there before stays until everything new is written.",
    )
    _add_chain(render)
    render.add_argument("--out", type=Path, default=Path("site"), metavar="DIR", help="default site/")
    render.add_argument(
        "--format",
        type=_formats,
        default=("html", "json", "svg"),
        metavar="LIST",
        help="some of html,markdown,json,svg,png (default html,json,svg)",
    )
    render.add_argument("--readme", type=Path, metavar="FILE", help="replace the table between its markers")
    render.add_argument("--title", default="Parameter Golf", help="of the site (default Parameter Golf)")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks and return the exit status."""
    from harness.check_output import write_whole
    from harness.ruleset import RULES_DIR, load_ruleset

    def note(message: str) -> None:
        if not arguments.quiet:
            print(f"golf-leaderboard: {message}", file=sys.stderr)

    ruleset = load_ruleset(arguments.rules_dir or RULES_DIR)
    limits = ruleset.limits(arguments.as_of or ruleset.newest)
    if arguments.command == "render":
        _render(arguments, ruleset, limits, note)
        return Exit.OK
    work = {"frontier": _frontier, "compare": _compare, "agree": _agree}[arguments.command]
    write_whole(work(arguments, ruleset, limits, note), arguments.output)
    return Exit.OK


def _board(arguments: argparse.Namespace, ruleset: Ruleset, note: Callable[[str], None]) -> Board:
    from harness.leaderboard.board_sources import BoardSource, read_board
    from harness.ruleset import RULES_DIR

    source = BoardSource(
        repo=arguments.repo,
        revision=arguments.rev,
        all_prs=arguments.all_prs,
        reports=tuple(arguments.reports),
        runs=arguments.runs,
        curation=arguments.curation,
        rules_dir=arguments.rules_dir or RULES_DIR,
        jobs=arguments.jobs,
        cache_dir=arguments.cache_dir,
        use_cache=not arguments.no_cache,
        quiet=arguments.quiet,
    )
    return read_board(source, ruleset, note)


def _frontier(
    arguments: argparse.Namespace, ruleset: Ruleset, limits: Limits, note: Callable[[str], None]
) -> str:
    from harness.leaderboard.board_json import board_json, board_text
    from harness.leaderboard.chain_output import chain_markdown, chain_text
    from harness.leaderboard.progression import Basis, EntryRule, progression

    board = _board(arguments, ruleset, note)
    steps = progression(board.rows, limits, rule=EntryRule(arguments.rule), basis=Basis(arguments.basis))
    if arguments.format == "json":
        as_of = (arguments.as_of or ruleset.newest).isoformat()
        return board_text(
            board_json(steps, origin=board.origin, rule=arguments.rule, basis=arguments.basis, as_of=as_of)
        )
    return {"text": chain_text, "markdown": chain_markdown}[arguments.format](steps)


def _compare(
    arguments: argparse.Namespace, ruleset: Ruleset, limits: Limits, note: Callable[[str], None]
) -> str:
    from harness.errors import UsageError
    from harness.leaderboard.board_sources import row_named
    from harness.leaderboard.pair_output import (
        compared,
        compared_with_reproductions,
        pair_json,
        pair_markdown,
        pair_text,
        row_of_scores,
    )

    given = [row_of_scores(side, text) for side, text in (("A", arguments.a), ("B", arguments.b))]
    rows = _board(arguments, ruleset, note).rows if None in given else ()
    a, b = (
        row if row is not None else row_named(text, rows)
        for row, text in zip(given, (arguments.a, arguments.b), strict=True)
    )
    for row in (a, b):
        if not row.values:
            raise UsageError(f"{row.key} has no score to compare")
    form = {"text": pair_text, "markdown": pair_markdown, "json": pair_json}[arguments.format]
    return form(a, b, compared(a, b, limits), compared_with_reproductions(a, b, limits))


def _agree(
    arguments: argparse.Namespace, ruleset: Ruleset, limits: Limits, note: Callable[[str], None]
) -> str:
    from harness.errors import SetupError, UsageError

    if arguments.repo is None:
        raise UsageError("agree needs --repo DIR: the table is in the clone's README")
    board = _board(arguments, ruleset, note)
    if not board.table:
        raise SetupError(f"{arguments.repo}: README.md at {arguments.rev} has no leaderboard table")
    return {"rows": _agree_rows, "p-values": _agree_p_values, "chain": _agree_chain}[arguments.what](
        arguments, board, limits
    )


def _agree_rows(arguments: argparse.Namespace, board: Board, limits: Limits) -> str:
    from harness.leaderboard.agreement_output import agreement_json, agreement_markdown, agreement_text
    from harness.leaderboard.readme_table import agreements

    del limits
    found = agreements(board.rows, board.table)
    form = {"text": agreement_text, "markdown": agreement_markdown, "json": agreement_json}
    return form[arguments.format](found)


def _agree_p_values(arguments: argparse.Namespace, board: Board, limits: Limits) -> str:
    from harness.leaderboard.published_output import published_json, published_markdown, published_text
    from harness.leaderboard.published_p import checked, published_in

    del limits
    found = [checked(one, board.rows) for one in published_in(board.table)]
    form = {"text": published_text, "markdown": published_markdown, "json": published_json}
    return form[arguments.format](found)


def _agree_chain(arguments: argparse.Namespace, board: Board, limits: Limits) -> str:
    from harness.leaderboard.chain_agreement import (
        chain_agreement,
        chain_agreement_json,
        chain_agreement_markdown,
        chain_agreement_text,
    )

    first, last = arguments.pulls or (limits.integer("significance.chain_first_pr"), _NEWEST_PULL)
    found = chain_agreement(board.rows, board.table, limits, first, last)
    form = {
        "text": chain_agreement_text,
        "markdown": chain_agreement_markdown,
        "json": chain_agreement_json,
    }
    return form[arguments.format](found)


def _render(
    arguments: argparse.Namespace, ruleset: Ruleset, limits: Limits, note: Callable[[str], None]
) -> None:
    from harness.leaderboard.progression import Basis, EntryRule
    from harness.leaderboard.render import RenderOptions, render
    from harness.ruleset import RULES_DIR

    repository = ruleset.tables.get("challenge", {}).get("repository")
    options = RenderOptions(
        out=arguments.out,
        formats=arguments.format,
        rule=EntryRule(arguments.rule),
        basis=Basis(arguments.basis),
        as_of=(arguments.as_of or ruleset.newest).isoformat(),
        rules_dir=arguments.rules_dir or RULES_DIR,
        title=arguments.title,
        pull_url=f"{repository}/pull/" if isinstance(repository, str) else "",
        readme=arguments.readme,
    )
    render(_board(arguments, ruleset, note), limits, options, note)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the golf-leaderboard command."""
    open_closed_streams()
    parser = build_parser()
    arguments = parser.parse_args(argv)
    return exit_status_of(
        parser, lambda: run(arguments), when_interrupted="reports already computed are kept"
    )


if __name__ == "__main__":
    sys.exit(main())
