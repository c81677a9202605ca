"""One cause of a wrong byte count, sought in every seed: the check that three rules of that kind share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from harness.case import failed, needs_human, not_checked, passed
from harness.evidence.validation_bytes import Agreement, diagnose, equation, measure
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding, Place

BY_LOG = " by the printed numbers; how the code counts was not settled"
ORIGINAL_TEXT = "Does the score divide by the bytes of the original text?"


class Tell(Protocol):
    """A constructor of findings, such as `failed` or `warned`."""

    def __call__(self, rule: str, message: str, *places: Place) -> Finding:
        """The finding of a rule with this message."""


def judge_surplus(
    case: Case, rule: str, *, absent: str, advice: str, is_read: bool, tell: Tell = failed
) -> Iterator[Finding]:
    """One finding per seed whose score implies a byte count.

    The surplus of a rule is the band that limits.toml gives it under `validation.wrong_denominator`. Inside
    the band `tell` speaks, with the cause and the advice; a mixture's line asks a person, since its loss and
    score may belong to different distributions. A right byte count passes with `absent`, and says so when
    the code that counts was not read (`is_read`); any other count is left to bpb-formula.
    """
    seen = False
    for seed in case.evidence.seeds:
        implied = measure(seed)
        found = diagnose(implied, case.limits) if implied is not None else None
        if implied is None or found is None:
            continue
        seen = True
        said = f"{seed_label(seed.seed)}: {equation(implied, case.limits)}"
        if found.agreement is Agreement.EXACT:
            yield passed(rule, f"{said}: {absent}{'' if is_read else BY_LOG}", *implied.places())
        elif found.agreement is not Agreement.OFF or found.rule != rule:
            continue
        elif implied.is_mixture:
            message = f"{said}; as if {found.cause}, but {implied.label!r} names a mixture"
            yield needs_human(rule, message, *implied.places(), ask=ORIGINAL_TEXT)
        else:
            yield tell(rule, f"{said}: {found.cause}; {advice}", *implied.places())
    if not seen:
        yield not_checked(rule, "no log prints val_loss, val_bpb and val_tokens of a counted score")
