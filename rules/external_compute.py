"""external-compute: tuning elsewhere is fine; unfair extra compute is not.

What it checks
    Whether the README speaks of compute beyond the ten minutes that ends up in the artifact: a teacher
    model, pretrained weights, data ranked by another model.
Why it matters
    What another model learned is compute that the clock does not see.
What is allowed instead
    Hyperparameter tuning on other machines, and anything filed as unlimited compute.
How it is detected
    Words in the README and the name. They are claims, so a person decides.
What it cannot see
    Compute nobody mentions.
Rulings
    README FAQ: offline tuning is fine, absurd extra compute is not. Nobody was refused for this alone;
    #1029 filed its distillation as unlimited compute.
Example
    README.md:18 speaks of compute outside the run: 'Distilled from a 1B teacher trained beforehand'
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import needs_human, not_checked
from harness.evidence.stated_methods import named, readme_says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "external-compute"

_WORDS = re.compile(
    r"\bdistill?(?:ed|ation|ing)\b.{0,40}\bteacher\b|\b(?:larger|bigger|pre-?trained|external|offline) "
    r"teacher\b"
    r"|\b(?:initiali[sz]ed|started|loaded|warm-?started) from (?:a )?pre-?trained\b|\bpre-?trained "
    r"(?:weights|checkpoint)\b"
    r"|\bshards? (?:ranked|scored|selected) (?:by|with) (?:an?|the) (?:larger|external|trained|other)\b",
    re.IGNORECASE,
)


def check(case: Case) -> Iterator[Finding]:
    """One finding."""
    said = named(case.submission, _WORDS) or next(readme_says(case.submission, _WORDS), None)
    if said is None:
        yield not_checked(
            RULE,
            "the README speaks of no compute outside the run; what was spent elsewhere is not in the files",
        )
        return
    yield needs_human(
        RULE,
        f"{said.file}{f':{said.line}' if said.line else ''} speaks of compute outside the run: "
        f"{said.value[:160]!r}",
        said.place("its own words"),
        ask="Does compute outside the 600 seconds end up in the artifact?",
    )
