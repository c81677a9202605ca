"""`python -m submissions.build`: packs the `train_gpt.py` of every demo folder from the present modules.

Legal ones also get the `golf_run.toml` by which golf-run trains and evaluates them in two steps.

`--check` writes nothing and says which scripts are out of date; `--record` also runs all seeds and rewrites
logs, submission.json, READMEs and the table of submissions/README.md.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from typing import TYPE_CHECKING

from harness.errors import GolfError, SetupError
from harness.runs.run_protocol import PROTOCOL_NAME
from reference_model.exit_status import exit_status_of
from reference_model.pack.command import write_script
from submissions.demo_folders import FOLDERS
from submissions.packing import packed_script, protocol_text
from submissions.recording import SUBMISSIONS, record, script_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from submissions.demo_folders import DemoFolder
    from submissions.recording import SeedRun

REBUILD = "python -m submissions.build"
_TABLE = re.compile(r"(?<=<!-- measured -->\n).*(?=<!-- /measured -->)", re.DOTALL)

_HEAD = """\
| folder | what it is | rule broken | seconds per run | val_bpb, mean of 3 |
|---|---|---|---|---|
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Build or check the chosen folders; returns the exit status (0; 1 out of date; 2, 4 as everywhere)."""
    arguments = _parser().parse_args(argv)
    chosen = [folder for folder in FOLDERS if not arguments.folders or folder.name in arguments.folders]
    try:
        if arguments.check:
            return _checked(chosen)
        for folder in chosen:
            write_script(script_of(folder), packed_script(folder))
            if text := protocol_text(folder):
                write_script(script_of(folder).with_name(PROTOCOL_NAME), text)
            print(f"{folder.name}: {script_of(folder).stat().st_size:,} bytes of code", flush=True)
        if arguments.record:
            _write_table(record(chosen, jobs=arguments.jobs))
    except GolfError as error:
        print(error, file=sys.stderr)
        return exit_status_of(error)
    return 0


def out_of_date(folder: DemoFolder) -> str:
    """Why the folder's script is not what the modules give now; empty when it is."""
    path = script_of(folder)
    if not path.is_file():
        return f"{path.relative_to(SUBMISSIONS.parent)} is missing; run: {REBUILD}"
    if path.read_text(encoding="utf-8") != packed_script(folder):
        return (
            f"{path.relative_to(SUBMISSIONS.parent)} is not what its modules give now; run: {REBUILD} "
            f"(with --record where logs are to match it)"
        )
    protocol = path.with_name(PROTOCOL_NAME)
    present = protocol.read_text(encoding="utf-8") if protocol.is_file() else ""
    if present != protocol_text(folder):
        return f"{protocol.relative_to(SUBMISSIONS.parent)} is not what it would be now; run: {REBUILD}"
    return ""


def _checked(folders: Sequence[DemoFolder]) -> int:
    reasons = [reason for folder in folders if (reason := out_of_date(folder))]
    for reason in reasons:
        print(reason)
    return 1 if reasons else 0


def _write_table(runs: dict[str, list[SeedRun]]) -> None:
    """Put the measured rows into submissions/README.md; rows of folders that did not run stay."""
    path = SUBMISSIONS / "README.md"
    text = path.read_text(encoding="utf-8")
    found = _TABLE.search(text)
    if found is None:
        raise SetupError(f"{path} has no lines <!-- measured --> and <!-- /measured -->; put them back")
    old = {line.split("`")[1]: line for line in found[0].splitlines() if line.startswith("| `")}
    rows = [
        _row(folder, runs[folder.name]) if folder.name in runs else old.get(folder.name, "")
        for folder in FOLDERS
    ]
    table = _HEAD + "\n".join(row for row in rows if row) + "\n"
    path.write_text(text[: found.start()] + table + text[found.end() :], encoding="utf-8")


def _row(folder: DemoFolder, runs: Sequence[SeedRun]) -> str:
    seconds = statistics.median(run.seconds for run in runs)
    bpb = statistics.fmean(run.val_bpb for run in runs)
    return f"| `{folder.name}` | {folder.title} | {folder.breaks or 'none'} | {seconds:.0f} | {bpb:.4f} |"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m submissions.build", description=__doc__)
    names = [folder.name for folder in FOLDERS]
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help=f"default: all ({', '.join(names)})")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="say what is out of date; write nothing")
    what.add_argument("--record", action="store_true", help="also run all seeds, some minutes")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs side by side (default 2)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
