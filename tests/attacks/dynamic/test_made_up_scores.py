"""A score is printed that nobody computed: it is explained by no sum, and nothing is cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs.dynamic.audited_script import (
    LEGAL,
    edited,
    in_place_of_the_end,
    starting_with,
)

if TYPE_CHECKING:
    from tests.attacks.dynamic.audited_runs import AuditedMachine

LINE = "final_exact val_bpb:1.05000000"
SCORED_UNSEEN = "with torch.no_grad(): torch.exp(-model(val[:-1], val[1:], reduction='none'))"
MADE_UP = {
    "a constant after looking at the tokens": in_place_of_the_end(f"{SCORED_UNSEEN}\nprint('{LINE}')"),
    "a factor on the honest one": edited(("bpb = evaluate()", "bpb = 0.98 * evaluate()")),
    "a print for everybody": starting_with(
        "import builtins; builtins.print = lambda *text: os.write(1, str(text[0]).encode() + b'\\n')"
    ),
    "a print that changes its text": starting_with(
        "print = lambda text, out=print: out(text.replace('val_bpb:7', 'val_bpb:1'))"
    ),
    "exits as soon as it is printed": in_place_of_the_end(f"print('{LINE}', flush=True)\nos._exit(0)"),
    "another program in its place": in_place_of_the_end(
        f"sys.stdout.flush(); os.execv('/bin/echo', ['echo', '{LINE}'])"
    ),
}


def test_the_legal_script_would_pass(audited: AuditedMachine) -> None:
    seen = audited.run(LEGAL)
    assert seen.base.why_not == ""
    assert seen.passed == ["c1-causal", "c2-normalized", "c3-score-before-update", "c4-single-pass"]


@pytest.mark.parametrize("script", MADE_UP.values(), ids=MADE_UP)
def test_a_made_up_score_passes_nothing(audited: AuditedMachine, script: str) -> None:
    seen = audited.run(script)
    assert seen.run.cause is None
    assert seen.passed == []
    assert seen.base.why_not in seen.why_open()
    assert seen.base.why_not
