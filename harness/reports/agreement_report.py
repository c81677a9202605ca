"""Prints how golf-check's verdicts compare with labelled rulings, label by label and in sum."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

from harness.agreement import Agreement, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.agreement import Label, LabelResult


def _share(found: int, count: int) -> str:
    return f"{found} of {count}" + (f" ({100 * found / count:.0f} %)" if count else "")


def _spoken(result: LabelResult) -> str:
    rules = sorted({rule for spoken in result.by_code.values() for rule in spoken})
    if result.label.verdict == "accept":
        rules = [f"{rule} FAIL" for rule in result.fails] + [f"{rule} ?" for rule in result.needs_human]
    return ", ".join(rules) or "-"


def _line(result: LabelResult) -> str:
    label = result.label
    source = "+".join(sorted(label.decidable_from)) or "-"
    codes = ",".join(sorted(label.reasons)) or "-"
    head = f"{label.id:<15} {label.verdict:<8} {result.verdict:<15} {result.outcome:<16}"
    return f"{head} {result.seconds:5.2f} s  {source:<22} {codes:<50} {_spoken(result)}"


def _sums(agreement: Agreement) -> list[str]:
    rejects, accepts = agreement.rejects, agreement.accepts
    visible = agreement.from_files_and_logs
    averaged = agreement.family_averaged_recall()
    seconds = [result.seconds for result in agreement.results if result.seconds]
    lines = [
        f"rejections found                               {_share(*agreement.recall(rejects))}",
        f"  of those decidable from files and logs       {_share(*agreement.recall(visible))}",
        "  averaged over families of similar scripts    "
        + ("not defined" if averaged is None else f"{100 * averaged:.0f} %"),
        "accepted states with a FAIL (false alarms)     "
        + _share(sum(r.outcome == "false-alarm" for r in accepts), len(accepts)),
        "accepted states with a question for a person   "
        + _share(sum(bool(r.needs_human) for r in accepts), len(accepts)),
        "left out (unclear, or context without a known leaderboard)  "
        + str(sum(r.outcome == "left-out" for r in agreement.results)),
        "could not be checked                           "
        + str(sum(r.outcome == "could-not-check" for r in agreement.results)),
    ]
    if seconds:
        middle, worst = statistics.median(seconds), max(seconds)
        lines.append(f"seconds per submission                         median {middle:.2f}, most {worst:.2f}")
    return lines


def render_text(agreement: Agreement) -> str:
    """One line a label, then recall per code, then the sums."""
    lines = [_line(result) for result in agreement.results]
    lines += ["", "recall by reason code"]
    for code, (found, count) in agreement.recall_by_code().items():
        lines.append(f"  {code:<34} {_share(found, count)}")
    return "\n".join([*lines, "", *_sums(agreement)]) + "\n"


def to_json(agreement: Agreement) -> dict[str, Any]:
    """The same as a JSON object."""
    found, rejects = agreement.recall(agreement.rejects)
    visible_found, visible = agreement.recall(agreement.from_files_and_logs)
    return {
        "schema_version": 1,
        "labels": [
            {
                "id": result.label.id,
                "label": result.label.verdict,
                "verdict": result.verdict,
                "outcome": result.outcome,
                "decidable_from": sorted(result.label.decidable_from),
                "codes": {code: list(spoken) for code, spoken in result.by_code.items()},
                "fails": list(result.fails),
                "needs_human": list(result.needs_human),
                "seconds": result.seconds,
            }
            for result in agreement.results
        ],
        "rejects": {"found": found, "all": rejects},
        "rejects_from_files_and_logs": {"found": visible_found, "all": visible},
        "family_averaged_recall": agreement.family_averaged_recall(),
        "recall_by_code": {
            code: {"found": hit, "all": count} for code, (hit, count) in agreement.recall_by_code().items()
        },
        "accepts": {
            "all": len(agreement.accepts),
            "with_fail": sum(result.outcome == "false-alarm" for result in agreement.accepts),
            "with_question": sum(bool(result.needs_human) for result in agreement.accepts),
        },
    }


def build(
    labels: Sequence[Label], documents: Iterable[dict[str, Any]], codes: dict[str, frozenset[str]]
) -> Agreement:
    """Compare each label with the report of its commit, in the same order."""
    results = [compare(label, document, codes) for label, document in zip(labels, documents, strict=True)]
    return Agreement(results=tuple(results))


def render(agreement: Agreement, output_format: str) -> str:
    """Text, or JSON for the machine formats."""
    if output_format in {"json", "jsonl"}:
        return json.dumps(to_json(agreement), indent=2 if output_format == "json" else None) + "\n"
    return render_text(agreement)
