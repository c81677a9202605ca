"""Which of the printed numbers is the claimed one."""

from __future__ import annotations

import ast
import textwrap

import pytest

from harness.audit.events import Sink, Spot
from harness.audit.profiles.claimed_lines import lines_with_claim
from harness.audit.profiles.claimed_print import claimed_print, says
from harness.audit.profiles.log_witnesses import ProgramPrints, witnesses

FILE = "a.py"


def sink(line: int, label: str, loops: tuple[tuple[int, int], ...] = ()) -> Sink:
    return Sink(id=line, at=Spot(file=FILE, line=line), label=label, scores=(1,), loops=loops)


def chosen(source: str, log: str, value: float, *sinks: Sink) -> tuple[int, int | None]:
    """The log's line, and the line of the sink."""
    text = textwrap.dedent(source)
    lines = list(enumerate(log.splitlines(), 1))
    found = witnesses(ProgramPrints.of({FILE: ast.parse(text)}, {FILE: text}), lines, (value,))
    claimed = claimed_print(found, sinks, lines)
    return claimed.line, None if claimed.sink is None else claimed.sink.at.line


def test_a_value_that_rounds_up_is_found_with_all_its_digits() -> None:
    lines = [(1, "final val_bpb:1.1460"), (2, "final exact val_bpb:1.14597222")]
    assert [number for number, _ in lines_with_claim(lines, [1.14597222])] == [2, 1]


def test_four_digits_far_from_the_exact_line_are_chance() -> None:
    lines = [(n, f"step {n} loss 1.1460") for n in range(1, 9)]
    lines += [(20, "final exact val_bpb:1.14597222")]
    assert [number for number, _ in lines_with_claim(lines, [1.14597222])] == [20, 8, 7, 6, 5]


def test_the_print_that_wrote_the_line_is_the_claim_not_the_last_one() -> None:
    source = 'print(f"adapted exact val_bpb:{a:.8f}")\nprint(f"gain over before {b:.6f} after:{a:.6f}")\n'
    log = "adapted exact val_bpb:0.94846469\ngain over before 0.229399 after:0.948465"
    first, last = sink(1, "adapted exact val_bpb:{}"), sink(2, "gain over before {} after:{}")
    assert chosen(source, log, 0.94846469, first, last) == (1, 1)


def test_of_two_prints_alike_the_one_as_late_as_the_line_is_taken() -> None:
    source = 'def f(a):\n    print(f"evaluation done val_bpb:{a:.8f}")\nf(A)\nf(B)\n'
    log = "evaluation done val_bpb:1.10012345\nevaluation done val_bpb:1.20012345"
    first, second = sink(2, "evaluation done val_bpb:{}"), sink(3, "evaluation done val_bpb:{}")
    assert chosen(source, log, 1.10012345, first, second) == (1, 2)
    assert chosen(source, log, 1.20012345, first, second) == (2, 3)


def test_a_finished_number_is_the_claim_before_a_running_one() -> None:
    source = 'print(f"all is done val_bpb:{a:.6f}")\nprint(f"chunk of many bpb:{a:.6f}")\n'
    log = "all is done val_bpb:1.100123\nchunk of many bpb:1.100123"
    done, chunk = sink(1, "all is done val_bpb:{}"), sink(2, "chunk of many bpb:{}", ((1, 0),))
    assert chosen(source, log, 1.100123, chunk, done) == (1, 1)
    assert chosen(source, log, 1.100123, chunk) == (2, 2)


def test_words_that_differ_by_a_setting_are_found_by_their_place() -> None:
    source = 'print(f"evaluated with {n} epochs val_bpb:{a:.8f}")\n'
    default = sink(1, "evaluated with 1 epochs val_bpb:{}")
    assert chosen(source, "evaluated with 3 epochs val_bpb:1.10012345", 1.10012345, default) == (1, 1)


def test_a_claim_printed_without_a_followed_number_takes_no_other() -> None:
    source = 'print(f"plain evaluation val_bpb:{a:.8f}")\nprint(f"mixer result val_bpb:{b:.8f}")\n'
    log = "plain evaluation val_bpb:1.20000000\nmixer result val_bpb:1.10012345"
    assert chosen(source, log, 1.10012345, sink(1, "plain evaluation val_bpb:{}")) == (2, None)


def test_blanks_set_anew_in_a_log_do_not_hide_the_print() -> None:
    source = (
        'def f(name, a):\n    print(f"{name} val_loss:{a:.6f} "\n    f"val_bpb:{a:.8f}")\nf(X, A)\nf(Y, B)\n'
    )
    log = "after  val_loss: 2.100000  val_bpb: 1.10012345"
    after, before = sink(2, "after val_loss:{} val_bpb:{}"), sink(3, "before val_loss:{} val_bpb:{}")
    assert chosen(source, log, 1.10012345, after, before) == (1, 2)


def test_a_print_without_a_followed_number_is_not_replaced_by_one_of_other_blanks() -> None:
    source = 'print(f"plain result val_bpb:{a:.8f}")\nprint(f"plain  result  val_bpb:{b:.8f}")\n'
    log = "plain  result  val_bpb:1.10012345"
    assert chosen(source, log, 1.10012345, sink(1, "plain result val_bpb:{}"))[1] is None


@pytest.mark.parametrize(
    ("label", "line", "expected"),
    [
        ("final {} val_bpb:{}", "final x val_bpb:1.1", True),
        ("final val_bpb:{}", "nearly final val_bpb:1.1", False),
        ("final val_bpb:{} done", "final val_bpb:1.1", False),
        ("val_bpb time", "val_bpb 1.1 time 3", True),
        ("{}", "1.1", False),
    ],
)
def test_a_label_says_a_line(label: str, line: str, expected: bool) -> None:
    assert says(label, line) is expected
