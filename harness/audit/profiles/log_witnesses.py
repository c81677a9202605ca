"""What a log proves about the run that printed it: branches taken, and settings that took them.

A printed line proves that one of the calls whose template fits it was reached, and so the arms on the way to
it. Silence proves nothing here: a log may have been shortened, and what it does not show may have run.
Contradicting proofs prove nothing either.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.audit.profiles.claimed_lines import lines_with_claim
from harness.audit.profiles.log_templates import matching, templates_of
from harness.audit.profiles.statement_outline import outline_of
from harness.audit.profiles.ways_to_prints import tests_on_the_way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.audit.profiles.log_templates import Printed, Template
    from harness.audit.profiles.statement_outline import Outline
    from harness.audit.profiles.ways_to_prints import Passed

MOST_PROOFS = 4_000
_FEW_LETTERS = 2
_LONG_WORD = re.compile(r"[A-Za-z]{3,}")


@dataclass(frozen=True, slots=True)
class Proof:
    """An arm that was taken, and the line of the log that shows it."""

    passed: Passed
    log_line: int


@dataclass(slots=True)
class ProgramPrints:
    """What a program may print and where: made once per program, for all its logs."""

    outline: Outline
    templates: list[Template]
    _ways: dict[int, dict[tuple[int, bool], Passed]] = field(default_factory=dict)

    @classmethod
    def of(cls, trees: Mapping[str, ast.Module], texts: Mapping[str, str]) -> ProgramPrints:
        """The prints of these files; `texts` are what the trees were parsed from."""
        outline = outline_of(trees, texts)
        return cls(outline, templates_of(outline))

    def way_to(self, template: Template) -> dict[tuple[int, bool], Passed]:
        """The arms that were taken when this template was printed."""
        key = id(template.placed)
        if key not in self._ways:
            self._ways[key] = tests_on_the_way(template.placed, self.outline)
        return self._ways[key]

    def lacks_a_word(self, line: str) -> bool:
        """Whether a word of the line is in no file of the program."""
        texts = self.outline.texts.values()
        return not all(any(word in text for text in texts) for word in _LONG_WORD.findall(line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """Proofs from a log, by the identity of the `if`, and by the name of the setting it tests.

    `carrying` are the lines with the claimed score, the most digits first, `claimed` what may have printed
    them. Where nothing was found to, the log may be of other code, and proves nothing.
    """

    taken: Mapping[int, Proof] = field(default_factory=dict)
    settings: Mapping[str, tuple[bool, Proof]] = field(default_factory=dict)
    carrying: tuple[tuple[int, str], ...] = ()
    claimed: tuple[Printed, ...] = ()


def witnesses(
    program: ProgramPrints,
    log_lines: Sequence[tuple[int, str]],
    claimed_values: Sequence[float] = (),
) -> Witnesses:
    """What these lines of one run's log prove about the program that printed them.

    With `claimed_values`, lines that carry them must be such as the program prints.
    """
    carrying = lines_with_claim(log_lines, claimed_values)
    printed, _ = matching(program.templates, log_lines)
    by_line = {one.line: one for one in printed}
    claimed = tuple(by_line[number] for number, _ in carrying if number in by_line)
    if carrying and not claimed:
        # Texts with few words of their own fit many lines: they may be the claim, and prove nothing.
        few = matching(templates_of(program.outline, _FEW_LETTERS), carrying)[0]
        return Witnesses(carrying=carrying, claimed=tuple(few))
    proofs: dict[int, dict[bool, Proof]] = {}
    for passed, line in _proven(program, printed):
        proofs.setdefault(id(passed.node), {}).setdefault(passed.arm, Proof(passed, line))
        if len(proofs) >= MOST_PROOFS:
            break
    certain = [next(iter(arms.values())) for arms in proofs.values() if len(arms) == 1]
    return Witnesses(
        taken={id(one.passed.node): one for one in certain if not one.passed.hides},
        settings=_settings(proofs, program.outline),
        carrying=carrying,
        claimed=claimed,
    )


def _proven(program: ProgramPrints, printed: Sequence[Printed]) -> Iterator[tuple[Passed, int]]:
    """Of several calls that may have printed a line, only what lies on the way to each is proven.

    A text that starts with a hole may be what another program, or a text that we do not see, printed.
    """
    for one in printed:
        if not any(template.parts[0].strip() for template in one.by):
            continue
        ways = [program.way_to(template) for template in one.by]
        first, *others = ways
        for key, passed in first.items():
            if all(key in other for other in others):
                yield passed, one.line


def _settings(proofs: Mapping[int, Mapping[bool, Proof]], outline: Outline) -> dict[str, tuple[bool, Proof]]:
    """Attributes that every proof says were true, or false, whichever `if` asked, and nothing changes."""
    found: dict[str, dict[bool, Proof]] = {}
    for arms in proofs.values():
        for arm, proof in arms.items():
            for name, value in _named(proof.passed.node.test, arm):
                found.setdefault(name, {}).setdefault(value, proof)
    return {
        name: next(iter(values.items()))
        for name, values in found.items()
        if len(values) == 1 and not outline.is_rebound(name)
    }


def _named(test: ast.expr, holds: bool) -> Iterator[tuple[str, bool]]:
    """The attributes whose truth an outcome of the test settles: `args.ttt and ...` that held."""
    todo = [(test, holds)]
    for _ in range(60):
        if not todo:
            return
        node, value = todo.pop()
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            todo.append((node.operand, not value))
        elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) is value:
            todo += [(one, value) for one in node.values]
        elif isinstance(node, ast.Attribute):
            yield node.attr, value
