"""What a log proves about the run that printed it: calls that ran, calls that did not, branches taken.

A printed line proves that one of the calls whose template fits it was reached, and so the branches on the
way to it. Only branches that are decided once per run are forced both ways; in code that runs more than once
(loops, functions with several callers) taking one arm once says nothing about the other. Contradicting
proofs force nothing.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.audit.profiles.enclosing_tests import Branch, Enclosure, branches_to, jumps, outline
from harness.audit.profiles.log_templates import Template, matching, templates_of
from harness.audit.run_profile import MOST_LOG_LINES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.audit.events import Spot

MOST_BRANCHES = 2_000
_PROVEN_PRINTER = 3  # different calls of a printer seen in the log before its silence counts
_FEWEST_DIGITS = 4  # decimals of a claimed score that a line must repeat
_SURE_DIGITS = 6
_MOST_DIGITS = 10
_NEAR_LINES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """Proofs from a log. `ran` and `did_not_run` are calls that print; `forced` maps tests to their arm.

    `is_from_this_code` is False when no call of the program can have printed the claimed score: then the log
    is of other code, and forces nothing.
    """

    ran: tuple[Spot, ...] = ()
    did_not_run: tuple[Spot, ...] = ()
    forced: Mapping[tuple[str, int], bool] = field(default_factory=dict)
    is_from_this_code: bool = True

    def arm(self, file: str, line: int) -> bool | None:
        """The arm the `if` on this line certainly took: True its body, False the other; None: unknown."""
        return self.forced.get((file, line))


def witnesses(
    trees: Mapping[str, ast.Module],
    log_lines: Sequence[tuple[int, str]],
    claimed_values: Sequence[float] = (),
) -> Witnesses:
    """What these lines of one run's log prove about the program that printed them.

    With `claimed_values`, lines that carry them must be such as the program prints.
    """
    if not log_lines:
        return Witnesses()
    if _carrying(log_lines, claimed_values) and not claim_templates(trees, log_lines, claimed_values):
        return Witnesses(is_from_this_code=False)
    lines = tuple(log_lines)
    templates = templates_of(trees)
    enclosure = outline(trees)
    proofs: dict[tuple[str, int], set[bool]] = {}
    ran: dict[int, Template] = {}
    seen: set[int] = set()
    known_paths: dict[int, frozenset[Branch]] = {}
    matched, is_read = matching(templates, lines)
    for _, fitting in matched:
        seen.update(id(one.node) for one in fitting)
        for one in fitting:
            if id(one.node) not in known_paths:
                known_paths[id(one.node)] = branches_to(one.node, enclosure)
        paths = [known_paths[id(one.node)] for one in fitting]
        # Of several calls that may have printed a line, only what lies on the way to each is proven.
        certain = set(paths[0]).intersection(*paths[1:]) if paths else set()
        for file, line, arm in sorted(certain):
            if len(proofs) < MOST_BRANCHES:
                proofs.setdefault((file, line), set()).add(arm)
        if len(fitting) == 1:
            ran[id(fitting[0].node)] = fitting[0]
    is_whole = len(lines) < MOST_LOG_LINES and is_read
    silent = _silent(templates, ran, seen, enclosure) if is_whole else []
    reached = dict(proofs)
    for test, arm in _skipped_branches(silent, enclosure):
        if test not in reached:
            proofs.setdefault(test, set()).add(arm)
    return Witnesses(
        ran=_spots(list(ran.values())),
        did_not_run=_spots(silent),
        forced={
            test: next(iter(arms))
            for test, arms in sorted(proofs.items())
            # Packed code holds several tests on a line, which a line number cannot tell apart.
            if len(arms) == 1 and enclosure.tests.get(test) == 1
        },
    )


def claim_sites(
    trees: Mapping[str, ast.Module],
    log_lines: Sequence[tuple[int, str]],
    claimed_values: Sequence[float],
) -> tuple[Spot, ...]:
    """The calls that printed the claimed scores; several when templates cannot be told apart."""
    return tuple(dict.fromkeys(one.spot for one in claim_templates(trees, log_lines, claimed_values)))


def claim_templates(
    trees: Mapping[str, ast.Module],
    log_lines: Sequence[tuple[int, str]],
    claimed_values: Sequence[float],
) -> list[Template]:
    """The templates (place and label) of the lines that carry a claimed score, the last line first."""
    templates = templates_of(trees)
    carrying = _carrying(log_lines, claimed_values)
    found = [template for _, fitting in reversed(matching(templates, carrying)[0]) for template in fitting]
    return list({id(one.node): one for one in found}.values())


def _carrying(
    log_lines: Sequence[tuple[int, str]], claimed_values: Sequence[float]
) -> tuple[tuple[int, str], ...]:
    """Lines that print a claimed score with many decimals, and shorter ones beside them.

    Four decimals alone are met by chance on a line of training.
    """
    digits = [max((_digits(text, value) for value in claimed_values), default=0) for _, text in log_lines]
    best = max(digits, default=0)
    wanted = min(best, _SURE_DIGITS)
    sure = [index for index, count in enumerate(digits) if count and count >= wanted]
    return tuple(
        line
        for index, line in enumerate(log_lines)
        if digits[index] and any(abs(index - other) <= _NEAR_LINES for other in sure)
    )


def _digits(text: str, value: float) -> int:
    """With how many decimals the line prints the value; 0 when it does not."""
    return next(
        (count for count in range(_MOST_DIGITS, _FEWEST_DIGITS - 1, -1) if f"{value:.{count}f}" in text), 0
    )


def _spots(templates: Sequence[Template]) -> tuple[Spot, ...]:
    return tuple(sorted({one.spot for one in templates}, key=lambda spot: (spot.file, spot.line)))


def _printer(template: Template) -> str | None:
    """What prints: the called name with its keyword arguments (`log0(console=False)` goes elsewhere)."""
    if template.call is None:
        return None
    keywords = sorted(f"{word.arg}={ast.dump(word.value)}" for word in template.call.keywords if word.arg)
    return f"{ast.dump(template.call.func)} {' '.join(keywords)}"[:400]


def _silent(
    templates: Sequence[Template], ran: Mapping[int, Template], seen: set[int], enclosure: Enclosure
) -> list[Template]:
    """Calls of proven printers that no line fits, between calls of the same function that were seen.

    Silence proves something only where the log is known to be whole: a call seen before and one seen after.
    """
    proven = Counter(_printer(one) for one in ran.values())
    span: dict[int | None, list[int]] = {}
    for one in ran.values():
        if one.call is not None:
            span.setdefault(enclosure.function_of(one.node), []).append(one.spot.line)
    silent = []
    for one in templates:
        printer = _printer(one)
        if printer is None or id(one.node) in seen or proven[printer] < _PROVEN_PRINTER:
            continue
        lines = span.get(enclosure.function_of(one.node), [])
        if lines and min(lines) < one.spot.line < max(lines):
            silent.append(one)
    return silent


def _skipped_branches(silent: Sequence[Template], enclosure: Enclosure) -> list[tuple[tuple[str, int], bool]]:
    """Arms that print on being entered, and did not: the other arm was taken."""
    found = []
    for one in silent:
        entry = enclosure.direct_arm(one.node)
        if entry is None:
            continue
        file, test, arm, before = entry
        if not any(jumps(statement) for statement in before):
            found.append(((file, test.lineno), not arm))
    return found
