"""selection-by-val: evaluation settings are not picked by sweeps over validation results.

What it checks
    Choices in the code by a metric over validation that reach the claimed number, and README sentences about
    sweeps, grids or tuning of evaluation settings on validation output.
Why it matters
    Settings fitted to the set they are reported on gain on that set only.
What is allowed instead
    Tune offline on other data, and say so; tuning of training hyperparameters is a remark at most.
How it is detected
    The static audit sees two results over validation compared, and the better one (a temperature, a set of
    weights, an evaluator) inside the claimed number; so does a comparison of two results after the artifact
    is written that leaves a loop, loads weights or keeps a value for later. Words in the README count too. A
    person decides.
What it cannot see
    Sweeps nobody mentions that ran outside the script.
Rulings
    #1991 (2026-05-02): gates chosen by sweeping dumped validation distributions are no record evidence. The
    README allows tuning offline.
Example
    README.md:41 speaks of tuning on validation output: 'The gate was swept over 400 settings on dumped
    validation distributions'
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.score_order.family import order_of
from harness.audit.score_order.metric_choice import selections_by_metric
from harness.case import needs_human, not_checked
from harness.evidence.stated_methods import readme_says
from harness.evidence.validation_use import choice_by_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "selection-by-val"

_TUNES = (
    r"(?:sweep\w*|swept|grid[- ]?search\w*|tuned|tuning|optimi[sz]ed|searched|selected|picked|chosen|fitted)"
)
_OUTPUT = r"(?:dump\w*|distributions?|outputs?|results?|bytes|nlls?|logits)"
_ON = rf"(?:on|over|against|using|from)\b.{{0,40}}\b(?:dump\w*|val(?:idation)? {_OUTPUT})"
_WORDS = re.compile(
    rf"\b{_TUNES}\b.{{0,80}}\b{_ON}|\boffline\b.{{0,40}}\b{_TUNES}\b.{{0,80}}\b(?:dump\w*|gate|mixer|lambda|order)\b"
    rf"|\b{_TUNES}\b.{{0,40}}\boffline\b.{{0,60}}\b(?:dump\w*|gate|mixer|lambda|order|nll\w*)\b",
    re.IGNORECASE,
)


def check(case: Case) -> Iterator[Finding]:
    """One finding for the code, else one for the README."""
    seen = choice_by_result(case, RULE, for_artifact=False)
    if seen is not None:
        yield seen
        return
    reading = order_of(case)
    choices = selections_by_metric(case.audit, reading) if reading is not None and case.audit else []
    for choice in choices:
        if not choice.is_in_artifact:
            yield needs_human(
                RULE,
                choice.message,
                *choice.places,
                ask="Is this choice, made by the result on validation, inside the claimed number?",
            )
            return
    said = next(readme_says(case.submission, _WORDS), None)
    if said is None:
        yield not_checked(
            RULE,
            "neither code nor README shows tuning on validation output; how settings were chosen is not in "
            "the files",
        )
        return
    yield needs_human(
        RULE,
        f"{said.file}:{said.line} speaks of tuning on validation output: {said.value[:200]!r}",
        said.place("its own words"),
        ask="Were the reported evaluation settings chosen by their result on the validation set?",
    )
