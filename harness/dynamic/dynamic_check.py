"""The dynamic audit inside golf-check: a submission wherever it lies, and what is kept of its runs."""

from __future__ import annotations

import json
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.dynamic.asked_settings import WHOLE_SECONDS, asked_settings
from harness.dynamic.audit_json import audit_as_json
from harness.dynamic.audit_run import remove_left_behind
from harness.dynamic.audit_subject import write_tree
from harness.dynamic.dynamic_audit import DynamicAudit, audit_by_running
from harness.dynamic.kept_folder import keep_audit, open_kept_folder
from harness.dynamic.run_files import RunFiles
from harness.errors import GolfError, SetupError, SubmissionError
from harness.sandbox.choose import choose_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.evidence.seed_evidence import Evidence
    from harness.file_tree import FileTree
    from harness.ruleset import Limits
    from harness.sandbox.request import Sandbox
    from harness.submission import Submission

_LONGEST_FAULT = 300
_OUR_CODE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicOptions:
    """How submissions are run. `keep` is a folder for what was seen of the runs, None to keep nothing.

    `thorough` takes four runs more, for probes whose question others ask as well; `workers` is how many runs
    go side by side, None for one a processor, two at most. `ranks` processes make a run, on the stand-ins of
    `cpu` or on the real GPU of `cuda`.
    """

    sandbox: str = "auto"
    whole_seconds: float = WHOLE_SECONDS
    thorough: bool = False
    workers: int | None = None
    ranks: int = 1
    device: str = "cpu"
    keep: Path | None = None

    def asked(self) -> dict[str, Any]:
        """What of this shapes the runs, as it stands in a report."""
        return asked_settings(
            ranks=self.ranks, device=self.device, thorough=self.thorough, whole_seconds=self.whole_seconds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRuns:
    """The dynamic audit of a submission, and the same as plain data (`audit_as_json`) for its report."""

    audit: DynamicAudit
    document: Mapping[str, Any]


def run_dynamic_audit(
    submission: Submission,
    files: FileTree,
    evidence: Evidence,
    limits: Limits,
    options: DynamicOptions,
    *,
    on_run: Callable[[str], None] = lambda name: None,
) -> CheckedRuns:
    """Audit by running; what cannot be run is an audit with a failure, whoever's fault it is.

    So is an audit in which an error of our own came up: its `fault` has the traceback. Raises `SetupError`
    where this machine has no sandbox or nothing can be written where the runs are kept.
    """
    sandbox = choose_sandbox(options.sandbox)
    remove_left_behind()
    kept = open_kept_folder(options.keep, submission, options.asked()) if options.keep is not None else None
    with tempfile.TemporaryDirectory(prefix="golf-check-") as scratch:
        files_of_runs = RunFiles(Path(scratch) / "runs") if kept is not None else None

        def told(audit: DynamicAudit) -> CheckedRuns:
            document = audit_as_json(audit)
            json.dumps(document)  # what a report cannot hold comes up here
            if kept is not None and files_of_runs is not None:
                keep_audit(audit, kept, files_of_runs)
            return CheckedRuns(audit=audit, document=document)

        try:
            folder = Path(scratch) / "submission"
            return told(
                _audit(folder, submission, files, evidence, limits, options, sandbox, files_of_runs, on_run)
            )
        except GolfError:
            raise
        except Exception as error:  # noqa: BLE001,RUF100 - what was read of the submission must not be lost
            words = _fault_in_words(error)
            return told(DynamicAudit(failure=words, fault=traceback.format_exc(), settings=options.asked()))


def _audit(
    folder: Path,
    submission: Submission,
    files: FileTree,
    evidence: Evidence,
    limits: Limits,
    options: DynamicOptions,
    sandbox: Sandbox,
    files_of_runs: RunFiles | None,
    on_run: Callable[[str], None],
) -> DynamicAudit:
    try:
        write_tree(files, folder)
        return audit_by_running(
            folder,
            submission,
            files,
            evidence,
            limits,
            sandbox,
            whole_seconds=options.whole_seconds,
            thorough=options.thorough,
            workers=options.workers,
            ranks=options.ranks,
            device=options.device,
            files_of_runs=files_of_runs,
            on_run=on_run,
        )
    except SubmissionError as error:
        return DynamicAudit(failure=str(error), settings=options.asked())
    except SetupError as error:
        why = f"this machine could not run it: {error}"
        return DynamicAudit(failure=why, settings=options.asked())


def _fault_in_words(error: Exception) -> str:
    """What came up and where: the innermost line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_OUR_CODE)]
    at = (ours or frames)[-1]
    place = Path(at.filename).relative_to(_OUR_CODE.parent) if ours else Path(at.filename).name
    told = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_FAULT]
    return f"a fault of golf-check, not of the submission: {told} at {place}:{at.lineno}; please report it"
