"""caseops-sidecar: for a reversible text transform the bytes of the original text are counted.

What it checks
    The byte count that a counted score implies on a case-transformed stream.
Why it matters
    The transform writes capital letters as extra symbols: its text is 8.9 % longer than the original, and
    the score 8.2 % better for nothing.
What is allowed instead
    Ship or build the sidecar with the original bytes of each token and divide by those.
How it is detected
    Implied bytes 8.90 to 9.00 % above those of the text (164,594,398 are +8.94 %). The setting of the
    transform's accounting, where a log prints one, is quoted beside it.
What it cannot see
    Other transforms with another length, and a sidecar made from the wrong text.
Rulings
    #1729 to #1855 are rows with the sidecar (2026-04-29): 151,074,499 bytes. #2071 was refused for
    transformed bytes (2026-05-02).
Example
    seed 42: 47,851,520 tokens x 2.40073153 / (ln 2 x 1.00692894) imply 164,594,398 bytes, +8.94 % against
    the 151,080,891 bytes of the validation text: the bytes of the case-transformed text are counted, not
    those of the original text in the byte sidecar; score with the sidecar's bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_applicable, not_checked, passed
from harness.evidence.byte_surplus import ORIGINAL_TEXT
from harness.evidence.validation_bytes import Agreement, diagnose, equation, measure, tokens_of
from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding, Place

RULE = "caseops-sidecar"

_SETTINGS = ("caseops_enabled", "val_bytes_files", "byte_sidecar", "val_byte_sidecar")


def check(case: Case) -> Iterator[Finding]:
    """One finding per seed that scored a transformed stream."""
    findings = [finding for seed in case.evidence.seeds for finding in _judge(case, seed)]
    yield from findings
    if not findings:
        unknown = not any(tokens_of(seed) for seed in case.evidence.seeds)
        if unknown:
            yield not_checked(RULE, "no log prints val_tokens: the stream is unknown")
        else:
            yield not_applicable(RULE, "the scored stream is not a case-transformed one")


def _judge(case: Case, seed: SeedEvidence) -> Iterator[Finding]:
    implied = measure(seed)
    found = diagnose(implied, case.limits) if implied is not None else None
    if implied is None or found is None:
        return
    said = f"{seed_label(seed.seed)}: {equation(implied, case.limits)}"
    places = (*implied.places(), *_settings(seed))
    breach = found.agreement is Agreement.OFF and found.rule == RULE
    if breach and implied.is_mixture:
        yield needs_human(
            RULE,
            f"{said}; as if {found.cause}, but {implied.label!r} names a mixture",
            *places,
            ask=ORIGINAL_TEXT,
        )
    elif breach:
        yield failed(RULE, f"{said}: {found.cause}; score with the sidecar's bytes", *places)
    elif found.agreement is Agreement.EXACT and found.stream is not None and "CaseOps" in found.stream.name:
        yield passed(RULE, f"{said}: those of the original text", *places)


def _settings(seed: SeedEvidence) -> tuple[Place, ...]:
    runs = [run for run in (seed.run, seed.training_run) if run is not None]
    for run in runs:
        for key in _SETTINGS:
            if key in run.hyperparameters:
                setting = run.hyperparameters[key]
                return (setting.place(f"{key}: {setting.value}", Role.RELATED),)
    return ()
