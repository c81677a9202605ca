"""Branches that a run is said to have taken, although its log lacks a line they always print.

A log may have been shortened, so a missing line proves nothing: it takes away the proof that the branch ran.
It counts only where the same function prints before and after the branch in the same way, and the log has
both lines.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.audit.run_profile import MOST_LOG_LINES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from harness.audit.profiles.log_templates import Template

LOOKED_FOR = 400  # templates of one program that are looked for in one log


@dataclass(frozen=True, slots=True)
class SilentBranch:
    """An arm, by its `if` and its lines, and the print in it that left no line in the log."""

    node: ast.If
    file: str
    first: int
    last: int
    missing: Template


def silent_branches(
    templates: Sequence[Template],
    log_lines: Sequence[tuple[int, str]],
    tests: Collection[tuple[int, object]],
) -> list[SilentBranch]:
    """The arms that the walk took alone, by the tests it made, and of whose prints the log says nothing."""
    if len(log_lines) >= MOST_LOG_LINES:
        return []
    heard: dict[int, bool] = {}

    def is_heard(template: Template) -> bool:
        key = id(template)
        if key not in heard:
            heard[key] = len(heard) > LOOKED_FOR or any(template.matches(text) for _, text in log_lines)
        return heard[key]

    found: dict[int, SilentBranch] = {}
    for template in templates:
        branch = _arm_of(template)
        if branch is None or id(branch.node) in found or not _was_taken(branch, template, tests):
            continue
        if not is_heard(template) and _is_heard_around(branch, template, templates, is_heard):
            found[id(branch.node)] = branch
    return list(found.values())


def _arm_of(template: Template) -> SilentBranch | None:
    """The arm in which the print stands as a statement of its own, printing one line."""
    placed = template.placed
    if template.call is None or placed.outer is None or not isinstance(placed.outer.node, ast.If):
        return None
    if "\\n" in ast.unparse(template.call):
        return None
    last = max(getattr(one, "end_lineno", 0) or 0 for one in placed.block)
    return SilentBranch(placed.outer.node, placed.file, placed.block[0].lineno, last, template)


def _was_taken(branch: SilentBranch, template: Template, tests: Collection[tuple[int, object]]) -> bool:
    """Whether each time the walk came to the `if`, it took this arm and no other."""
    arm = template.placed.part == "body"
    outcomes = [truth for node, truth in tests if node == id(branch.node)]
    return bool(outcomes) and all(isinstance(truth, int) and bool(truth) is arm for truth in outcomes)


def _is_heard_around(
    branch: SilentBranch,
    template: Template,
    templates: Sequence[Template],
    is_heard: Callable[[Template], bool],
) -> bool:
    function = template.placed.function()
    before = after = False
    for other in templates:
        if other.call is None or other.placed.file != branch.file or other.placed.function() is not function:
            continue
        if _callee(other) != _callee(template):
            continue
        if other.spot.line < branch.node.lineno:
            before = before or is_heard(other)
        elif other.spot.line > branch.last:
            after = after or is_heard(other)
    return before and after


def _callee(template: Template) -> str:
    return "" if template.call is None else ast.unparse(template.call.func)
