"""A report as a JSON document (schema/report-v1.schema.json), and back without loss.

Scripts, the result cache and batches read this. It holds no NaN or infinity (they become null) and no text
that a strict JSON reader refuses. Keys are only ever added within one schema version.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.finding import Confidence, Finding, Place, Role, RuleVerdict
from harness.report import Measured, Report, SeedMeasured, SubmissionSummary
from harness.reports.escape import well_formed
from harness.verdict import Verdict

SCHEMA_VERSION = 1
SCHEMA_PATH = Path(__file__).resolve().parent / "schema" / "report-v1.schema.json"

_SUMMARY = (
    "path",
    "repo_commit",
    "pr",
    "track",
    "entry",
    "author",
    "github_id",
    "name",
    "title",
    "claimed_val_bpb",
)
_ADDED_TO_SUMMARY = ("date", "created_at")  # keys that documents of earlier versions lack
_SEED = (
    "seed",
    "val_bpb",
    "val_loss",
    "train_seconds",
    "calibration_seconds",
    "eval_seconds",
    "all_eval_seconds",
    "after_stop_seconds",
    "steps",
    "model_bytes",
    "total_bytes",
    "log",
    "line",
)
_MEASURED = (
    "code_bytes_raw",
    "code_bytes_shipped",
    "code_bytes_packed",
    "mean_val_bpb",
    "sample_std_val_bpb",
    "implied_val_bytes",
    "train_shards",
    "val_tokens",
    "hardware",
)


def _plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return well_formed(value)
    return value


def _plain_all(value: Any) -> Any:
    """The same for lists and mappings of values."""
    if isinstance(value, Mapping):
        return {str(name): _plain_all(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_all(each) for each in value]
    return _plain(value)


def _place_to_json(place: Place) -> dict[str, Any]:
    document: dict[str, Any] = {
        "file": _plain(place.file),
        "line": place.line,
        "end_line": place.end_line,
        "unpacked": place.unpacked,
        "role": place.role.value,
        "note": _plain(place.note),
    }
    if place.excerpt is not None:
        document["excerpt"] = _plain(place.excerpt)
    if place.from_root:
        document["from_root"] = True
    if place.is_step:
        document["is_step"] = True
    return document


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    document: dict[str, Any] = {
        "rule": finding.rule,
        "verdict": finding.verdict.value,
        "confidence": finding.confidence.value,
        "message": _plain(finding.message),
        "places": [_place_to_json(place) for place in finding.places],
        "authority": [_plain(source) for source in finding.authority],
    }
    if finding.ask is not None:
        document["ask"] = _plain(finding.ask)
    return document


def _seed_keys(seeds: tuple[SeedMeasured, ...]) -> list[str]:
    """One distinct key for each seed: its number, "unknown", and "42#2" for a second run of seed 42."""
    keys: list[str] = []
    for seed in seeds:
        name = "unknown" if seed.seed is None else str(seed.seed)
        count = 1
        key = name
        while key in keys:
            count += 1
            key = f"{name}#{count}"
        keys.append(key)
    return keys


def _measured_to_json(measured: Measured) -> dict[str, Any]:
    keys = _seed_keys(measured.seeds)
    named = dict(zip(keys, measured.seeds, strict=True))
    document = {name: _plain(getattr(measured, name)) for name in _MEASURED}
    document["model_bytes"] = {key: seed.model_bytes for key, seed in named.items()}
    document["total_bytes"] = {key: seed.total_bytes for key, seed in named.items()}
    document["per_seed"] = {
        key: {name: _plain(getattr(seed, name)) for name in _SEED} for key, seed in named.items()
    }
    return document


def to_json(report: Report) -> dict[str, Any]:
    """The report as a JSON document: `findings` holds what is not a pass, `passes` what was seen."""
    names = (*_SUMMARY, *_ADDED_TO_SUMMARY)
    summary = {name: _plain(getattr(report.submission, name)) for name in names}
    aside = {RuleVerdict.PASS: "passes", RuleVerdict.NOT_APPLICABLE: "not_applicable"}
    lists: dict[str, list[dict[str, Any]]] = {"findings": [], "passes": [], "not_applicable": []}
    for finding in report.findings:
        lists[aside.get(finding.verdict, "findings")].append(_finding_to_json(finding))
    statistics = report.statistics
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": report.tool_version,
        "ruleset": report.ruleset,
        "profile": report.profile,
        "as_of": report.as_of,
        "submission": {**summary, "seeds": list(report.submission.seeds)},
        "verdict": report.verdict.value,
        "error": _plain(report.error),
        "findings": lists["findings"],
        "rules_checked": {rule: outcome.value for rule, outcome in report.outcomes.items()},
        "essential": list(report.essential),
        "measured": _measured_to_json(report.measured),
        "statistics": None if statistics is None else {k: _plain(v) for k, v in statistics.items()},
        "dynamic": None if report.dynamic is None else _plain_all(report.dynamic),
        "unseen": [_plain(text) for text in report.unseen],
        "rule_errors": [_plain(text) for text in report.rule_errors],
        "passes": lists["passes"],
        "not_applicable": lists["not_applicable"],
        "seconds": _plain(report.seconds) or 0.0,
    }


def _inert(text: str) -> str:
    """The same document, without what a CI runner would read as a command when the document is printed."""
    return text.replace("##[", "#\\u0023[")


def document_text(document: Mapping[str, Any]) -> str:
    """A document as indented text, in ASCII so that nothing in it can act on a terminal."""
    return _inert(json.dumps(document, indent=2, allow_nan=False)) + "\n"


def render_json(report: Report) -> str:
    """One indented document."""
    return document_text(to_json(report))


def render_jsonl(report: Report) -> str:
    """One line of a batch, in ASCII so that no reader finds another line end inside it."""
    return _inert(json.dumps(to_json(report), allow_nan=False, separators=(",", ":"))) + "\n"


def _place_from_json(document: Mapping[str, Any]) -> Place:
    return Place(
        file=document["file"],
        line=document["line"],
        end_line=document["end_line"],
        unpacked=document["unpacked"],
        role=Role(document["role"]),
        note=document["note"],
        excerpt=document.get("excerpt"),
        from_root=document.get("from_root", False),
        is_step=document.get("is_step", False),
    )


def _finding_from_json(document: Mapping[str, Any]) -> Finding:
    return Finding(
        rule=document["rule"],
        verdict=RuleVerdict(document["verdict"]),
        confidence=Confidence(document["confidence"]),
        message=document["message"],
        ask=document.get("ask"),
        places=tuple(_place_from_json(place) for place in document["places"]),
        authority=tuple(document["authority"]),
    )


def from_json(document: Mapping[str, Any]) -> Report:
    """The report a document was written from; findings come back grouped, which no format depends on.

    Raises `ValueError` for another schema version or a document that misses a key.
    """
    if document.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"schema_version is {document.get('schema_version')!r}, not {SCHEMA_VERSION}")
    try:
        measured = document["measured"]
        listed = [*document["findings"], *document.get("passes", ()), *document.get("not_applicable", ())]
        return Report(
            tool_version=document["tool_version"],
            ruleset=document["ruleset"],
            profile=document["profile"],
            as_of=document["as_of"],
            submission=SubmissionSummary(
                **{name: document["submission"][name] for name in _SUMMARY},
                **{name: document["submission"].get(name) for name in _ADDED_TO_SUMMARY},
                seeds=tuple(document["submission"]["seeds"]),
            ),
            verdict=Verdict(document["verdict"]),
            findings=tuple(_finding_from_json(finding) for finding in listed),
            outcomes={rule: RuleVerdict(word) for rule, word in document["rules_checked"].items()},
            measured=Measured(
                **{name: measured[name] for name in _MEASURED},
                seeds=tuple(
                    SeedMeasured(**{name: seed[name] for name in _SEED})
                    for seed in measured["per_seed"].values()
                ),
            ),
            statistics=document["statistics"],
            unseen=tuple(document.get("unseen", ())),
            rule_errors=tuple(document.get("rule_errors", ())),
            seconds=document["seconds"],
            error=document.get("error"),
            essential=tuple(document.get("essential", ())),
            dynamic=document.get("dynamic"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"not a report document: {type(error).__name__} {error}; judge the submission again"
        ) from error
