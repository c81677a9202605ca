"""variational-bpb: a bound from a diffusion or variational model is labelled as a bound.

What it checks
    Whether a submission that names diffusion or a variational bound says that its score is a bound.
Why it matters
    A bound is not the code length of a left-to-right predictor; readers must not compare them unawares.
What is allowed instead
    Non-record submissions of such models, with the word bound (or ELBO) next to the score.
How it is detected
    Words in name, title, folder and README.
What it cannot see
    Whether the bound is computed rightly.
Rulings
    #1106 was merged as non-record with its score labelled.
Example
    the name says so ('Masked diffusion LM'), but the README never calls the score a bound
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import not_applicable, noted, passed
from harness.evidence.stated_methods import named, readme_sentences
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "variational-bpb"

_MODEL = re.compile(r"\bdiffusion\b|\bvariational\b|\bELBO\b|\bMDLM\b", re.IGNORECASE)
_BOUND = re.compile(r"\bbound\b|\bELBO\b|\bvariational\b", re.IGNORECASE)


def check(case: Case) -> Iterator[Finding]:
    """One finding."""
    name = named(case.submission, _MODEL)
    if name is None:
        yield not_applicable(RULE, "no name or title speaks of diffusion or a variational model")
        return
    said = next((s for s in readme_sentences(case.submission) if _BOUND.search(s.value)), None)
    if said is None:
        yield noted(
            RULE,
            f"the name says so ({name.value!r}), but the README never calls the score a bound",
            name.place("name"),
        )
    else:
        yield passed(
            RULE,
            "the README calls the score a bound",
            said.place("bound"),
            name.place("name", Role.RELATED),
        )
