"""Prints how golf-check's verdicts compare with labelled rulings, label by label and in sum.

A rejection that code shows counts twice: found by the right rule, and shown by a line of the label.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from typing import TYPE_CHECKING, Any

from harness.agreement import Agreement, compare, merged_result
from harness.executed_agreement import ExecutedState, states_by_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.agreement import Label, LabelResult, MergedResult


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
    return f"{head} {result.seconds:5.2f} s  {source:<22} {codes:<50} {_spoken(result)}{_lines(result)}"


def _lines(result: LabelResult) -> str:
    """Where a rejection that code shows was seen: the label's lines that a finding points at."""
    label, match = result.label, result.lines
    if label.verdict != "reject" or not label.code_visible or not label.lines:
        return ""
    if match.reached:
        return f"; at {', '.join(map(str, match.reached))}"
    away = "no place in their files" if match.nearest is None else f"nearest {match.nearest} lines away"
    return f"; NOT at {', '.join(map(str, match.missed))} ({away})"


def _executed(agreement: Agreement) -> list[str]:
    """What running them showed: label by label, then per reason; nothing where none was run."""
    ran = [(result, result.executed) for result in agreement.results if result.executed is not None]
    if not ran:
        return []
    lines = ["", "executed"]
    for result, one in ran:
        broken = f"  breaks {', '.join(one.broken)}" if one.broken else ""
        why = f"  {one.why}" if one.why and one.state is not ExecutedState.SEPARATED else ""
        head = f"  {result.label.id:<15} {result.label.verdict:<8} {one.state.value:<13} {one.seconds:5.0f} s"
        lines.append(f"{head}{broken}{why}")
    lines += [
        "",
        f"  {'executed, per reason':<34} " + "  ".join(f"{state.value:>12}" for state in ExecutedState),
    ]
    rejected = [(r.label.reasons, one) for r, one in ran if r.label.verdict == "reject"]
    for reason, counts in states_by_reason(rejected).items():
        lines.append(f"  {reason:<34} " + "  ".join(f"{counts[state]:>12}" for state in ExecutedState))
    accepted = [one for result, one in ran if result.label.verdict == "accept"]
    lines.append(
        "  accepted states with an executed breach      "
        + _share(sum(bool(one.broken) for one in accepted), len(accepted))
    )
    return lines


def _questions(results: Iterable[LabelResult | MergedResult], rules: frozenset[str]) -> int:
    """How many are held by a question of one of the rules."""
    return sum(bool(rules.intersection(result.needs_human)) for result in results)


def _percent(share: float | None) -> str:
    return "not defined" if share is None else f"{100 * share:.0f} %"


def _sums(agreement: Agreement) -> list[str]:
    rejects, accepts = agreement.rejects, agreement.accepts
    visible, code = agreement.from_files_and_logs, agreement.code_visible
    seconds = [result.seconds for result in agreement.results if result.seconds]
    lines = [
        f"rejections found                               {_share(*agreement.recall(rejects))}",
        f"  of those decidable from files and logs       {_share(*agreement.recall(visible))}",
        "  averaged over families of similar scripts    " + _percent(agreement.family_averaged_recall()),
        f"  of those that code shows                     {_share(*agreement.recall(code))}",
        f"    and at a line of the label                 {_share(sum(r.is_shown for r in code), len(code))}",
        "    the same averaged over families            " + _percent(agreement.family_averaged_shown()),
        "accepted states with a FAIL (false alarms)     "
        + _share(sum(r.outcome == "false-alarm" for r in accepts), len(accepts)),
        "accepted states with a question for a person   "
        + _share(sum(bool(r.needs_human) for r in accepts), len(accepts)),
        "  of rules that read code                      "
        + _share(_questions(accepts, agreement.static_rules), len(accepts)),
        "left out (unclear, or context without a known leaderboard)  "
        + str(sum(r.outcome == "left-out" for r in agreement.results)),
        "could not be checked                           "
        + str(sum(r.outcome == "could-not-check" for r in agreement.results)),
    ]
    if seconds:
        middle, worst = statistics.median(seconds), max(seconds)
        lines.append(f"seconds per submission                         median {middle:.2f}, most {worst:.2f}")
    return lines


def _merged(agreement: Agreement) -> list[str]:
    """The merged folders that have a FAIL or a question of a rule that reads code, then the sums."""
    merged, static = agreement.merged, agreement.static_rules
    lines = [""]
    for result in merged:
        held = static.intersection(result.needs_human)
        if result.fails or held:
            spoken = [f"{rule} FAIL" for rule in result.fails] + [f"{rule} ?" for rule in sorted(held)]
            lines.append(f"{result.folder}: {', '.join(spoken)}")
    return [
        *lines,
        "merged folders with a FAIL                     "
        + _share(sum(bool(result.fails) for result in merged), len(merged)),
        "merged folders held by a question              "
        + _share(sum(bool(result.needs_human) for result in merged), len(merged)),
        "  of rules that read code                      " + _share(_questions(merged, static), len(merged)),
    ]


def render_text(agreement: Agreement) -> str:
    """One line a label, then recall per code, then the sums."""
    lines = [_line(result) for result in agreement.results]
    lines += ["", "recall by reason code"]
    for code, (found, count) in agreement.recall_by_code().items():
        lines.append(f"  {code:<34} {_share(found, count)}")
    lines += [*_executed(agreement), "", *_sums(agreement)]
    if agreement.merged:
        lines += _merged(agreement)
    return "\n".join(lines) + "\n"


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
                "code_visible": result.label.code_visible,
                "lines": {
                    "reached": [str(line) for line in result.lines.reached],
                    "missed": [str(line) for line in result.lines.missed],
                    "nearest": result.lines.nearest,
                },
                "seconds": result.seconds,
                "executed": None if result.executed is None else dataclasses.asdict(result.executed),
            }
            for result in agreement.results
        ],
        "rejects": {"found": found, "all": rejects},
        "rejects_from_files_and_logs": {"found": visible_found, "all": visible},
        "rejects_that_code_shows": {
            "found": agreement.recall(agreement.code_visible)[0],
            "at_a_labelled_line": sum(result.is_shown for result in agreement.code_visible),
            "all": len(agreement.code_visible),
            "family_averaged": agreement.family_averaged_shown(),
        },
        "family_averaged_recall": agreement.family_averaged_recall(),
        "recall_by_code": {
            code: {"found": hit, "all": count} for code, (hit, count) in agreement.recall_by_code().items()
        },
        "accepts": {
            "all": len(agreement.accepts),
            "with_fail": sum(result.outcome == "false-alarm" for result in agreement.accepts),
            "with_question": sum(bool(result.needs_human) for result in agreement.accepts),
            "with_question_of_code_rules": _questions(agreement.accepts, agreement.static_rules),
        },
        "merged": {
            "all": len(agreement.merged),
            "with_fail": [result.folder for result in agreement.merged if result.fails],
            "with_question": sum(bool(result.needs_human) for result in agreement.merged),
            "with_question_of_code_rules": _questions(agreement.merged, agreement.static_rules),
        },
    }


def build(
    labels: Sequence[Label],
    documents: Sequence[dict[str, Any]],
    codes: dict[str, frozenset[str]],
    *,
    merged: Sequence[str] = (),
    static_rules: frozenset[str] = frozenset(),
) -> Agreement:
    """Compare each label with the report of its commit; reports of the merged folders follow in order."""
    cut = len(documents) - len(merged)
    results = [compare(label, each, codes) for label, each in zip(labels, documents[:cut], strict=True)]
    folders = [merged_result(name, each) for name, each in zip(merged, documents[cut:], strict=True)]
    return Agreement(results=tuple(results), merged=tuple(folders), static_rules=static_rules)


def render(agreement: Agreement, output_format: str) -> str:
    """Text, or JSON for the machine formats."""
    if output_format in {"json", "jsonl"}:
        return json.dumps(to_json(agreement), indent=2 if output_format == "json" else None) + "\n"
    return render_text(agreement)
