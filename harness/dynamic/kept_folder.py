"""What is kept of an audit when somebody asks: a folder for each submission, state and way of running it.

A folder is named after the pull request, the submission's folder and the commit; where one of that name holds
something else, a number follows. `audited.json` says what a folder holds: the same command finds its own
again and replaces what it wrote there, and nothing else that lies there.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.dynamic.audit_json import audit_as_json
from harness.dynamic.timeline import timeline_svg
from harness.errors import SetupError
from harness.probe_outcome import Outcome
from harness.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.dynamic.dynamic_audit import DynamicAudit
    from harness.dynamic.run_files import RunFiles
    from harness.submission import Submission

OWNER_NAME = "audited.json"
AUDIT_NAME = "dynamic_audit.json"
PICTURE_NAME = "timeline.svg"
RUNS_NAME = "runs"
_NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 120
_COMMIT_CHARACTERS = 9


def open_kept_folder(root: Path, submission: Submission, asked: Mapping[str, Any]) -> Path:
    """The folder below `root` for runs of `submission` as `asked`, made where it is not there.

    Raises `SetupError` when nothing can be written there.
    """
    owner = _owner(submission, asked)
    name = _folder_name(submission)
    try:
        root.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = root / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                # One without a word of whose it is was not made here, or is being made by another worker.
                if _said(folder) == owner:
                    return folder
                continue
            with whole_file(folder / OWNER_NAME) as file:
                file.write((json.dumps(owner, indent=2) + "\n").encode())
            return folder
    except OSError as error:
        raise _cannot(root, error) from error
    raise AssertionError("numbers do not end")


def keep_audit(audit: DynamicAudit, folder: Path, files: RunFiles) -> None:
    """Replace what `folder` holds of an earlier audit by `audit`.

    Of its runs the first is kept with its log and record, and so is each that a breach names. Raises
    `SetupError` when they cannot be written.
    """
    named = {name for one in audit.results if one.outcome is Outcome.BREACH for name in one.runs}
    try:
        _replace_folder(folder / RUNS_NAME, files.named({"base", *named}))
        picture = folder / PICTURE_NAME
        if audit.base is None:
            picture.unlink(missing_ok=True)
        else:
            with whole_file(picture) as file:
                shown = timeline_svg(audit.base, title=folder.name)
                file.write(shown.encode("utf-8", "backslashreplace"))  # what was printed may be no text
        with whole_file(folder / AUDIT_NAME) as file:
            file.write((json.dumps(audit_as_json(audit), indent=2) + "\n").encode())
    except OSError as error:
        raise _cannot(folder, error) from error


def _folder_name(submission: Submission) -> str:
    origin = submission.origin
    commit = (origin.commit or "")[:_COMMIT_CHARACTERS]
    words = [f"pr{origin.pr}" if origin.pr is not None else "", Path(origin.entry or origin.path).name]
    name = _NOT_OF_A_NAME.sub("-", "-".join(word for word in words if word))
    return "-".join(word for word in (name[:_LONGEST_NAME], commit) if word) or "submission"


def _owner(submission: Submission, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Whose folder it is: what lies on disk is told by its place, a commit is the same in every clone."""
    origin = submission.origin
    path = str(Path(origin.path).resolve()) if origin.commit is None else None
    where = {"pr": origin.pr, "commit": origin.commit, "entry": origin.entry, "path": path}
    return {"submission": where, "asked": dict(asked)}


def _said(folder: Path) -> Any:
    try:
        return json.loads((folder / OWNER_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _replace_folder(folder: Path, parts: list[Path]) -> None:
    """Have `folder` hold copies of `parts` and nothing else, or be as it was where that fails."""
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a dead process with our number
    try:
        unfinished.mkdir()
        for part in parts:
            shutil.copytree(part, unfinished / part.name)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _cannot(folder: Path, error: OSError) -> SetupError:
    return SetupError(f"{folder}: what was seen of the runs cannot be kept there ({error})")
