"""prepare-script-default: a shipped data-preparation script holds out 50,000 validation documents by default.

What it checks
    The default of the `--val-docs` option (also `--num-val-docs`) of every shipped Python script.
Why it matters
    Whoever follows the script with another default trains on documents that everybody is scored on.
What is allowed instead
    A default of 50,000, the number of documents in the validation set.
How it is detected
    The script is parsed, not searched: the default of the argparse option, through a module constant too.
What it cannot see
    With which value the script was run (train-val-disjoint looks for that), and other ways to set it.
Rulings
    #2127 (2026-05-01) named the trap; #2130 was refused for data built locally (2026-05-02). Every such
    script on main defaults to 10,000.
Example
    prepare_caseops_data.py:128 holds out 10,000 validation documents by default, not 50,000: documents
    10,000 to 49,999 become training data; set the default to 50,000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import not_applicable, passed, warned
from harness.evidence.prepare_scripts import held_out_defaults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "prepare-script-default"


def check(case: Case) -> Iterator[Finding]:
    """One finding per option."""
    wanted = case.limits.integer("validation.documents")
    found = list(held_out_defaults(case.submission))
    for default in found:
        where = f"{default.file}:{default.line}"
        place = default.place("default of the option")
        if default.value == wanted:
            yield passed(RULE, f"{where} holds out {wanted:,} validation documents", place)
            continue
        trained = (
            f": documents {default.value:,} to {wanted - 1:,} become training data"
            if default.value < wanted
            else ""
        )
        yield warned(
            RULE,
            f"{where} holds out {default.value:,} validation documents by default, not {wanted:,}{trained}; "
            f"set the default to {wanted:,}",
            place,
        )
    if not found:
        yield not_applicable(RULE, "no shipped script has an option for validation documents")
