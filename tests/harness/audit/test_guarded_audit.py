"""Audits are computed in the guarded process, kept by content, and redone only when they may differ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import harness
from harness.audit import guarded_audit
from harness.audit.guarded_audit import AUDITOR_CODE, AuditRequest, audit_submission
from harness.audit.kept_audits import PACKED_BYTES_AT_MOST, KeptAudits, open_audit_cache
from harness.check import CheckOptions, check_submission, needs_audit
from harness.result_cache import ResultCache
from tests.builders import make_submission

if TYPE_CHECKING:
    import pytest


def test_the_digest_covers_every_module_that_the_child_loads() -> None:
    package = Path(harness.__file__).resolve().parent
    covered = {path.relative_to(package) for pattern in AUDITOR_CODE for path in package.glob(pattern)}
    names = "[m.__file__ for n, m in sys.modules.items() if n.startswith('harness.')]"
    code = f"import sys, harness.audit.audit_sources; print('\\n'.join({names}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {Path(line).relative_to(package) for line in run.stdout.split()}
    # Errors carry messages only.
    assert loaded - covered <= {Path("errors.py")}


def test_the_key_depends_on_sources_and_profiles() -> None:
    def key(text: bytes, **change: object) -> str:
        argument = {"entry": "a.py", "paths": ["a.py"], "runs": [], **change}
        return AuditRequest(runs=(), argument=argument, texts=(text,)).key()

    assert key(b"x = 1") == key(b"x = 1")
    assert key(b"x = 2") != key(b"x = 1")
    assert key(b"x = 1", runs=[{"name": "b"}]) != key(b"x = 1")


def kept_once(folder: Path, submission: object) -> KeptAudits:
    with ResultCache(folder) as results:
        cache = open_audit_cache(results)
        assert cache is not None
        kept = KeptAudits(folder)
        audit_submission(submission, kept=kept)  # type: ignore[arg-type]
        for key, packed in kept.take_fresh().items():
            cache.put_packed(key, packed)
        assert cache.warning is None
    return KeptAudits(folder)


def test_a_kept_audit_is_equal_and_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = make_submission(tmp_path / "s")
    first = audit_submission(submission)
    kept = kept_once(tmp_path / "cache", submission)
    monkeypatch.setattr(guarded_audit, "shared_worker", None)  # any call would fail
    assert audit_submission(submission, kept=kept) == first
    assert kept.take_fresh() == {}


def test_another_script_is_audited_anew(tmp_path: Path) -> None:
    kept = kept_once(tmp_path / "cache", make_submission(tmp_path / "one"))
    audit_submission(make_submission(tmp_path / "two", train_gpt__py="print(2)\n"), kept=kept)
    assert len(kept.take_fresh()) == 1


def test_a_damaged_document_is_computed_afresh(tmp_path: Path) -> None:
    class Damaged(KeptAudits):
        def get(self, key: str) -> dict[str, object]:
            return {"audits": [{"profile": 1}], "scans": {}, "problems": []}

    submission = make_submission(tmp_path)
    assert audit_submission(submission, kept=Damaged(None)) == audit_submission(submission)


def test_an_audit_that_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ResultCache(tmp_path, "audits"):
        kept = KeptAudits(tmp_path)
    monkeypatch.setattr("harness.audit.kept_audits.pack", lambda document: bytes(PACKED_BYTES_AT_MOST + 1))
    kept.put("key", {})
    assert kept.take_fresh() == {}


def test_without_a_cache_nothing_is_kept() -> None:
    kept = KeptAudits(None)
    kept.put("key", {})
    assert (kept.get("key"), kept.take_fresh()) == (None, {})


def test_rules_that_do_not_need_the_code_do_not_pay_for_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("harness.check.audit_submission", fails)
    submission = make_submission(tmp_path)
    assert not needs_audit(CheckOptions(rules=("artifact-cap",)))
    assert check_submission(submission, CheckOptions(rules=("artifact-cap",))).rule_errors == ()
    assert needs_audit(CheckOptions())


def test_a_submission_without_a_script_says_so(tmp_path: Path) -> None:
    audit = audit_submission(make_submission(tmp_path, train_gpt__py=None))
    assert audit.failure == "there is no script to audit"


def test_a_script_that_does_not_parse_says_so(tmp_path: Path) -> None:
    audit = audit_submission(make_submission(tmp_path, train_gpt__py="x = (\n"))
    assert "train_gpt.py is not Python that could run" in (audit.failure or "")
    assert audit.profiles == ()
