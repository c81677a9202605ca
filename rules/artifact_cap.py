"""artifact-cap: code plus compressed model fit in 16,000,000 bytes, for every reported seed.

What it checks
    The size of the artifact of each reported seed: bytes of code plus bytes of the compressed model, against
    the decimal cap of 16,000,000 (not 16 MiB). A total equal to the cap passes (D1).
Why it matters
    The cap is the challenge: every byte saved is room for more model. Totals within 100 bytes of it are
    common, so a few uncounted kilobytes decide places.
What is allowed instead
    A smaller model, a better codec, or a self-extracting train_gpt.py, which counts with its size on disk.
    Comments and docstrings count too.
How it is detected
    Three totals per seed: as logged by the counted run, as shipped (model plus scripts in the folder) and as
    packed by us. It fails when even the model plus the tightest code we can pack is over, or when every total
    the submission itself states (log and submission.json) is over and nothing smaller is shipped (#1809).
    When the submission contradicts itself about a seed - its log over the cap, the claim for that seed
    under it - and packing could bring it under, that is dispute D2 and a person decides (the accepted #1412
    is such a case; #1809 claims no total under the cap); so is a log total over the cap next to a shipped
    script that brings it under. One total for the whole submission is no claim about a seed whose log prints
    another. Only totals of the counted run are used: bytes claimed from another retry do not save it.
    Stated totals under the cap with larger code in the folder are reported by code-bytes-compressed-claim
    and code-location; in the text profile they fail here. Files of the folder that the code opens, beside
    model, tokenizer and public data, are added too: where only they take the total over the cap, a person
    is asked what they are (the text profile fails it). A log that no README, submission.json or script
    claims is no reported seed.
What it cannot see
    The model file itself: it is hardly ever in the repository, so its size is what the log says.
Rulings
    README FAQ, a15093ada, 2026-03-18 (A1): 16,000,000 decimal bytes, code plus compressed model.
    #1809, 2026-04-26 (A2): refused at 16,024,793. #1959, 2026-05-02 (A2): refused at 15,976,086 + 66,546.
    #1412, merged (A3): log totals 16,054,963 to 16,059,704 with 15,976,275 claimed, tolerated.
    #542, merged as non-record (A3) at 16,638,468: a warning on the non-record boards.
Example
    seed 42: 16,024,793 bytes as train_seed42.log states, 24,793 over the cap of 16,000,000 (model
    15,974,561 + code 50,232 as logged; as logged 16,024,793, as shipped 16,024,793, packed by us
    15,991,813). Shrink the model, or ship train_gpt.py as a self-extracting wrapper.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.case import Profile, failed, needs_human, not_checked, noted, passed
from harness.evidence.byte_count import count_bytes, is_unclaimed
from harness.evidence.cap_standing import Standing, standing_of
from harness.finding import Confidence, Place, Role
from harness.wording import count_of, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.byte_count import SeedBytes
    from harness.finding import Finding

RULE = "artifact-cap"


def _parts(seed: SeedBytes) -> str:
    """Model, code and the three totals in brackets."""
    model = f"model {seed.model.value:,}" if seed.model else "model size not printed"
    code = f" + code {seed.logged_code.value:,} as logged" if seed.logged_code else ""
    totals = seed.counts()
    return f"{model}{code}; {totals}" if totals else f"{model}{code}"


def _claim_note(seed: SeedBytes, cap: int) -> str:
    """A sentence about a claim that does not fit the counted run, empty if it fits or there is none."""
    logged, claim = seed.logged_total, seed.claimed_total
    if logged is None or claim is None or claim.value > cap or logged.value <= cap:
        return ""
    if seed.model is not None and claim.value == seed.model.value:
        return f" {claim.file} claims {claim.value:,}, which is the model without any code."
    return f" {claim.file} claims {claim.value:,}, which the run that gave the score did not print."


def _over_even_packed(seed: SeedBytes, cap: int) -> Finding:
    least = seed.least_total or 0
    return failed(
        RULE,
        f"{seed.name}: at least {least:,} bytes, {least - cap:,} over the cap of {cap:,} even with the code "
        f"packed as tightly as we can ({_parts(seed)}).{_claim_note(seed, cap)} Shrink the model.",
        *seed.places(),
    )


def _over_stated(seed: SeedBytes, cap: int) -> Finding:
    total = seed.stated[0]
    return failed(
        RULE,
        f"{seed.name}: {total.value:,} bytes as {total.file} states, {total.value - cap:,} over the cap of "
        f"{cap:,} ({_parts(seed)}). Shrink the model, or ship train_gpt.py as a self-extracting wrapper.",
        *seed.places(),
    )


def _over_until_wrapped(seed: SeedBytes, cap: int) -> Finding:
    total = max(seed.stated, key=lambda stated: stated.value)
    message = (
        f"{seed.name}: {total.file} states {total.value:,} bytes, {total.value - cap:,} over the cap of "
        f"{cap:,}, but the model and the script as shipped ({seed.code.shipped or 0:,} bytes) make "
        f"{seed.shipped_total or 0:,} ({_parts(seed)})."
    )
    ran = f"{seed.logged_code.value:,} bytes of code" if seed.logged_code else "the code"
    ask = f"Is the shipped script the same program as the {ran} that the log counted?"
    if seed.logged_code is not None and seed.logged_code.value == seed.code.shipped:
        message += " The stated total does not fit the run's own model and code sizes."
        ask = "Is the stated total something else than the size of this artifact?"
    elif seed.code.wrapped:
        same = " Unpacked it has exactly the logged size." if _unpacks_to_logged(seed) else ""
        message += (
            f"{same} Wrapped scripts count with their size on disk (#1394), yet #1959 was refused on its log."
        )
    return needs_human(RULE, message, *seed.places(), ask=ask)


def _unpacks_to_logged(seed: SeedBytes) -> bool:
    return seed.code.wrapped and seed.logged_code is not None and seed.code.readable == seed.logged_code.value


def _contradictory(seed: SeedBytes, cap: int, profile: Profile) -> Finding:
    over = max(seed.stated, key=lambda stated: stated.value)
    message = (
        f"{seed.name}: {over.file} states {over.value:,} bytes, {over.value - cap:,} over the cap of "
        f"{cap:,} ({_parts(seed)}).{_claim_note(seed, cap)} Ship the packed script that the claim counts on."
    )
    if profile is Profile.TEXT:
        return failed(RULE, message, *seed.places())
    return needs_human(
        RULE,
        message,
        *seed.places(),
        ask="May the code count packed here, although the log counted it readable and no wrapper is shipped?",
    )


def _over_by_shipped_code(seeds: list[SeedBytes], cap: int, profile: Profile) -> Finding:
    """One finding for all seeds that fit as stated, but not with the code lying in the folder."""
    worst = max(seeds, key=lambda seed: seed.shipped_total or 0)
    total = worst.shipped_total or 0
    cause, other = (
        ("the entry script as shipped", "code-bytes-compressed-claim")
        if standing_of(worst, cap) is Standing.OVER_AS_SHIPPED
        else ("the helper files beside the entry script", "code-location")
    )
    names = ", ".join(seed.name for seed in seeds)
    message = (
        f"{names}: up to {total:,} bytes with {cause}, {total - cap:,} over the cap of {cap:,} "
        f"({_parts(worst)})"
    )
    if profile is Profile.TEXT:
        return failed(RULE, f"{message}. Ship the packed script.", *worst.places())
    return noted(RULE, f"{message}: within the cap as stated; see {other}", *worst.places())


def _over_by_data_files(seeds: list[SeedBytes], cap: int, profile: Profile) -> Finding:
    """One finding for all seeds that fit, but not with the data files that the code opens."""
    worst = max(seeds, key=lambda seed: seed.data_total or 0)
    total = worst.data_total or 0
    largest = sorted(worst.data_files, key=lambda file: -file.shipped_bytes)
    names = listed([f"{file.path} ({file.shipped_bytes:,} bytes)" for file in largest], 3)
    message = (
        f"{', '.join(seed.name for seed in seeds)}: model and code make {worst.shipped_total or 0:,} bytes, "
        f"but the script also opens {names}: up to {total:,}, {total - cap:,} over the cap of {cap:,} "
        f"({_parts(worst)}). Put such tables into the compressed model and count it."
    )
    places = [
        file.reached_from.place(f"opens {file.path}") if file.reached_from else Place(file=file.path)
        for file in largest[:1]
    ]
    places += [replace(place, role=Role.RELATED) for place in worst.places()]
    if profile is Profile.TEXT:
        return failed(RULE, message, *places)
    ask = f"Does the run read {largest[0].path}, and is it more than the counted model or public data?"
    return needs_human(RULE, message, *places, ask=ask)


def _not_proven(seed: SeedBytes, standing: Standing) -> Finding:
    if standing is Standing.CLAIM_ONLY:
        stated = seed.stated[0].value if seed.stated else 0
        said = f"{stated:,} bytes are claimed" if stated else "only a model size is known"
        return not_checked(
            RULE,
            f"{seed.name}: {said}, but no run prints a total; a log with the size lines would decide",
            *seed.places(),
        )
    return not_checked(
        RULE,
        f"{seed.name}: no model size and no total in the logs or submission.json; the lines 'Serialized "
        "model ...' and 'Total submission size ...' would decide",
    )


def _within(seeds: list[SeedBytes], cap: int, thin_bytes: int) -> Finding:
    """One finding for all seeds that fit, with the largest of them."""

    def largest(seed: SeedBytes) -> int:
        return max([total.value for total in seed.stated] or [seed.shipped_total or 0])

    worst = max(seeds, key=largest)
    total = largest(worst)
    what = count_of(len(seeds), "seed") if len(seeds) > 1 else worst.name
    message = f"{what}, at most {total:,} bytes, {cap - total:,} under the cap of {cap:,} ({_parts(worst)})"
    if cap - total < thin_bytes:
        return noted(RULE, f"{message}: a thin margin, so every byte of the count matters", *worst.places())
    sure = Confidence.HIGH if worst.shipped_total is not None else Confidence.MEDIUM
    return passed(RULE, message, *worst.places(), confidence=sure)


def _unclaimed(seed: SeedBytes, cap: int) -> Finding:
    largest = max([total.value for total in seed.stated] or [seed.least_total or 0])
    return needs_human(
        RULE,
        f"{seed.name}: a log prints {largest:,} bytes, {largest - cap:,} over the cap of {cap:,}, but the "
        "folder has no submission.json, README or script that claims this run",
        *seed.places(),
        ask="Is this log the evidence of a submission?",
    )


def _headline_over(case: Case, cap: int) -> Finding | None:
    """The one total of submission.json is over the cap, although no run printed such a total."""
    headline = case.submission.json.total_bytes
    if headline is None or headline.value <= cap or len(case.evidence.seeds) < 2:
        return None
    return needs_human(
        RULE,
        f"{headline.file} states {headline.value:,} bytes, {headline.value - cap:,} over the cap of "
        f"{cap:,}; the counted runs printed less. Correct the number, or shrink the artifact.",
        headline.place("total claimed"),
        ask="Is the total in submission.json a mistake?",
    )


def _of_one_seed(case: Case, seed: SeedBytes, standing: Standing, cap: int) -> Finding:
    """The finding of a seed that is over the cap or unproven."""
    if standing in {Standing.CLAIM_ONLY, Standing.UNKNOWN}:
        return _not_proven(seed, standing)
    if is_unclaimed(case.submission):
        return _unclaimed(seed, cap)
    if standing is Standing.OVER_EVEN_PACKED:
        return _over_even_packed(seed, cap)
    if standing is Standing.OVER_STATED:
        return _over_stated(seed, cap)
    if standing is Standing.OVER_UNTIL_WRAPPED:
        return _over_until_wrapped(seed, cap)
    return _contradictory(seed, cap, case.profile)


def check(case: Case) -> Iterator[Finding]:
    """One finding for each seed over the cap or unproven, one for all that fit."""
    cap = case.limits.integer("artifact.cap_bytes")
    seeds = count_bytes(case)
    if not seeds:
        yield not_checked(RULE, "no log and no claim of a seed: a log with the size lines would decide")
        return
    fitting: list[SeedBytes] = []
    by_code: list[SeedBytes] = []
    by_data: list[SeedBytes] = []
    over = False
    for seed in seeds:
        standing = standing_of(seed, cap)
        if standing is Standing.WITHIN:
            fitting.append(seed)
        elif standing in {Standing.OVER_AS_SHIPPED, Standing.OVER_WITH_HELPERS}:
            by_code.append(seed)
        elif standing is Standing.OVER_WITH_DATA:
            by_data.append(seed)
        else:
            over = over or standing not in {Standing.CLAIM_ONLY, Standing.UNKNOWN}
            yield _of_one_seed(case, seed, standing, cap)
    if by_code:
        yield _over_by_shipped_code(by_code, cap, case.profile)
    if by_data:
        yield _over_by_data_files(by_data, cap, case.profile)
    if fitting:
        yield _within(fitting, cap, case.limits.integer("artifact.thin_margin_bytes"))
    if not over and (headline := _headline_over(case, cap)) is not None:
        yield headline
