"""No fault inside the audit costs the report: each becomes an event and a problem, never a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.audit import audit_sources as child
from harness.audit.audit_sources import audit_all, on_deep_stack
from harness.audit.event_json import read_audit
from harness.audit.events import LoopEntered, ProfileAudit, Unresolved
from tests.harness.audit.audit_builder import at, run_profile

if TYPE_CHECKING:
    from harness.audit.run_profile import RunProfile

SOURCES = {"train_gpt.py": "x = 1\n"}


def walked(program: Any, run: RunProfile, **budget: Any) -> ProfileAudit:
    event = LoopEntered(id=1, at=at(1), loop=1)
    return ProfileAudit(profile=run.name, events=(event,), nodes=int(budget["node_budget"]))


def audit(walk: Any = walked, scan: Any = lambda program: {}, runs: int = 1) -> dict[str, Any]:
    profiles = [run_profile(f"run {number}") for number in range(runs)]
    return audit_all("train_gpt.py", SOURCES, profiles, walk, scan)


def unresolved(result: dict[str, Any], index: int = 0) -> Unresolved:
    profile = read_audit(result["audits"][index])
    assert not profile.finished
    event = profile.events[-1]
    assert isinstance(event, Unresolved)
    assert event.on_path
    return event


def raising(error: BaseException) -> Any:
    def work(*_: Any, **__: Any) -> Any:
        raise error

    return work


def test_a_crash_of_the_interpreter_is_an_unresolved_event_and_a_problem() -> None:
    result = audit(raising(KeyError("x")))
    assert unresolved(result).reason == "auditor-error"
    (problem,) = result["problems"]
    assert problem["kind"] == "auditor-error"
    assert "KeyError" in problem["message"]


@pytest.mark.parametrize(
    ("error", "reason"), [(MemoryError(), "budget"), (RecursionError(), "recursion")], ids=["memory", "depth"]
)
def test_a_resource_that_runs_out_is_the_scripts_doing(error: BaseException, reason: str) -> None:
    result = audit(raising(error))
    assert unresolved(result).reason == reason
    assert result["problems"] == []


def test_one_profile_that_crashes_leaves_the_others() -> None:
    def sometimes(program: Any, run: RunProfile, **budget: Any) -> ProfileAudit:
        if run.name == "run 0":
            raise ValueError
        return walked(program, run, node_budget=5)

    result = audit(sometimes, runs=2)
    assert unresolved(result, 0).reason == "auditor-error"
    assert read_audit(result["audits"][1]).finished


def test_profiles_beyond_the_budget_are_unresolved_not_left_out() -> None:
    result = audit(runs=5)  # each double takes all nodes it is given
    reasons = [read_audit(one).finished for one in result["audits"]]
    assert reasons == [True, True, True, False, False]
    assert unresolved(result, 4).reason == "budget"


def test_tokens_are_followed_through_the_lines_that_were_walked() -> None:
    seen: list[object] = []

    def walk(program: Any, run: RunProfile, **budget: Any) -> ProfileAudit:
        return ProfileAudit(profile=run.name, reached=(("train_gpt.py", (1, 3)),))

    def follow(program: Any, reached: Any) -> Any:
        seen.append(reached)
        return (LoopEntered(id=1, at=at(1), loop=1),), True

    result = audit_all("train_gpt.py", SOURCES, [run_profile()], walk, lambda program: {}, follow)
    profile = read_audit(result["audits"][0])
    assert seen == [{"train_gpt.py": frozenset({1, 3})}]
    assert (len(profile.token_events), profile.tokens_followed) == (1, True)


def test_a_crash_while_tokens_are_followed_leaves_the_events() -> None:
    def walk(program: Any, run: RunProfile, **budget: Any) -> ProfileAudit:
        return ProfileAudit(profile=run.name, reached=(("train_gpt.py", (1,)),))

    result = audit_all(
        "train_gpt.py", SOURCES, [run_profile()], walk, lambda program: {}, raising(ValueError("odd"))
    )
    profile = read_audit(result["audits"][0])
    assert (profile.finished, profile.tokens_followed) == (True, False)
    assert result["problems"][0]["kind"] == "auditor-error"


def test_a_program_too_large_to_audit_is_unresolved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "SYNTAX_NODES_AT_MOST", 3)
    result = audit(raising(AssertionError()))
    assert unresolved(result).reason == "budget"
    assert [problem["kind"] for problem in result["problems"]] == ["limit"]


def test_too_many_events_are_cut_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "EVENTS_AT_MOST", 3)

    def chatty(program: Any, run: RunProfile, **budget: Any) -> ProfileAudit:
        events = tuple(LoopEntered(id=number, at=at(1), loop=number) for number in range(9))
        return ProfileAudit(profile=run.name, events=events)

    result = audit(chatty)
    assert len(result["audits"][0]["events"]) == 4
    assert "9 events" in unresolved(result).detail


def test_a_crash_of_the_scans_costs_the_scans_only() -> None:
    result = audit(scan=raising(ValueError("odd")))
    assert result["scans"] == {}
    assert read_audit(result["audits"][0]).finished
    assert result["problems"][0]["kind"] == "scan-error"


def test_a_scan_that_failed_is_a_problem() -> None:
    result = audit(
        scan=lambda program: {"not_scanned": {"bytes": "KeyError: 1", "seeds": "RecursionError: 2"}}
    )
    assert [problem["kind"] for problem in result["problems"]] == ["scan-error", "limit"]


def test_calls_nest_ten_thousand_deep_without_a_crash_of_the_process() -> None:
    def down(depth: int) -> int:
        return 0 if depth == 0 else 1 + down(depth - 1)

    assert on_deep_stack(lambda: {"depth": down(10_000)}) == {"depth": 10_000}
    with pytest.raises(RecursionError):
        on_deep_stack(lambda: {"depth": down(10**6)})
