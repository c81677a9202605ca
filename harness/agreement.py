"""How far golf-check agrees with the organisers' own rulings on labelled commits.

Labels are a list of objects with `pr`, `ruling_sha`, `record_dir`, `verdict` (accept, reject, unclear),
`reasons`, `organiser_reasons`, `extra_reasons` (codes) and `decidable_from`. Codes are mapped to rule ids by
`rules/reason_codes.toml`. A rejection counts as found when at least one finding at WARN or above maps to one
of its reasons; a FAIL on an accepted state is a false alarm unless it maps to a code in `extra_reasons`.
Where a label says that the scripts show the fault, the finding must also point at one of the lines in its
`evidence`. Folders that the organisers merged are accepted states without a label.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import SetupError
from harness.executed_agreement import executed
from harness.git.pr_metadata import PullRequestInfo
from harness.labelled_lines import LabelledLine, LineMatch, labelled_lines, match_lines
from harness.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.executed_agreement import Executed

# A label whose only evidence is the leaderboard then standing can be decided only when one is known.
_CONTEXT_ONLY = {"context"}
# What must exist before golf-check can decide a label: the code audits come with their own checks.
_DECIDED_WITHOUT_CODE = {"files-and-logs", "tokenizer-metadata"}
_SPEAKING = {"FAIL", "WARN", "NEEDS-HUMAN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One ruled state of a pull request."""

    id: str
    pr: int
    commit: str
    entry: str | None
    title: str | None
    verdict: str
    reasons: frozenset[str]
    extra_reasons: frozenset[str]
    decidable_from: frozenset[str]
    family: str
    code_visible: bool = False
    lines: tuple[LabelledLine, ...] = ()

    @property
    def target(self) -> Target:
        """What to judge for this label: its commit and folder (None where it has none)."""
        info = PullRequestInfo(number=self.pr, title=self.title)
        return Target(revision=self.commit, pr=self.pr, entry=self.entry, info=info)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelResult:
    """One label against what golf-check said.

    `outcome` is found, missed, false-alarm, clear, held (an accept with only questions), left-out or
    could-not-check. `by_code` says for each reason which of the mapped rules spoke, and how; `lines` which
    of the label's lines their findings point at.
    """

    label: Label
    verdict: str
    outcome: str
    by_code: Mapping[str, tuple[str, ...]]
    fails: tuple[str, ...]
    needs_human: tuple[str, ...]
    seconds: float
    lines: LineMatch
    executed: Executed | None = None
    """What running it showed; None where it was not run."""

    @property
    def is_shown(self) -> bool:
        """The right rule spoke and pointed at one of the label's lines."""
        return self.outcome == "found" and bool(self.lines.reached)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedResult:
    """One folder under records/ that the organisers merged: what golf-check holds against it."""

    folder: str
    verdict: str
    fails: tuple[str, ...]
    needs_human: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The confusion over all labels, and over the merged folders where those were judged too.

    `static_rules` are the rules that read code.
    """

    results: tuple[LabelResult, ...]
    merged: tuple[MergedResult, ...] = ()
    static_rules: frozenset[str] = frozenset()

    def _of(self, verdict: str) -> list[LabelResult]:
        left_out = {"left-out"}
        return [r for r in self.results if r.label.verdict == verdict and r.outcome not in left_out]

    @property
    def rejects(self) -> list[LabelResult]:
        """Labelled rejections that count."""
        return self._of("reject")

    @property
    def accepts(self) -> list[LabelResult]:
        """Labelled accepted states."""
        return self._of("accept")

    @property
    def from_files_and_logs(self) -> list[LabelResult]:
        """Rejections decidable without looking at code or running anything."""
        return [r for r in self.rejects if r.label.decidable_from & _DECIDED_WITHOUT_CODE]

    @property
    def code_visible(self) -> list[LabelResult]:
        """Rejections whose fault the scripts show, by lines that the label names."""
        return [r for r in self.rejects if r.label.code_visible and r.label.lines]

    @staticmethod
    def recall(results: Sequence[LabelResult]) -> tuple[int, int]:
        """Found and all."""
        return sum(r.outcome == "found" for r in results), len(results)

    def family_averaged_recall(self) -> float | None:
        """The mean over families of near-identical scripts of the share found in each."""
        return _over_families((r.label.family, r.outcome == "found") for r in self.rejects)

    def family_averaged_shown(self) -> float | None:
        """The same for rejections that code shows: found, and one of the label's lines pointed at."""
        return _over_families((r.label.family, r.is_shown) for r in self.code_visible)

    def recall_by_code(self) -> dict[str, tuple[int, int]]:
        """Per reason code: how many of its labels had a mapped rule speak, of how many."""
        counts: dict[str, list[bool]] = defaultdict(list)
        for result in self.rejects:
            for code in result.label.reasons:
                counts[code].append(bool(result.by_code.get(code)))
        return {code: (sum(found), len(found)) for code, found in sorted(counts.items())}


def _over_families(found: Iterable[tuple[str, bool]]) -> float | None:
    families: dict[str, list[bool]] = defaultdict(list)
    for family, is_found in found:
        families[family].append(is_found)
    if not families:
        return None
    return sum(sum(each) / len(each) for each in families.values()) / len(families)


def read_labels(path: Path) -> tuple[Label, ...]:
    """Read a label file. Raises `SetupError` naming the label and field that is wrong."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"cannot read labels {path}: {error.strerror}") from error
    except ValueError as error:
        raise SetupError(f"{path} is not JSON: {error}; expected a list of labels") from error
    if not isinstance(rows, list):
        raise SetupError(f"{path} holds a {type(rows).__name__}; expected a list of labels")
    labels = []
    for number, row in enumerate(rows):
        try:
            labels.append(
                Label(
                    id=str(row["id"]),
                    pr=int(row["pr"]),
                    commit=str(row["ruling_sha"]),
                    entry=row["record_dir"],
                    title=row.get("title"),
                    verdict=str(row["verdict"]),
                    reasons=frozenset(row["reasons"] or ()) | frozenset(row["organiser_reasons"] or ()),
                    extra_reasons=frozenset(row["extra_reasons"] or ()),
                    decidable_from=frozenset(row["decidable_from"] or ()),
                    family=str(row["family"]),
                    code_visible=bool(row.get("code_visible")),
                    lines=labelled_lines(row.get("evidence") or ()),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SetupError(f"{path}: label {number} has a missing or wrong field: {error}") from error
    return tuple(labels)


def read_reason_codes(rules_dir: Path) -> dict[str, frozenset[str]]:
    """The table from reason codes to rule ids."""
    import tomllib

    path = rules_dir / "reason_codes.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SetupError(f"cannot read {path}: {error}") from error
    return {code: frozenset(rules) for code, rules in table.items()}


def compare(label: Label, document: Mapping[str, Any], codes: Mapping[str, frozenset[str]]) -> LabelResult:
    """One label against one report (as JSON)."""
    spoken: dict[str, str] = {
        rule: outcome for rule, outcome in document.get("rules_checked", {}).items() if outcome in _SPEAKING
    }
    by_code = {
        code: tuple(
            f"{rule} {spoken[rule]}" for rule in sorted(codes.get(code, frozenset())) if rule in spoken
        )
        for code in sorted(label.reasons | label.extra_reasons)
    }
    excused = frozenset().union(*(codes.get(code, frozenset()) for code in label.extra_reasons))
    fails, questions = _with_outcome(document, "FAIL"), _with_outcome(document, "NEEDS-HUMAN")
    right = frozenset().union(*(codes.get(code, frozenset()) for code in label.reasons))
    return LabelResult(
        label=label,
        verdict=str(document["verdict"]),
        outcome=_outcome(label, document, by_code, fails, questions, excused),
        by_code=by_code,
        fails=fails,
        needs_human=questions,
        seconds=float(document.get("seconds") or 0.0),
        lines=match_lines(label.lines, document, right, _SPEAKING),
        executed=executed(document.get("dynamic"), label.reasons, codes),
    )


def merged_result(folder: str, document: Mapping[str, Any]) -> MergedResult:
    """What the report (as JSON) of a merged folder holds against it."""
    return MergedResult(
        folder=folder,
        verdict=str(document["verdict"]),
        fails=_with_outcome(document, "FAIL"),
        needs_human=_with_outcome(document, "NEEDS-HUMAN"),
        seconds=float(document.get("seconds") or 0.0),
    )


def _with_outcome(document: Mapping[str, Any], wanted: str) -> tuple[str, ...]:
    checked = document.get("rules_checked", {})
    return tuple(sorted(rule for rule, outcome in checked.items() if outcome == wanted))


def _outcome(
    label: Label,
    document: Mapping[str, Any],
    by_code: Mapping[str, tuple[str, ...]],
    fails: Iterable[str],
    questions: Sequence[str],
    excused: frozenset[str],
) -> str:
    if label.verdict not in {"accept", "reject"}:
        return "left-out"
    if document["verdict"] == "could-not-check":
        return "could-not-check"
    if label.verdict == "accept":
        if any(rule not in excused for rule in fails):
            return "false-alarm"
        return "held" if questions else "clear"
    if any(by_code[code] for code in label.reasons):
        return "found"
    no_leaderboard = document.get("statistics") is None
    if label.decidable_from <= _CONTEXT_ONLY and no_leaderboard:
        return "left-out"
    return "missed"
