"""Writes the submission folder of a run: the code that ran, our logs, submission.json, and a README skeleton.

Every number in it is one of a record. What only its author knows (the method, names) is taken from the
submission's own submission.json where it is there, and is left as a visible gap in the README where not.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError
from harness.runs.package_readme import render_readme
from harness.runs.run_files import folder_digest
from harness.runs.run_judgement import LOG_NAME
from harness.runs.two_step_judgement import EVALUATE_LOG_NAME
from harness.sandbox.clean_copy import copy_submission
from harness.sandbox.sealed_files import read_sealed

if TYPE_CHECKING:
    from harness.runs.run_record import RunRecord
    from harness.runs.run_summary import RunSummary

_LARGEST_LOG = 1 << 28
_LARGEST_CLAIM = 1 << 20
# What a run replaces: claims and logs of earlier runs are not evidence of this one.
_REPLACED = re.compile(r"(?i)(README\.md|submission\.json|.*\.log|logs/.*|.*\.pyc)")
_FOLDER_OF_TRACK = {True: "track_10min_16mb", False: "track_non_record_16mb"}
_TRACK = {True: "record-10min-16mb", False: "non-record-16mb"}


def write_package(summary: RunSummary, folder: Path, out: Path) -> Path:
    """Write the folder of a complete run below `out`/<name>/package and say where; an older one is replaced.

    `folder` is the submission. Raises `SetupError` where it cannot be written or the submission is no longer
    the one that ran.
    """
    records = [each.record for each in summary.chosen if each.record is not None]
    if not records or not summary.is_complete:
        raise SetupError("a submission folder needs every seed finished with a score")
    is_record = summary.is_measured and not summary.not_eligible
    base = out / summary.name / "package"
    target = base / "records" / _FOLDER_OF_TRACK[is_record] / _folder_name(summary.name, records)
    try:
        base.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".package-", dir=base))
        try:
            _fill(scratch / "new", summary, records, folder, out, is_record=is_record)
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(base / "records")
            target.parent.mkdir(parents=True)
            (scratch / "new").replace(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise SetupError(f"{base}: the submission folder cannot be written ({error})") from error
    return target


def _folder_name(name: str, records: list[RunRecord]) -> str:
    """`YYYY-MM-DD_Name`, the day of the first run, of characters that the challenge's folders have."""
    plain = re.sub(r"[^A-Za-z0-9._+=-]+", "-", name).strip("-.") or "submission"
    if re.match(r"\d{4}-\d{2}-\d{2}_[A-Za-z0-9]", plain):
        return plain
    return f"{min(record.started_at for record in records)[:10]}_{plain.lstrip('_')}"


def _fill(
    place: Path, summary: RunSummary, records: list[RunRecord], folder: Path, out: Path, *, is_record: bool
) -> None:
    copied = copy_submission(folder, place)
    if folder_digest(place, copied.files) != records[0].digests.get("code"):
        raise SetupError(
            f"{folder}: is no longer what ran (its files changed); no submission folder is written of it"
        )
    told = _own_claims(place / "submission.json")
    for name in copied.files:
        if _REPLACED.fullmatch(name):
            (place / name).unlink()
    for name in sorted(copied.files, key=len, reverse=True):
        with contextlib.suppress(OSError):
            os.removedirs((place / name).parent)  # folders that held nothing but what is replaced
    place.mkdir(exist_ok=True)
    for record in records:
        attempt = out / record.submission / str(record.seed) / "attempts" / str(record.attempt)
        names = [name for name in (LOG_NAME, EVALUATE_LOG_NAME) if name in record.files]
        log = b"".join(read_sealed(attempt, name, _LARGEST_LOG) for name in names or [LOG_NAME])
        (place / f"train_seed{record.seed}.log").write_bytes(log)
    claim = _claim(summary, records, told, is_record=is_record)
    text = json.dumps(claim, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (place / "submission.json").write_text(text, encoding="utf-8", errors="backslashreplace")
    readme = render_readme(summary, records, claim)
    (place / "README.md").write_text(readme, encoding="utf-8", errors="backslashreplace")


def _own_claims(path: Path) -> dict[str, str]:
    """Names and words of the submission's own submission.json; none of its numbers."""
    from harness.claims.submission_json import read_submission_json

    try:
        data = path.read_bytes()[:_LARGEST_CLAIM]
    except OSError:
        return {}
    document = read_submission_json(path.name, data)
    found = {"author": document.author, "github_id": document.github_id, "name": document.name}
    told = {name: value.value for name, value in found.items() if value is not None and value.value}
    try:
        blurb = json.loads(data)["blurb"]
    except (ValueError, RecursionError, KeyError, TypeError):
        blurb = None
    return {**told, "blurb": blurb} if isinstance(blurb, str) and blurb else told


def _claim(
    summary: RunSummary, records: list[RunRecord], told: dict[str, str], *, is_record: bool
) -> dict[str, Any]:
    """submission.json: what the records hold, in the fields of the challenge."""
    artifacts = [record.artifact for record in records if record.artifact is not None]
    losses = [loss for record in records if (loss := _loss(record)) is not None]
    claim: dict[str, Any] = {
        "author": told.get("author", "unknown"),
        "github_id": told.get("github_id", "unknown"),
        "name": told.get("name", summary.name),
        "blurb": told.get("blurb", f"Run of {summary.name} on track {summary.track} by golf-run."),
        "date": f"{_day(records)}T00:00:00Z",
        "track": _TRACK[is_record],
        "val_loss": sum(losses) / len(losses) if len(losses) == len(records) else None,
        "val_bpb": summary.mean,
        "val_bpb_std": summary.std,
        "bytes_total": max((each.total_bytes for each in artifacts), default=None),
        "bytes_code": artifacts[0].code_bytes if artifacts else None,
        "hardware": records[0].machine.get("summary"),
        "seeds": [record.seed for record in records],
        "seed_results": {str(record.seed): _seed_claim(record) for record in records},
    }
    return {name: value for name, value in claim.items() if value is not None}


def _seed_claim(record: RunRecord) -> dict[str, Any]:
    steps = record.seen.get("steps_before")
    found = {
        "val_bpb": record.val_bpb,
        "val_loss": _loss(record),
        "artifact_bytes": record.artifact.total_bytes if record.artifact is not None else None,
        "steps": int(steps) if steps else None,
        "run_record": record.record_id,
    }
    return {name: value for name, value in found.items() if value is not None}


def _loss(record: RunRecord) -> float | None:
    return (record.measured or record.claimed).val_loss_nats


def _day(records: list[RunRecord]) -> str:
    day = min(record.started_at for record in records)[:10]
    return datetime.date.fromisoformat(day).isoformat()
