"""Scans of small scripts, and cases with the facts that they give."""

from __future__ import annotations

import dataclasses
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from harness.audit.program import Program
from harness.audit.scans import scan_sources
from harness.audit.submission_audit import audited_sources
from tests.builders import make_case, make_submission
from tests.harness.audit.audit_builder import audit_of

if TYPE_CHECKING:
    from pathlib import Path

    from harness.case import Case


def facts_of(script: str, **others: str) -> dict[str, Any]:
    """The facts of an entry script and other files (`helper__c` is helper.c)."""
    sources = {name.replace("__", "."): text for name, text in others.items()}
    return scan_sources(Program(entry="train_gpt.py", sources={"train_gpt.py": dedent(script), **sources}))


def scanned_case(root: Path, script: str, **files: str | bytes | None) -> Case:
    """A good submission with this script, scanned."""
    script = dedent(script)
    submission = make_submission(root, **{"train_gpt__py": script, **files})
    audit = dataclasses.replace(audit_of(scans=facts_of(script)), sources=audited_sources(submission))
    return dataclasses.replace(make_case(submission), audit=audit)
