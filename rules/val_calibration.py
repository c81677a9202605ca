"""val-calibration: quantisation is not calibrated on validation tokens that are not yet scored.

What it checks
    Which tokens the statistics of the quantiser come from, in the code and in what log and README say.
Why it matters
    Scales and roundings fitted to the validation set carry it into the artifact.
What is allowed instead
    Calibrate on training data inside the 600 seconds, or on data the model generates.
How it is detected
    The static audit follows the tokens into the statistics and the quantised weights into the counted
    score. Validation tokens given to a function that registers hooks on layers ask a person. A log line that
    calibrates and names validation data fails too. README words ask a person.
What it cannot see
    Calibration in code that cannot be followed.
Rulings
    #728 (2026-03-25): calibration on validation tokens is not allowed; its variant with self-generated data
    was merged as #1019.
Example
    train_seed42.log:912 says that calibration reads validation data ('gptq: calibrating on val tokens,
    41.2s'); calibrate on training data inside the budget or on generated data
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.audit.score_order.evidence_chain import at, placed
from harness.audit.score_order.family import order_of, own_findings
from harness.case import failed, needs_human, not_applicable, not_checked, passed
from harness.evidence.code_facts import fact_place
from harness.evidence.stated_methods import readme_says
from harness.evidence.validation_use import validation_tokens_given
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

RULE = "val-calibration"

_CALIBRATES = re.compile(r"calibrat|hessian|gptq", re.IGNORECASE)
_LOG_LINE = re.compile(
    r"(?:calibrat|hessian)\w{0,6}\b.{0,40}\b(?:on|from|with|using|over)\b.{0,24}\bval(?:idation)?\b(?! ?loss)"
    r"|\bval(?:idation)?[ _-]calibrat",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"\b(?:calibrat\w{0,6}|hessians?)\b.{0,40}\b(?:on|from|with|using)\b.{0,24}\bval(?:idation)? "
    r"(?:tokens|data|set|split|shard)",
    re.IGNORECASE,
)


def check(case: Case) -> Iterator[Finding]:
    """The code first, then the logs, then the README."""
    mine = own_findings(case, RULE)
    yield from mine
    if mine:
        return
    given = validation_tokens_given(case, "statistics")
    if given is not None:
        yield needs_human(
            RULE,
            f"{given['file']}:{given['line']} gives validation tokens to a function that watches the layers "
            "of a network; calibrate on training data inside the budget or on generated data",
            fact_place(case, given, "takes validation tokens", Role.PRIMARY),
            ask="Are quantised weights made from what is collected here, before these tokens are scored?",
        )
        return
    for run in (run for seed in case.evidence.seeds if (run := seed.training_run or seed.run)):
        for timed in run.timed:
            line = timed.seconds.excerpt or ""
            if _LOG_LINE.search(line):
                yield failed(
                    RULE,
                    f"{timed.seconds.file}:{timed.seconds.line} says that calibration reads validation data "
                    f"({line.strip()[:120]!r}); calibrate on training data inside the budget or on "
                    "generated data",
                    timed.seconds.place("calibration on validation data"),
                )
                return
    said = next(readme_says(case.submission, _WORDS), None)
    entry = case.submission.code.entry
    if said is not None:
        yield needs_human(
            RULE,
            f"the README speaks of calibration on validation data: {said.value[:160]!r}",
            said.place("its own words"),
            ask="Does the submitted run calibrate on validation tokens before they are scored?",
        )
    elif (seen := _calibrates_elsewhere(case)) is not None:
        yield seen
    elif entry is not None and entry.text is not None and not _CALIBRATES.search(entry.text):
        yield not_applicable(RULE, "the script has no calibration step")
    else:
        yield not_checked(
            RULE, "no log or README says what calibration reads, and the code was not followed to it"
        )


def _calibrates_elsewhere(case: Case) -> Finding | None:
    """A pass: statistics were seen, and none of them comes from validation tokens."""
    reading = order_of(case)
    if reading is None or case.audit is None or not reading.is_clean:
        return None
    seen = [each for each in reading.index.updates.values() if each.kind is StateKind.STATISTICS]
    if not seen:
        return None
    where, split = seen[0].at, seen[0].region.split.value
    return passed(
        RULE,
        f"the statistics at {at(where)} come from {split} tokens",
        *placed(case.audit, [(where, f"learns from {split} tokens")], where),
    )
