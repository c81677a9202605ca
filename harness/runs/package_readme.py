"""The README of a run's submission folder: its numbers, how they were had, gaps for its author's words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from harness.reports.escape import markdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.runs.run_record import RunRecord
    from harness.runs.run_summary import RunSummary

_METHOD_GAP = (
    "> Replace this paragraph: what the model is, what was tried, and why it works. The challenge asks for a "
    "README that lets others understand and reproduce the submission."
)
_HOW = (
    "The runs were made and timed by golf-run of golf-harness: each seed from a clean copy of this folder, "
    "under a clock outside the script. Bytes are those of the sealed artifact and of this folder's code. "
    "The logs are what the script printed, unchanged."
)
_MEASURED = (
    "Scores were computed by the evaluator from sealed log-probabilities, each token exactly once. The "
    "script imports golf_scoring where golf-run evaluates it: the client that hands out the tokens, which "
    "golf-run brings along; nothing is to be installed for it."
)
_PRINTED = (
    "Scores are those the script printed at its end; golf-run did not compute them, because the script does "
    "not offer its scoring interface."
)


def render_readme(summary: RunSummary, records: Sequence[RunRecord], claim: Mapping[str, Any]) -> str:
    """The whole text. Every number is one of a record or of `claim`, the submission.json beside it."""
    std = f", sample standard deviation {summary.std:.8f}" if summary.std is not None else ""
    mean = (
        f"Mean val_bpb {summary.mean:.8f} over {len(records)} seeds{std}." if summary.mean is not None else ""
    )
    paragraphs = [
        f"# {markdown(str(claim['name']))}",
        markdown(str(claim["blurb"])),
        _METHOD_GAP,
        "## Results",
        _table(records),
        mean,
        _MEASURED if summary.is_measured else _PRINTED,
        _hardware(records),
        _eligibility(summary),
        "## How it was run",
        _HOW,
        _protection(records),
        _command(summary, records),
        _notices(summary),
    ]
    return "\n\n".join(each for each in paragraphs if each) + "\n"


def _table(records: Sequence[RunRecord]) -> str:
    head = "| seed | val_bpb | train, s | evaluate, s | steps | artifact and code, bytes |"
    rows = [head, "|---|---|---|---|---|---|"]
    for record in records:
        seconds = {phase.name: f"{phase.seconds:.1f}" for phase in record.phases}
        steps = record.seen.get("steps_before")
        size = f"{record.artifact.total_bytes:,}" if record.artifact is not None else "-"
        score = f"{record.val_bpb:.8f}" if record.val_bpb is not None else "-"
        rows.append(
            f"| {record.seed} | {score} | {seconds.get('train', '-')} | {seconds.get('evaluate', '-')} | "
            f"{int(steps) if steps else '-'} | {size} |"
        )
    return "\n".join(rows)


def _hardware(records: Sequence[RunRecord]) -> str:
    machines = list(dict.fromkeys(str(record.machine.get("summary", "unknown")) for record in records))
    versions = ", ".join(f"{name} {version}" for name, version in records[0].versions.items())
    return f"Hardware: {markdown('; '.join(machines))}. Software: {markdown(versions)}."


def _protection(records: Sequence[RunRecord]) -> str:
    kinds = sorted({(record.sandbox, record.protections) for record in records})
    return "\n\n".join(
        f"Sandbox {sandbox or 'none'}: {', '.join(protections) or 'no protection'}."
        for sandbox, protections in kinds
    )


def _eligibility(summary: RunSummary) -> str:
    if not summary.not_eligible:
        return ""
    return "Not a record run: " + markdown("; ".join(summary.not_eligible)) + "."


def _command(summary: RunSummary, records: Sequence[RunRecord]) -> str:
    settings = [f"--env {shlex.quote(f'{name}={value}')}" for name, value in records[0].settings.items()]
    seeds = " ".join(str(record.seed) for record in records)
    run = ["golf-run", ".", "--out", "../runs", "--track", summary.track, "--data", "DIR"]
    words = [*run, "--seeds", seeds, *settings]
    return f"```\n{' '.join(words)}\n```"


def _notices(summary: RunSummary) -> str:
    if not summary.open_questions:
        return ""
    lines = [f"- seed {seed}: {markdown(notice.message)}" for seed, notice in summary.open_questions]
    return "What golf-run saw and a reviewer should look at:\n\n" + "\n".join(dict.fromkeys(lines))
