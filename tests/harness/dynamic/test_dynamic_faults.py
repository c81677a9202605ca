"""A fault of our own in a dynamic audit: what was read is reported, nothing passes, and we hear of it."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.cli_check import main
from harness.dynamic import dynamic_check, run_pool
from harness.dynamic.dynamic_audit import DynamicAudit
from harness.dynamic.run_pool import RunPool
from harness.finding import RuleVerdict

if TYPE_CHECKING:
    from collections.abc import Callable

LEGAL = Path(__file__).parents[3] / "submissions/legal/records/track_10min_16mb/2026-04-20_OwnBytes"
STATIC = ("artifact-cap", "seeds-three", "submission-json")


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Runs golf-check --dynamic with `audit` in place of all runs: exit status, report, standard error."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find(name) or object())
    for place in ("harness.sandbox.choose", "harness.dynamic.dynamic_check"):
        monkeypatch.setattr(f"{place}.choose_sandbox", lambda _: None)

    def check(audit: Callable[..., DynamicAudit]) -> tuple[int, dict[str, Any], str]:
        monkeypatch.setattr(dynamic_check, "audit_by_running", audit)
        rules = ",".join((*STATIC, "c1-causal", "reproducible"))
        keep = ["--keep-runs", str(tmp_path / "kept")]
        status = main([str(LEGAL), "--dynamic", *keep, "--no-cache", "--select", rules, "--format", "json"])
        said = capsys.readouterr()
        return status, json.loads(said.out or "{}"), said.err

    return check


def fails(*_: object, **__: object) -> DynamicAudit:
    """A fault in judging the runs."""
    raise TypeError("'int' object\nis not iterable")


def test_a_fault_of_ours_leaves_what_was_read_and_passes_nothing(checked: Any) -> None:
    status, report, errors = checked(fails)
    assert status == 70
    assert {report["rules_checked"][rule] for rule in STATIC} == {RuleVerdict.PASS.value}
    assert report["rules_checked"]["c1-causal"] == RuleVerdict.NOT_CHECKED.value
    told = report["dynamic"]["failure"]
    assert told.startswith("a fault of golf-check, not of the submission: TypeError: 'int' object")
    assert told.endswith("; please report it")
    assert " at harness/dynamic/dynamic_check.py:" in told
    assert any(told in said for said in report["unseen"])
    assert report["rule_errors"][0].startswith("dynamic-audit: Traceback")
    assert "1 checks crashed (dynamic-audit)" in errors


def test_a_fault_in_the_thread_of_a_run_is_told_as_one_of_judging_them(
    checked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def audit(*_: object, **__: object) -> DynamicAudit:
        subject: Any = SimpleNamespace(folder=None, vocabulary=SimpleNamespace(names=None))
        sandbox: Any = SimpleNamespace(seen_at=lambda mount: mount.inside)
        pool = RunPool(
            subject,
            sandbox,
            time.monotonic() + 30.0,
            on_run=lambda _: None,
            should_stop=lambda: False,
            workers=1,
        )
        with pool:
            pool.begin("replay", "", None, None, least_seconds=0.0).result()  # type: ignore[arg-type]
        return DynamicAudit()

    monkeypatch.setattr(run_pool, "run_child", full)
    status, report, _ = checked(audit)
    assert status == 70
    assert "No space left on device at harness/dynamic/run_pool.py:" in report["dynamic"]["failure"]


def test_an_audit_that_cannot_be_told_in_a_report_is_a_fault_of_ours(checked: Any) -> None:
    status, report, _ = checked(lambda *_, **__: DynamicAudit(settings={"argv": {1, 2}}))
    assert status == 70
    assert "TypeError: Object of type set" in report["dynamic"]["failure"]


def test_an_interrupt_is_no_fault_and_ends_the_check(checked: Any) -> None:
    def interrupted(*_: object, **__: object) -> DynamicAudit:
        raise KeyboardInterrupt

    status, report, _ = checked(interrupted)
    assert (status, report) == (130, {})


def test_what_a_fault_was_is_kept_with_the_runs(checked: Any, tmp_path: Path) -> None:
    checked(fails)
    (kept,) = (tmp_path / "kept").rglob("dynamic_audit.json")
    assert "TypeError" in json.loads(kept.read_text())["failure"]
