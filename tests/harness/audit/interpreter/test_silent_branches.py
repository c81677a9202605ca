"""A branch that a run is said to have taken, and whose print its log lacks."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from harness.audit.events import BranchSilent, ProfileAudit
from harness.audit.interpreter.walk import audit_program
from harness.audit.program import Program
from harness.audit.run_profile import MOST_LOG_LINES, ProfileKind, RunProfile
from harness.audit.score_order.breaches import find_breaches
from harness.audit.score_order.event_index import EventIndex
from tests.harness.audit.interpreter.small_programs import HEAD

SCRIPT = """
class Args:
    ttt = bool(int(os.environ.get("TTT", "1")))

def log0(text):
    print(text)

def main():
    args = Args()
    log0(f"the training of the model took {C} s")
    if args.ttt:
        log0(f"adapting on all tokens lr:{C}")
        train(*pair(0, 1024))
    s = torch.zeros(())
    for k in range(n):
        x, y = pair(k * C, (k + 1) * C + 1)
        s += score(x, y).sum()
    log0(f"final evaluation val_bpb:{(s / math.log(2.0)).item():.8f}")
main()
"""
BEFORE = "the training of the model took 600 s"
ADAPTING = "adapting on all tokens lr:0.1"
AFTER = "final evaluation val_bpb:1.20000001"


def audit(*log: str, script: str = SCRIPT) -> ProfileAudit:
    profile = RunProfile(
        name="run.log",
        kind=ProfileKind.LOG,
        log_file="run.log",
        log_lines=tuple(enumerate(log, 1)),
        claimed_values=(1.20000001,),
    )
    return audit_program(Program(entry="a.py", sources={"a.py": HEAD + textwrap.dedent(script)}), profile)


def silent(result: ProfileAudit) -> list[str]:
    return [event.label for event in result.events if isinstance(event, BranchSilent)]


def doubts(result: ProfileAudit) -> tuple[str, ...]:
    (breach,), _ = find_breaches(EventIndex(result))
    return breach.doubts


def test_a_log_without_the_line_of_the_adaptation_leaves_the_breach_unproven() -> None:
    result = audit(BEFORE, AFTER)
    assert silent(result) == ["adapting on all tokens lr:"]
    (doubt,) = doubts(result)
    assert "is not in run.log" in doubt


def test_a_log_with_the_line_of_the_adaptation_proves_it() -> None:
    result = audit(BEFORE, ADAPTING, AFTER)
    assert silent(result) == []
    assert doubts(result) == ()


def test_learning_beside_the_silent_branch_stays_proven() -> None:
    learn = "    train(*pair(0, 1024))\n"
    script = SCRIPT.replace("    " + learn, "").replace("    s = torch", learn + "    s = torch")
    result = audit(BEFORE, AFTER, script=script)
    assert silent(result) == ["adapting on all tokens lr:"]
    assert doubts(result) == ()


@pytest.mark.parametrize(
    ("log", "old", "new"),
    [
        ((AFTER,), "", ""),  # what comes before the branch is missing, too: the log was shortened
        ((BEFORE, AFTER), 'log0(f"adapting', 'print(f"adapting'),  # may go elsewhere
        ((BEFORE, AFTER), '        log0(f"adapting', '        for _ in range(n): log0(f"adapting'),
    ],
)
def test_silence_says_nothing_where_the_line_may_be_missing_for_another_reason(
    log: tuple[str, ...], old: str, new: str
) -> None:
    result = audit(*log, script=SCRIPT.replace(old, new) if old else SCRIPT)
    assert silent(result) == []
    assert doubts(result) == ()


def test_a_log_that_is_too_long_to_read_whole_says_nothing_by_its_silence() -> None:
    words = ("red", "blue", "green")
    many = [f"{words[at % 3]} line {'x' * (at % 250)} {at}" for at in range(MOST_LOG_LINES)]
    assert silent(audit(BEFORE, *many, AFTER)) == []


def test_a_profile_without_a_log_has_no_silent_branches() -> None:
    profile = RunProfile(name="defaults", kind=ProfileKind.DEFAULTS)
    program = Program(entry="a.py", sources={"a.py": HEAD + textwrap.dedent(SCRIPT)})
    assert silent(audit_program(program, replace(profile, log_lines=()))) == []
