"""Rows from golf-check's reports (report-v1): what a submission's files claim and its logs prove."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError
from harness.evidence.significance import bytes_per_token, mean
from harness.leaderboard.board_row import (
    BoardRow,
    Judged,
    SeedScore,
    Standing,
    Told,
)
from harness.leaderboard.kept_reports import PackedReport
from harness.leaderboard.report_fields import commit_or_none, text_or_none, word
from harness.reports.report_json import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# The chain compares rows itself, with the row before each, so golf-check's own comparison is left out.
DECIDED_BY_THE_CHAIN = frozenset({"sig-005-nats", "sig-p01", "sig-p025-chain", "chrono-open"})
# A score of any model that learned anything, bits per byte; beyond lies a slip or an attack on the plot.
PLAUSIBLE_BPB = (0.05, 8.0)
# A claim that is further from the mean of the logs than this is no matter of rounding.
CONTRADICTION_BPB = 1e-4
_AMOUNT_BELOW = 1e18
# Two thousand reports with all findings are some 200 MB.
REPORTS_LIMIT_BYTES = 2 * 2**30
# The longest of 2,111 real ones has 132,404 characters.
REPORT_LIMIT_CHARACTERS = 64 * 2**20


def is_plausible(bpb: object) -> bool:
    """Whether a value can be a score in bits per byte."""
    low, high = PLAUSIBLE_BPB
    # Compared, not converted: a whole number of a thousand digits has no float. NaN is in no range.
    return isinstance(bpb, int | float) and not isinstance(bpb, bool) and low <= bpb <= high


def row_of_report(document: Mapping[str, Any]) -> BoardRow:
    """The row of one report. Raises `SetupError` for a document that is no report."""
    try:
        return _row(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SetupError(
            f"not a golf-check report of schema version {SCHEMA_VERSION}: {type(error).__name__} {error}; "
            "write it with golf-check --format jsonl"
        ) from error


def _row(document: Mapping[str, Any]) -> BoardRow:
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema_version is {document['schema_version']!r}")
    submission, measured = document["submission"], document["measured"]
    pr, folder, track = submission["pr"], submission["entry"] or None, submission["track"]
    if not (pr is None or _whole(pr)) or not isinstance(track, str) or not isinstance(folder, str | None):
        raise ValueError(
            f"pull request {str(pr)[:40]!r}, track {str(track)[:40]!r}, entry {str(folder)[:40]!r}"
        )
    notes: list[str] = []
    return BoardRow(
        key=f"#{pr}" if pr is not None else (folder or submission["path"]).rsplit("/", 1)[-1],
        track=track,
        pr=pr,
        folder=folder,
        commit=commit_or_none(submission["repo_commit"]),
        title=_claim(submission["name"], "submission.json") or _claim(submission["title"], "pull request"),
        author=_claim(submission["author"], "submission.json"),
        github_id=_claim(submission["github_id"], "submission.json"),
        date=_claim(submission.get("date"), "submission.json"),
        created_at=_moment(submission.get("created_at")),
        scores=_scores(submission, measured, notes),
        bytes_per_token=_bytes_per_token(measured),
        judged=_judged(document),
        notes=tuple(notes),
    )


def _claim(value: object, source: str) -> Told[str] | None:
    if not isinstance(value, str) or not value.strip():
        return None
    return Told(value=value.strip(), standing=Standing.CLAIMED, source=source)


def _moment(value: object) -> Told[datetime.datetime] | None:
    if not isinstance(value, str):
        return None
    moment = datetime.datetime.fromisoformat(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return Told(value=moment, standing=Standing.CURATED, source="pull request metadata")


def _scores(
    submission: Mapping[str, Any], measured: Mapping[str, Any], notes: list[str]
) -> tuple[SeedScore, ...]:
    scores: list[SeedScore] = []
    for seed in measured["per_seed"].values():
        bpb = seed["val_bpb"]
        if bpb is None:
            continue
        where = seed["log"] if seed["line"] is None else f"{seed['log']}:{seed['line']}"
        if not is_plausible(bpb):
            notes.append(f"{where}: a score of {str(bpb)[:24]} bits per byte is left out")
            continue
        scores.append(
            SeedScore(
                seed=_whole(seed["seed"]),
                val_bpb=float(bpb),
                val_loss=_amount(seed["val_loss"]),
                standing=Standing.LOGGED,
                source=where or "log",
                train_seconds=_amount(seed["train_seconds"]),
                eval_seconds=_amount(seed["eval_seconds"]),
                total_bytes=_whole(seed["total_bytes"]),
                log=seed["log"],
                line=_whole(seed["line"]),
            )
        )
    claimed = submission["claimed_val_bpb"]
    if claimed is not None and not is_plausible(claimed):
        notes.append(f"submission.json: a score of {str(claimed)[:24]} bits per byte is left out")
    elif claimed is not None:
        logged = [score.val_bpb for score in scores]
        if logged and abs(mean(logged) - claimed) > CONTRADICTION_BPB:
            said = f"the mean of {len(logged)} logged is {mean(logged):.6f}"
            notes.append(f"submission.json claims {claimed:.6g}, {said}")
        scores.append(SeedScore(val_bpb=float(claimed), standing=Standing.CLAIMED, source="submission.json"))
    return tuple(scores)


def _amount(value: object) -> float | None:
    """A number of seconds or nats; None for what cannot be one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < _AMOUNT_BELOW else None


def _whole(value: object) -> int | None:
    """A seed, line or number of bytes; None for what cannot be one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _bytes_per_token(measured: Mapping[str, Any]) -> float | None:
    pairs = [
        ratio
        for seed in measured["per_seed"].values()
        if is_plausible(seed["val_bpb"]) and _amount(seed["val_loss"]) is not None
        if (ratio := bytes_per_token(seed["val_loss"], seed["val_bpb"])) is not None
    ]
    return sorted(pairs)[len(pairs) // 2] if pairs else None


def _judged(document: Mapping[str, Any]) -> Judged:
    error = text_or_none(document["error"], "error")
    if error is not None:
        return Judged(verdict=word(document["verdict"], "verdict"), error=error)
    outcomes = {
        rule: said for rule, said in document["rules_checked"].items() if rule not in DECIDED_BY_THE_CHAIN
    }
    failed = tuple(sorted(rule for rule, said in outcomes.items() if said == "FAIL"))
    asked = tuple(sorted(rule for rule, said in outcomes.items() if said == "NEEDS-HUMAN"))
    essential = document.get("essential", ())
    unchecked = tuple(sorted(rule for rule in essential if outcomes.get(rule) == "NOT-CHECKED"))
    verdict = "reject" if failed else "needs-human" if asked else "incomplete" if unchecked else "accept"
    return Judged(verdict=verdict, failed=failed, asked=asked, open=unchecked)


def reports_of_file(path: Path) -> Iterator[Mapping[str, Any]]:
    """The reports of a file that `golf-check --format jsonl` (or json) wrote, one after the other.

    Raises `SetupError` with the line when the file cannot be read or a line is no JSON object.
    """
    try:
        if path.stat().st_size > REPORTS_LIMIT_BYTES:
            raise SetupError(f"{path} is larger than {REPORTS_LIMIT_BYTES:,} bytes: not a file of reports")
        with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            if path.suffix == ".json":
                yield from _of_one_object(path, lines.read(REPORTS_LIMIT_BYTES))
                return
            # By a bounded read: a line of a device or a pipe need not end.
            number = 0
            while line := lines.readline(REPORT_LIMIT_CHARACTERS):
                number += 1
                if len(line) == REPORT_LIMIT_CHARACTERS:
                    at_most = f"{REPORT_LIMIT_CHARACTERS:,}"
                    raise SetupError(f"{path}:{number}: no report has {at_most} characters in a line")
                if line.strip():
                    yield _object(f"{path}:{number}", line, is_whole=line.endswith("\n"))
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; name a file of golf-check --format jsonl") from error


def _of_one_object(path: Path, text: str) -> Iterator[Mapping[str, Any]]:
    """What --format json wrote: one report, or the reports of a batch with its summary."""
    document = _object(str(path), text, is_whole=True)
    several = document.get("reports")
    if several is None:
        yield document
        return
    if not isinstance(several, list) or not all(isinstance(one, dict) for one in several):
        raise SetupError(f"{path}: its reports are not a list of reports; write it with golf-check")
    yield from several


def _object(where: str, text: str, *, is_whole: bool) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        cut = "" if is_whole else "; the file ends within this line: judge the rest again, or delete the line"
        raise SetupError(f"{where}: not JSON: {error}{cut}") from error
    if not isinstance(document, dict):
        raise SetupError(f"{where}: not a report; write it with golf-check --format jsonl")
    return document


def rows_of_file(path: Path) -> Iterator[tuple[BoardRow, PackedReport]]:
    """Each report's row, and the report packed. Raises `SetupError` naming the report that is none."""
    for number, document in enumerate(reports_of_file(path), start=1):
        try:
            yield row_and_report(document)
        except SetupError as error:
            raise SetupError(f"{path}: report {number}: {error}") from error


def row_and_report(document: Mapping[str, Any]) -> tuple[BoardRow, PackedReport]:
    """The row of one report, and what pages show of it. Raises as `row_of_report` does."""
    row = row_of_report(document)
    try:
        return row, PackedReport.of(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SetupError(
            f"its findings are not those of golf-check: {type(error).__name__} {error}"
        ) from error
