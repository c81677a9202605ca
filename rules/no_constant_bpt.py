"""no-constant-bpt: the bytes per token are counted, not a constant in the code.

What it checks
    Whether loss over score is a short decimal that the submission itself states as its bytes per token.
Why it matters
    A constant taken from some sample, or chosen, replaces the byte count of the validation text.
What is allowed instead
    Sum the bytes of the tokens that are scored.
How it is detected
    Loss / (ln 2 x score) of the counted run, else of submission.json, equals a number of at most five
    decimals to the last printed digit, that number stands in the log, the README or the script next to the
    words bytes per token, and no known tokenizer has it. Counting real text gives an endless decimal. The
    same coincidence without a stated constant asks a person, and so does a line of the code that divides by
    ln 2 and by a number with a fraction.
What it cannot see
    A constant with many digits, or one equal to a real tokenizer's mean.
Rulings
    #1017 (2026-03-28) names it. #2009 was refused for a constant of 2.7523 (2026-05-02).
Example
    submission.json: 2.00319596 / (ln 2 x 1.05003120) is 2.7523 bytes per token to the last digit, which
    no known tokenizer has, and the submission states it as its bytes per token; count the bytes of the
    scored tokens
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.case import failed, needs_human, not_checked, passed
from harness.evidence.code_facts import fact_place, of_the_logs, scan_facts
from harness.evidence.validation_bytes import is_precise, measure, measure_claim, stream_of_ratio
from harness.finding import Role, RuleVerdict, Sourced
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.validation_bytes import ImpliedBytes
    from harness.finding import Finding

RULE = "no-constant-bpt"

_WORDS = re.compile(r"bytes?[\W_]{0,3}(?:per|/)[\W_]{0,3}tok|\bbpt\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])\d\.\d{2,5}(?!\d)")
_LINES_AT_MOST = 20_000


def check(case: Case) -> Iterator[Finding]:
    """One finding per distinct ratio; not checked without a precise pair of loss and score."""
    found = [implied for seed in case.evidence.seeds if (implied := measure(seed)) and is_precise(implied)]
    claim = measure_claim(case.submission)
    if not found and claim is not None and is_precise(claim):
        found = [claim]
    if not found:
        yield not_checked(
            RULE,
            "no counted score is printed with its loss to 7 decimals or more, in a log or in submission.json",
        )
    judged = [_judge(case, implied) for implied in found]
    yield from judged
    if not any(one.verdict is RuleVerdict.FAIL for one in judged):
        yield from _in_code(case)


def _in_code(case: Case) -> Iterator[Finding]:
    """A number with a fraction that the code divides nats by, beside ln 2."""
    for fact in scan_facts(case, "bits_per_byte") or ():
        if fact["kind"] == "constant":
            number = {
                "file": fact.get("constant_file", fact["file"]),
                "line": fact.get("constant_line", fact["line"]),
            }
            yield needs_human(
                RULE,
                f"{fact['file']}:{fact['line']} divides by ln 2 and by the constant {fact['value']:g}, where "
                "counted bytes per token belong",
                fact_place(case, fact, "divides by a constant", Role.PRIMARY),
                fact_place(case, number, "the constant"),
                ask="Is the claimed score computed on this line?",
            )
            return


def _judge(case: Case, implied: ImpliedBytes) -> Finding:
    who = "submission.json" if implied.label == "submission.json" else seed_label(implied.seed)
    ratio = implied.bytes_per_token
    stream = stream_of_ratio(ratio, case.limits)
    short = round(ratio, 5)
    is_short = abs(ratio - short) <= 3 * implied.rounding * ratio and round(ratio, 4) == short
    if stream is not None or not is_short:
        like = f", as {stream.name} has" if stream is not None else ", no short constant"
        said = f"{who}: {ratio:.7f} bytes per token{like}{of_the_logs(case)}"
        return passed(RULE, said, *implied.places()[:1])
    said = (
        f"{who}: {implied.loss.value:.8f} / (ln 2 x {implied.score.value:.8f}) is {short:g} bytes per token "
        "to the last digit, which no known tokenizer has"
    )
    stated = next(_stated(case, short), None)
    if stated is None:
        return needs_human(
            RULE,
            f"{said}; counted text would give an endless decimal",
            *implied.places()[:1],
            ask=f"Is {short:g} a constant in the scoring code?",
        )
    return failed(
        RULE,
        f"{said}, and the submission states it as its bytes per token; count the bytes of the scored tokens",
        *implied.places()[:1],
        stated.place("the constant", Role.RELATED),
    )


def _stated(case: Case, constant: float) -> Iterator[Sourced[float]]:
    """Lines that state the constant as bytes per token: settings of the runs, README, script."""
    for run in (run for log in case.submission.logs for run in log.runs):
        for key, setting in run.hyperparameters.items():
            if _WORDS.search(key.replace(".", "_")) and _is(setting.value, constant):
                yield setting.with_value(constant)
    for fact in scan_facts(case, "bits_per_byte") or ():
        if fact["kind"] == "constant" and abs(fact["value"] - constant) < 1e-9:
            place = fact_place(case, fact)
            yield Sourced(constant, place.file, place.line, place.excerpt)
    texts = [(file.path, file.text) for file in (case.submission.readme,) if file is not None]
    entry = case.submission.code.entry
    if entry is not None and entry.text is not None:
        texts.append((entry.path, entry.text))
    for path, text in texts:
        for number, line in enumerate(text.splitlines()[:_LINES_AT_MOST], start=1):
            head = line[:2_000]
            if _WORDS.search(head) and any(_is(match, constant) for match in _NUMBER.findall(head)):
                yield Sourced(constant, path, number, head.strip()[:200])


def _is(printed: str, constant: float) -> bool:
    try:
        return abs(float(printed) - constant) < 1e-9
    except ValueError:
        return False
