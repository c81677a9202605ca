"""The log of a run settles what only the configuration decides, and which number is the claim."""

from __future__ import annotations

import textwrap

from harness.audit.events import BranchProven, ProfileAudit, Sink, Spot, Unresolved
from harness.audit.interpreter.walk import audit_program
from harness.audit.program import Program
from harness.audit.run_profile import ProfileKind, RunProfile, Setting
from harness.audit.score_order.setting_words import named_settings, with_proven
from tests.harness.audit.interpreter.small_programs import HEAD, learned

SCRIPT = """
class Args:
    ttt = bool(int(os.environ.get("TTT", "0")))
    epochs = int(os.environ.get("EPOCHS", "1"))

def log0(text):
    print(text)

def evaluate():
    s = torch.zeros(())
    for k in range(n):
        x, y = pair(k * C, (k + 1) * C + 1)
        s += score(x, y).sum()
    return s / math.log(2.0)

def main():
    args = Args()
    log0(f"plain evaluation val_bpb:{evaluate().item():.8f}")
    if args.ttt:
        log0(f"adapting on all tokens lr:{C}")
        train(*pair(0, 1024))
        log0(f"adapted evaluation val_bpb:{evaluate().item():.8f}")
main()
"""
PLAIN = "plain evaluation val_bpb:1.20000001"
ADAPTED = "adapted evaluation val_bpb:1.10000001"


def audit(body: str, *log: str, value: float, environment: dict[str, str] | None = None) -> ProfileAudit:
    given = {
        name: Setting(value=text, source="README.md:1", file="README.md", line=1)
        for name, text in (environment or {}).items()
    }
    profile = RunProfile(
        name="run.log",
        kind=ProfileKind.LOG,
        environment=given,
        log_file="run.log",
        log_lines=tuple(enumerate(log, 1)),
        claimed_values=(value,),
    )
    text = HEAD + textwrap.dedent(body)
    return audit_program(Program(entry="a.py", sources={"a.py": text}), profile)


def claims(result: ProfileAudit) -> list[str]:
    return [event.label for event in result.events if isinstance(event, Sink) and event.is_claim]


def reasons(result: ProfileAudit) -> set[str]:
    return {event.reason for event in result.events if isinstance(event, Unresolved)}


def test_a_line_that_only_an_adapting_run_prints_switches_the_adaptation_on() -> None:
    result = audit(SCRIPT, PLAIN, "adapting on all tokens lr:0.1", ADAPTED, value=1.10000001)
    assert learned(result)
    assert claims(result) == ["adapted evaluation val_bpb:{}"]
    (proof,) = [event for event in result.events if isinstance(event, BranchProven)]
    assert (proof.setting, proof.taken, proof.log.line) == ("ttt", True, 2)


def test_what_the_log_proves_goes_over_what_the_readme_says_in_messages() -> None:
    given = Setting(value="0", source="README.md:1", file="README.md", line=1)
    run = RunProfile(name="run.log", kind=ProfileKind.LOG, environment={"TTT": given})
    result = audit(SCRIPT, PLAIN, "adapting on all tokens lr:0.1", ADAPTED, value=1.10000001)
    assert named_settings(with_proven(run, result)) == "ttt=True from run.log:2"


def test_the_proof_is_kept_with_its_line_of_the_log() -> None:
    script = SCRIPT.replace("args.ttt:", "args.epochs > 1:")
    result = audit(script, PLAIN, "adapting on all tokens lr:0.1", ADAPTED, value=1.10000001)
    (proof,) = [event for event in result.events if isinstance(event, BranchProven)]
    assert (proof.taken, proof.log) == (True, Spot(file="run.log", line=2))
    assert learned(result)


def test_a_log_without_the_lines_of_the_adaptation_leaves_the_settings_alone() -> None:
    result = audit(SCRIPT, PLAIN, value=1.20000001, environment={"TTT": "1"})
    assert learned(result)
    assert claims(result) == ["plain evaluation val_bpb:{}"]


def test_a_claim_into_which_no_score_was_followed_is_no_other_number() -> None:
    script = SCRIPT + 'print(f"mixed by other means val_bpb:{C:.8f}")\n'
    result = audit(script, PLAIN, "mixed by other means val_bpb:0.90000001", value=0.90000001)
    assert claims(result) == ["mixed by other means val_bpb:"]
    assert "claim-not-followed" in reasons(result)


def test_a_claimed_print_that_was_not_reached_leaves_the_claim_open() -> None:
    script = SCRIPT + 'if 2 < 1:\n    print(f"never printed here val_bpb:{C:.8f}")\n'
    result = audit(script, PLAIN, "never printed here val_bpb:0.90000001", value=0.90000001)
    assert claims(result) == []
    assert "claim-not-reached" in reasons(result)


def test_a_log_of_other_code_is_said_and_proves_nothing() -> None:
    result = audit(SCRIPT, "adapting on all tokens lr:0.1", "krause val_bpb:0.90000001", value=0.90000001)
    assert "log-of-other-code" in reasons(result)
    assert not learned(result)


def test_a_choice_between_scores_stays_a_choice_whatever_the_log_prints() -> None:
    script = SCRIPT.replace("    if args.ttt:\n", "    a, b = evaluate(), evaluate()\n    if a < b:\n")
    result = audit(script, PLAIN, "adapting on all tokens lr:0.1", ADAPTED, value=1.10000001)
    assert not [event for event in result.events if isinstance(event, BranchProven)]


def unknown_ttt(**attributes: str) -> ProfileAudit:
    printed = {
        name: Setting(value=value, source="run.log:1", file="run.log", line=1)
        for name, value in attributes.items()
    }
    profile = RunProfile(name="run.sh:1", kind=ProfileKind.SHELL, unknown=("TTT",), attributes=printed)
    return audit_program(Program(entry="a.py", sources={"a.py": HEAD + SCRIPT}), profile)


def test_a_variable_that_only_the_shell_knew_is_not_the_default() -> None:
    assert learned(unknown_ttt())


def test_what_the_log_prints_of_it_is_its_value() -> None:
    assert not learned(unknown_ttt(ttt="False"))


def repeated(test: str) -> ProfileAudit:
    """An adaptation in a function with two callers, and its line in the log."""
    script = SCRIPT.replace(
        "    if args.ttt:\n", "    adapt(args)\n    adapt(args)\ndef adapt(args):\n    if TEST:\n"
    )
    script = script.replace("TEST", test)
    return audit(script, PLAIN, "adapting on all tokens lr:0.1", ADAPTED, value=1.10000001)


def test_code_that_runs_twice_is_settled_where_settings_alone_decide() -> None:
    assert [event.taken for event in repeated("args.epochs > 2").events if isinstance(event, BranchProven)]


def test_code_that_runs_twice_is_not_settled_where_a_clock_decides() -> None:
    result = repeated("time.time() - START > args.epochs")
    assert not [event for event in result.events if isinstance(event, BranchProven)]
