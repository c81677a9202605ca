"""What rules ask of an audit: the profile of the claim, places with their line, and why there is none."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from typing import TYPE_CHECKING

import pytest

from harness.audit.events import ProfileAudit, Unresolved
from harness.audit.run_profile import ProfileKind
from harness.audit.submission_audit import SubmissionAudit, audited_sources, why_no_audit
from harness.finding import Role
from tests.builders import make_case, make_submission
from tests.harness.audit.audit_builder import at, audit_of, audited_case, run_profile

if TYPE_CHECKING:
    from pathlib import Path


def of_kinds(*runs: tuple[ProfileKind, bool]) -> SubmissionAudit:
    profiles = [run_profile(f"{number}", kind, is_claim=claim) for number, (kind, claim) in enumerate(runs)]
    audits = tuple(ProfileAudit(profile=run.name) for run in profiles)
    return SubmissionAudit(profiles=audits, run_profiles=tuple(profiles))


@pytest.mark.parametrize(
    ("runs", "chosen"),
    [
        ([(ProfileKind.DEFAULTS, False), (ProfileKind.LOG, True)], "1"),
        ([(ProfileKind.DEFAULTS, True), (ProfileKind.LOG, False)], "0"),
        ([(ProfileKind.DEFAULTS, False), (ProfileKind.COMMAND, False), (ProfileKind.SHELL, False)], "2"),
        ([(ProfileKind.DEFAULTS, True), (ProfileKind.COMMAND, True), (ProfileKind.LOG, True)], "2"),
        ([(ProfileKind.DEFAULTS, False)], "0"),
    ],
)
def test_the_claim_is_the_marked_profile_else_the_best_documented(
    runs: list[tuple[ProfileKind, bool]], chosen: str
) -> None:
    audit = of_kinds(*runs)
    assert audit.claim.profile == chosen
    assert audit.claim_run is not None
    assert audit.claim_run.name == chosen


def test_an_audit_without_profiles_has_an_unfinished_unresolved_claim() -> None:
    claim = SubmissionAudit(failure="no script").claim
    assert not claim.finished
    (event,) = claim.events
    assert isinstance(event, Unresolved)
    assert (event.on_path, event.detail) == (True, "no script")


def test_a_place_has_the_line_of_the_script_and_its_note(tmp_path: Path) -> None:
    audit = audited_case(tmp_path).audit
    assert audit is not None
    place = audit.place(at(7), "the step", Role.PRIMARY)
    assert (place.line, place.excerpt, place.note, place.unpacked) == (7, "step_7 = 7", "the step", False)


def test_a_line_of_a_packed_script_counts_after_unpacking(tmp_path: Path) -> None:
    inner = "import os\n\x0cx = 1\n" + "y = 2\n" * 40 + "last = 3\n"
    packed = base64.b85encode(zlib.compress(inner.encode())).decode()
    wrapper = f"import zlib,base64\nexec(zlib.decompress(base64.b85decode({packed!r})))\n"
    audit = audited_case(tmp_path, script=wrapper).audit
    assert audit is not None
    place = audit.place(at(43))
    assert (place.excerpt, place.unpacked) == ("last = 3", True)


@pytest.mark.parametrize(("file", "line"), [("train_gpt.py", 0), ("train_gpt.py", 10**9), ("gone.py", 1)])
def test_a_spot_that_is_not_there_has_no_excerpt(tmp_path: Path, file: str, line: int) -> None:
    audit = audited_case(tmp_path).audit
    assert audit is not None
    assert audit.place(at(line, file)).excerpt is None


def test_helpers_of_the_script_can_be_quoted(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py="import helper\n", helper__py="value = 5\n")
    audit = SubmissionAudit(sources=audited_sources(submission))
    assert audit.excerpt(at(1, "helper.py")) == "value = 5"


def test_a_case_says_why_it_has_no_audit(tmp_path: Path) -> None:
    case = make_case(make_submission(tmp_path))
    assert "was not run" in (why_no_audit(case) or "")
    failed = dataclasses.replace(case, audit=SubmissionAudit(failure="it hit a limit (cpu)"))
    assert why_no_audit(failed) == "unresolved: it hit a limit (cpu)"
    assert why_no_audit(dataclasses.replace(case, audit=audit_of())) is None
