"""golf-run: run a submission, one record for each seed. Parses, calls, renders, exits; decides nothing."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__
from harness.command import exit_status_of, open_closed_streams
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HELP_WIDTH = 100  # fixed, so that the manual can show the same text
_EXECUTORS = ("local", "ray", "slurm")
_SANDBOXES = ("auto", "bwrap", "landlock", "none")
_USUAL_SEEDS = (13, 1337, 1111)

_EPILOG = """\
exit status
  0    every seed ran within its limits, its score was measured, nothing is left open
  1    a limit was broken, or a seed failed by the submission's own fault
  2    wrong usage
  3    every seed ran, but a person must look: a score is only what the script printed, or something was seen
       (--exit-zero-on-review makes it 0)
  4    it could not be run (a fault of the machine, the data or the arguments), never a submission's failure
  70   a bug of golf-run itself
  130  interrupted; finished seeds are kept, the same command resumes

examples
  golf-run                                     the reference submission at tiny size on the demo corpus
  golf-run my_submission --seeds 13 1337 1111 --data data/datasets/fineweb10B_sp1024
  golf-run my_submission --track smoke --seeds 42 --env ITERATIONS=20
  golf-run my_submission --data DIR --reference 1.0611,1.0608,1.0622 --extra-seeds 1

A seed with a record is not run again; every attempt is kept. What a script prints is a claim, never a score.
"""


def _whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers in a range."""

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > 12 or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r:.40} is not a whole number from {least:,} to {most:,}")
        return int(text)

    return read


def _seed(text: str) -> int:
    try:
        return _whole(0, 2**31 - 1)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{error}; put spaces between seeds, and SUBMISSION before --seeds"
        ) from None


def _scale(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a number") from None


def _setting(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise argparse.ArgumentTypeError(f"{text!r:.60} is not NAME=VALUE")
    return name, value


def build_parser() -> argparse.ArgumentParser:
    """The command line of golf-run; imports nothing heavy, so that --help is instant."""
    parser = argparse.ArgumentParser(
        prog="golf-run",
        description="Run a submission once per seed: the clock, the bytes and, where the submission\n"
        "offers the scoring interface, the score are ours.",
        epilog=_EPILOG,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=_HELP_WIDTH),
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"golf-run {__version__}")

    what = parser.add_argument_group("what to run")
    what.add_argument(
        "submission",
        nargs="?",
        metavar="SUBMISSION",
        help="a folder, or submissions/<name> of those shipped (default: the reference submission)",
    )
    what.add_argument(
        "--seeds",
        type=_seed,
        nargs="+",
        action="extend",  # a second --seeds adds to the first: no seed that was named is dropped unsaid
        metavar="N",
        help=f"default {' '.join(map(str, _USUAL_SEEDS))}",
    )
    what.add_argument(
        "--extra-seeds",
        type=_whole(0, 20),
        default=0,
        metavar="N",
        help="also N secret seeds, drawn once and counted in no mean",
    )
    what.add_argument(
        "--env",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable the script is started with; goes into the record (may be repeated)",
    )

    limits = parser.add_argument_group("limits and data")
    limits.add_argument(
        "--track",
        metavar="NAME",
        help="record-10min-16mb or smoke (default: smoke without a GPU or a SUBMISSION, else the other)",
    )
    limits.add_argument(
        "--time-scale",
        type=_scale,
        default=1.0,
        metavar="X",
        help="multiply the time limits, for slower machines; no record run",
    )
    limits.add_argument(
        "--nproc", type=_whole(0, 1024), metavar="N", help="ranks of torchrun; 0 starts the script alone"
    )
    limits.add_argument("--data", type=Path, metavar="DIR", help="shards (default on smoke: the demo corpus)")
    limits.add_argument(
        "--tokenizer", type=Path, metavar="FILE", help="default: the .model beside the shards or the export's"
    )

    how = parser.add_argument_group("how and where")
    how.add_argument("--out", type=Path, default=Path("runs"), metavar="DIR", help="default runs/")
    how.add_argument(
        "--resume",
        action="store_true",
        help="the default: a seed with a record by its own merits is not run again",
    )
    how.add_argument(
        "--again", action="store_true", help="run seeds that have a record too; older attempts are kept"
    )
    how.add_argument(
        "--sandbox", choices=_SANDBOXES, default="auto", help="default auto; never none by itself"
    )
    how.add_argument("--executor", choices=_EXECUTORS, default="local", help="default local")
    how.add_argument(
        "--executor-option",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the executor (may be repeated)",
    )
    how.add_argument(
        "--tries",
        type=_whole(1, 20),
        default=3,
        metavar="N",
        help="attempts at a seed when machines fail (default 3); a submission's failure is never tried again",
    )

    out = parser.add_argument_group("output")
    out.add_argument("--format", choices=("text", "json"), default="text", help="of the end (default text)")
    out.add_argument(
        "--reference", metavar="RECORD", help="compare with scores (1.061,1.060,...) or a submission folder"
    )
    out.add_argument("--no-package", action="store_true", help="write no submission folder at the end")
    out.add_argument("--quiet", action="store_true", help="no steps, no notes on standard error")
    out.add_argument("--exit-zero-on-review", action="store_true", help="exit 0 where 3 would be the status")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks and return the exit status."""
    if arguments.resume and arguments.again:
        raise UsageError("--resume and --again exclude each other: one keeps finished seeds, one runs them")
    if arguments.reference is not None and not arguments.reference.strip():
        raise UsageError("--reference is an empty text; give scores (1.061,1.060) or a submission folder")
    from harness.runs.run_plan import RunRequest
    from harness.runs.seed_series import SeriesOptions, run_series

    request = RunRequest(
        submission=arguments.submission,
        seeds=tuple(arguments.seeds or _USUAL_SEEDS),
        extra_seeds=arguments.extra_seeds,
        track=arguments.track,
        data=arguments.data,
        tokenizer=arguments.tokenizer,
        out=arguments.out,
        ranks=arguments.nproc,
        time_scale=arguments.time_scale,
        settings=_by_name(arguments.env, "--env"),
        sandbox=arguments.sandbox,
        is_remote=arguments.executor != "local",
    )
    options = SeriesOptions(
        executor=arguments.executor,
        executor_options=_by_name(arguments.executor_option, "--executor-option"),
        tries=arguments.tries,
        again=arguments.again,
        reference=arguments.reference,
        writes_package=not arguments.no_package,
        quiet=arguments.quiet,
    )
    series = run_series(request, options)
    if arguments.format == "json":
        import json

        text = json.dumps(series.as_json(), indent=1, allow_nan=False) + "\n"
    else:
        text = series.as_text()
    sys.stdout.write(text)
    sys.stdout.flush()
    return series.summary.exit_status(zero_on_review=arguments.exit_zero_on_review)


def _by_name(pairs: Sequence[tuple[str, str]], option: str) -> dict[str, str]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{option} {twice} is given more than once; which value counts?")
    return dict(pairs)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the golf-run command."""
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files can hold anything
    parser = build_parser()
    arguments = parser.parse_args(argv)
    return exit_status_of(
        parser,
        lambda: run(arguments),
        when_interrupted="finished seeds are kept, the same command resumes",
    )


if __name__ == "__main__":
    sys.exit(main())
