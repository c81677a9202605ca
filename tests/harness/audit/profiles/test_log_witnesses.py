"""What a line of a log proves about the program, and what it must not be taken for."""

from __future__ import annotations

import ast
import textwrap
import time

from harness.audit.events import Spot
from harness.audit.profiles.log_witnesses import Witnesses, claim_sites, witnesses


def proven(source: str, log: str) -> Witnesses:
    lines = [(number, text) for number, text in enumerate(log.splitlines(), 1) if text]
    return witnesses({"a.py": ast.parse(textwrap.dedent(source))}, lines)


MAIN = """\
def main(args):
    print(f"train started seed:{args.seed}")
    if args.ttt:
        print(f"ttt adaptation started lr:{args.lr}")
    print(f"quantised model bytes:{args.size}")
    print("evaluation finished after all")
    print("nothing more to report")
main(ARGS)
"""
LOG = (
    "train started seed:1\n{}quantised model bytes:9\nevaluation finished after all\nnothing more to report\n"
)


def test_a_printed_line_proves_the_branch_it_stands_in() -> None:
    assert proven(MAIN, LOG.format("ttt adaptation started lr:0.1\n")).arm("a.py", 3) is True


def test_silence_between_printed_lines_proves_the_other_branch() -> None:
    found = proven(MAIN, LOG.format(""))
    assert found.arm("a.py", 3) is False
    assert found.did_not_run == (Spot(file="a.py", line=4),)


def test_silence_of_a_cut_log_proves_nothing() -> None:
    assert proven(MAIN, "evaluation finished after all\n").arm("a.py", 3) is None


def test_an_exit_before_a_printed_line_was_not_taken() -> None:
    source = """\
    def main(args):
        if not args.ttt:
            return
        print(f"ttt adaptation started lr:{args.lr}")
    main(ARGS)
    """
    assert proven(source, "ttt adaptation started lr:0.1").arm("a.py", 2) is False


def test_the_only_caller_was_reached_too() -> None:
    source = """\
    def adapt(lr):
        print(f"ttt adaptation started lr:{lr}")
    def main(args):
        if args.ttt:
            adapt(args.lr)
    main(ARGS)
    """
    assert proven(source, "ttt adaptation started lr:0.1").arm("a.py", 4) is True


def test_a_function_with_two_callers_proves_neither() -> None:
    source = """\
    def adapt(lr):
        print(f"ttt adaptation started lr:{lr}")
    if A:
        adapt(1)
    if B:
        adapt(2)
    """
    found = proven(source, "ttt adaptation started lr:0.1")
    assert (found.arm("a.py", 3), found.arm("a.py", 5)) == (None, None)


def test_calls_that_print_alike_prove_only_what_they_share() -> None:
    source = """\
    def main(a, b):
        if a:
            if b:
                print(f"final result val_bpb:{a}")
            else:
                print(f"final result val_bpb:{b}")
    main(A, B)
    """
    found = proven(source, "final result val_bpb:1.1")
    assert (found.arm("a.py", 2), found.arm("a.py", 3)) == (True, None)


def test_both_arms_printed_force_nothing() -> None:
    source = """\
    def main(a):
        if a:
            print(f"adapting the model now {a}")
        else:
            print(f"leaving the model alone {a}")
    main(A)
    """
    assert proven(source, "adapting the model now 1\nleaving the model alone 0").arm("a.py", 2) is None


def test_one_pass_of_a_loop_proves_nothing_about_the_others() -> None:
    source = """\
    def main(a):
        for i in range(9):
            if i % 2:
                print(f"odd step number {i}")
            else:
                train(i)
    main(A)
    """
    assert proven(source, "odd step number 1").arm("a.py", 3) is None


def test_an_evaluation_that_ends_the_program_does_not_hide_the_training() -> None:
    source = """\
    def main(a):
        if a.eval_only:
            print(f"evaluating a saved model {a}")
            return
        one(); two(); three()
        four(); five(); six()
    main(A)
    """
    assert proven(source, "evaluating a saved model x").arm("a.py", 2) is None


def test_formats_and_percent_templates_are_patterns_too() -> None:
    source = 'if A:\n    pass\ndef f(a):\n    if a:\n        print("adapting model %d times" % a)\nf(A)\n'
    assert proven(source, "adapting model 3 times").arm("a.py", 4) is True
    assert proven(source.replace("%d", "{}").replace(" % a)", ".format(a))"), "adapting model 3 times").arm(
        "a.py", 4
    )


def test_the_claim_is_the_call_that_printed_the_claimed_score() -> None:
    tree = ast.parse('print(f"before adapting val_bpb:{a:.8f}")\nprint(f"after adapting val_bpb:{b:.8f}")\n')
    lines = [(1, "before adapting val_bpb:1.20000000"), (2, "after adapting val_bpb:1.10012345")]
    assert claim_sites({"a.py": tree}, lines, [1.10012345]) == (Spot(file="a.py", line=2),)


def test_a_log_of_other_code_forces_nothing() -> None:
    lines = [(1, "ttt adaptation started lr:0.1"), (2, "some_other_label val_bpb:1.10012345")]
    found = witnesses({"a.py": ast.parse(MAIN)}, lines, [1.10012345])
    assert not found.is_from_this_code
    assert not found.forced


def test_many_holes_and_lines_end_soon() -> None:
    holes = "".join(f" a{{x{n}}}" for n in range(60))
    source = f'print(f"long template here{holes} end")\n' * 200
    log = "\n".join("long template here" + " a" * 140 + str(n) for n in range(2_000))
    start = time.process_time()
    proven(source, log)
    assert time.process_time() - start < 10
