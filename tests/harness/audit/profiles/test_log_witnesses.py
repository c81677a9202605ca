"""What a line of a log proves about the program, and what it must not be taken for."""

from __future__ import annotations

import ast
import textwrap
import time

from harness.audit.profiles.log_witnesses import ProgramPrints, Witnesses, witnesses

FILE = "a.py"


def proven(source: str, log: str, values: tuple[float, ...] = ()) -> Witnesses:
    text = textwrap.dedent(source)
    lines = [(number, line) for number, line in enumerate(log.splitlines(), 1) if line]
    return witnesses(ProgramPrints.of({FILE: ast.parse(text)}, {FILE: text}), lines, values)


def arms(source: str, log: str) -> dict[int, bool]:
    """The `if` by line, and how the log says it came out."""
    taken = proven(source, log).taken.values()
    return {proof.passed.node.lineno: proof.passed.arm for proof in taken}


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
    assert arms(MAIN, LOG.format("ttt adaptation started lr:0.1\n")) == {3: True}


def test_a_line_that_is_not_there_proves_nothing() -> None:
    assert arms(MAIN, LOG.format("")) == {}


def test_an_exit_before_a_printed_line_was_not_taken() -> None:
    source = """\
    def main(args):
        if not args.ttt:
            return
        print(f"ttt adaptation started lr:{args.lr}")
    main(ARGS)
    """
    assert arms(source, "ttt adaptation started lr:0.1") == {2: False}


def test_the_only_caller_was_reached_too() -> None:
    source = """\
    def adapt(lr):
        print(f"ttt adaptation started lr:{lr}")
    def main(args):
        if args.ttt:
            adapt(args.lr)
    main(ARGS)
    """
    assert arms(source, "ttt adaptation started lr:0.1") == {4: True}


def test_a_function_with_two_callers_proves_neither() -> None:
    source = """\
    def adapt(lr):
        print(f"ttt adaptation started lr:{lr}")
    if A:
        adapt(1)
    if B:
        adapt(2)
    """
    assert arms(source, "ttt adaptation started lr:0.1") == {}


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
    assert arms(source, "final result val_bpb:1.1") == {2: True}


def test_a_text_that_starts_with_a_hole_proves_nothing() -> None:
    source = 'def main(a):\n    if a:\n        print(f"{a} val_loss:{a} val_bpb:{a}")\nmain(A)\n'
    assert arms(source, "final val_loss:1.1 val_bpb:1.1") == {}
    assert arms(source.replace("{a} val_loss", "final val_loss"), "final val_loss:1.1 val_bpb:1.1") == {
        2: True
    }


def test_both_arms_printed_force_nothing() -> None:
    source = """\
    def main(a):
        if a:
            print(f"adapting the model now {a}")
        else:
            print(f"leaving the model alone {a}")
    main(A)
    """
    assert arms(source, "adapting the model now 1\nleaving the model alone 0") == {}


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
    assert arms(source, "odd step number 1") == {}


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
    assert arms(source, "evaluating a saved model x") == {}


def test_formats_and_percent_templates_are_patterns_too() -> None:
    source = 'def f(a):\n    if a:\n        print("adapting model %d times" % a)\nf(A)\n'
    assert arms(source, "adapting model 3 times") == {2: True}
    assert arms(source.replace("%d", "{}").replace(" % a)", ".format(a))"), "adapting model 3 times") == {
        2: True
    }


def test_a_print_inside_a_test_of_a_setting_proves_the_setting() -> None:
    found = proven(MAIN, LOG.format("ttt adaptation started lr:0.1\n")).settings
    assert {name: value for name, (value, _) in found.items()} == {"ttt": True}


def test_an_attribute_that_the_script_assigns_is_no_setting() -> None:
    source = MAIN + "ARGS.ttt = False\n"
    assert proven(source, LOG.format("ttt adaptation started lr:0.1\n")).settings == {}


def test_the_claim_is_on_the_line_with_most_of_its_digits() -> None:
    source = 'print(f"before adapting val_bpb:{a:.8f}")\nprint(f"after adapting val_bpb:{b:.8f}")\n'
    log = "before adapting val_bpb:1.20000000\nafter adapting val_bpb:1.10012345"
    (claimed,) = proven(source, log, (1.10012345,)).claimed
    assert (claimed.line, [one.spot.line for one in claimed.by]) == (2, [2])


def test_a_log_of_other_code_proves_nothing() -> None:
    log = "ttt adaptation started lr:0.1\nsome_other_label val_bpb:1.10012345"
    found = proven(MAIN, log, (1.10012345,))
    assert (found.carrying[0][0], found.claimed, found.taken) == (2, (), {})


def test_many_holes_and_lines_end_soon() -> None:
    holes = "".join(f" a{{x{n}}}" for n in range(60))
    source = f'print(f"long template here{holes} end")\n' * 200
    log = "\n".join("long template here" + " a" * 140 + str(n) for n in range(2_000))
    start = time.process_time()
    proven(source, log)
    assert time.process_time() - start < 10
