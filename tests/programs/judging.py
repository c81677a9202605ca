"""Judges an example script in this process by every rule that reads the static audit."""

from __future__ import annotations

import dataclasses
import tomllib
from functools import cache
from typing import TYPE_CHECKING

from harness.audit.audit_sources import audit_sources
from harness.audit.guarded_audit import audit_of_document, audit_request
from harness.audit.submission_audit import audited_sources
from harness.engine import check_rule
from harness.finding import RuleVerdict
from harness.folder_tree import FolderTree
from harness.ruleset import RULES_DIR, load_ruleset
from harness.submission_reader import read_submission
from tests.builders import good_files, make_case, write_files
from tests.programs.edits import Expected

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

    from harness.finding import Finding
    from tests.programs.edits import Twin

ACCUSING = frozenset({RuleVerdict.FAIL, RuleVerdict.NEEDS_HUMAN, RuleVerdict.WARN})
CLEARING = frozenset({RuleVerdict.PASS, RuleVerdict.INFO, RuleVerdict.NOT_APPLICABLE})


@cache
def rules_of(breach: str) -> tuple[str, ...]:
    """The rules that may speak about a breach: those of a reason code, or the rule of that name."""
    codes = tomllib.loads((RULES_DIR / "reason_codes.toml").read_text(encoding="utf-8"))
    return tuple(codes.get(breach, [breach]))


def judged(
    script: str, root: Path, files: Mapping[str, str | bytes] | None = None, also: Container[str] = ()
) -> list[Finding]:
    """What the rules that read the audit, and the rules `also`, say of a submission with this script.

    `files` are the other files of the folder; without them those of a good submission.
    """
    folder = FolderTree(write_files(root, {**(files or good_files()), "train_gpt.py": script}))
    submission = read_submission(folder)
    case = make_case(submission)
    request = audit_request(submission, folder, case.evidence)
    assert not isinstance(request, str), request
    document = audit_sources(request.argument, list(request.texts))
    audit = audit_of_document(document, request.runs, audited_sources(submission))
    # A scan or a walk that hit a limit would only leave verdicts open, and some tests expect just that.
    faults = [f"{each.kind}: {each.message}" for each in audit.problems]
    assert not faults, "\n".join(faults)
    case = dataclasses.replace(case, audit=audit)
    said = []
    for rule in load_ruleset().rules.values():
        if rule.needs_audit or rule.id in also:
            findings, crash = check_rule(rule, case)
            assert crash is None, crash
            said.extend(findings)
    return said


def twin_files(twin: Twin) -> dict[str, str | bytes]:
    """The other files of a twin's folder: those of a good submission, and how it is run."""
    files = good_files()
    if twin.command:
        files["README.md"] = f"{files['README.md']}\n```bash\n{twin.command}\n```\n"
    return files


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What the audit said of a twin: the rule and verdict that decide, and what is wrong with it, or ""."""

    rule: str
    verdict: str
    wrong: str

    @property
    def is_right(self) -> bool:
        """Whether it said what was expected."""
        return not self.wrong


def answer(twin: Twin, text: str, findings: list[Finding]) -> Answer:
    """Compares the findings with what the twin expects."""
    wanted = rules_of(twin.breach)
    if twin.expected is Expected.CLEAN:
        return _cleared(wanted, [finding for finding in findings if finding.rule not in twin.ignores])
    if twin.expected is Expected.UNRESOLVED:
        return _left_open(wanted, findings, f":{twin.shown_line(text)}" if twin.shows else "")
    accused = [f for f in findings if f.verdict in ACCUSING and f.rule in wanted]
    others = sorted({f.rule for f in findings if f.verdict in ACCUSING} - set(wanted))
    if not accused:
        said = {f.rule: f.verdict.value for f in findings if f.rule in wanted}
        return Answer("-", "-", f"none of {', '.join(wanted)} accuses: {said}; others: {others}")
    lines = {place.line for finding in accused for place in finding.places}
    first = accused[0]
    if twin.shows and (line := twin.shown_line(text)) not in lines:
        shown = sorted(each for each in lines if each is not None)
        return Answer(first.rule, first.verdict.value, f"line {line} is not among {shown}")
    return Answer(first.rule, first.verdict.value, "")


def _left_open(wanted: tuple[str, ...], findings: list[Finding], spot: str) -> Answer:
    mine = [finding for finding in findings if finding.rule in wanted]
    said = next((f for f in mine if f.verdict is RuleVerdict.NOT_CHECKED and spot in f.message), None)
    told = {finding.rule: f"{finding.verdict.value}: {finding.message[:200]}" for finding in mine}
    if said is None or any(finding.verdict is not RuleVerdict.NOT_CHECKED for finding in mine):
        return Answer("-", "-", f"not left open with {spot or 'a reason'}: {told}")
    return Answer(said.rule, said.verdict.value, "")


def _cleared(wanted: tuple[str, ...], findings: list[Finding]) -> Answer:
    accused = next((f for f in findings if f.verdict in ACCUSING), None)
    if accused is not None:
        spots = [place.line for place in accused.places]
        return Answer(accused.rule, accused.verdict.value, f"accused: {accused.message[:200]} {spots}")
    verdicts = {f.rule: f for f in findings if f.rule in wanted}
    undecided = next((f for f in verdicts.values() if f.verdict not in CLEARING), None)
    if not verdicts or undecided is not None:
        why = undecided.message[:200] if undecided is not None else "the rule says nothing"
        return Answer(wanted[0], "NOT-CHECKED", f"not cleared: {why}")
    first = next(iter(verdicts.values()))
    return Answer(first.rule, first.verdict.value, "")
