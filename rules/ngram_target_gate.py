"""ngram-target-gate: a hint's weight does not depend on the class of the token being scored.

What it checks
    The gate counters a counted run prints for its n-gram hints, and gates and weights in Python code.
Why it matters
    A gate that opens only inside words, at word starts, or where experts agree on the true token looks at
    the answer before the probability is fixed.
What is allowed instead
    Gates that see the prefix only: the token gate of the counters.
How it is detected
    Counters named within, word or agree that are not zero in a counted run fail; in a run that is not
    counted they are a remark. All zero beside a token gate passes. In Python the static audit follows single
    tokens into tests and weights of a mixture: a table that counts only when it knows the token is one.
    Without counters it does not apply where the code was followed and gates nothing.
What it cannot see
    Gates in native code that print no counter: the suffix test looks for them.
Rulings
    #1437 (2026-04-07) mended the first case, #1420. Audit notes of 2026-05-02: #2140 and #2135 were
    acceptable with all three counters at zero; #2140's earlier state was not.
Example
    seed 42: within_gate=10,983,301: these hints depend on the class of the token being scored; set the
    boosts of those channels to zero and run it again
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.token_leaks.leak_family import leak_findings, why_not_clean
from harness.audit.token_leaks.leaks import LeakKind
from harness.case import failed, needs_human, not_applicable, not_checked, noted, passed
from harness.evidence.code_facts import fact_place, scan_facts
from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Finding, Place, Sourced
    from harness.logs.training_log import Run

RULE = "ngram-target-gate"

_TARGET_GATE = re.compile(r"(?:^|\.)(?:within|word)_gate$|(?:^|\.)agree\w{0,8}plus$")
_FIRST_WORD = re.compile(r"[a-z]+")
_BOOSTS_AT_MOST = 4  # of one file
_TOKEN_GATE = re.compile(r"(?:^|\.)token_gate$")


def check(case: Case) -> Iterator[Finding]:
    """One finding per counted seed with gate counters; remarks on other runs."""
    mine = leak_findings(case, RULE, LeakKind.TARGET_GATE)
    yield from mine
    seen = bool(mine)
    for seed in case.evidence.seeds:
        for finding in _counted(case, seed):
            seen = True
            yield finding
    others = [run for log in case.submission.logs for run in log.runs if not _is_counted(case, run)]
    for run in others:
        fired = _fired(run)
        if fired:
            seen = True
            yield noted(
                RULE,
                f"a run that is not counted used gates on the scored token: {_listed(fired)}",
                fired[0][1].place("gate counter"),
            )
    if not seen:
        yield _in_c(case) or _without_counters(case)


def _without_counters(case: Case) -> Finding:
    """The rule does not apply when the code was followed and gates nothing, else that is open."""
    missing = why_not_clean(case)
    if missing is not None:
        return not_checked(RULE, f"no log prints gate counters of n-gram hints, and {missing}")
    return not_applicable(RULE, "no log prints gate counters, and the code gates no hint")


def _in_c(case: Case) -> Finding | None:
    """C that writes a hint at a position under a condition on the token there; None without C sources."""
    facts = scan_facts(case, "c_target_gates")
    if not facts or not facts["sources"]:
        return None
    if facts["not_read"]:
        return not_checked(RULE, f"unresolved: {facts['sources'][0]['file']} is C, and {facts['not_read']}")
    if not facts["gates"]:
        return None
    gate = facts["gates"][0]
    return needs_human(
        RULE,
        f"{gate['file']}:{gate['line']} writes {gate['array']} only when the token read at line "
        f"{gate['token_line']} is of a class, and no log counts how often that was used",
        fact_place(case, gate, "written under the condition", Role.PRIMARY),
        ask="Are these hints used for the score of the same token in the claimed run?",
    )


def _counted(case: Case, seed: SeedEvidence) -> Iterator[Finding]:
    run = seed.run
    if run is None:
        return
    who, fired = seed_label(seed.seed), _fired(run)
    if fired:
        yield failed(
            RULE,
            f"{who}: {_listed(fired)}: these hints depend on the class of the token being scored; set the "
            "boosts of those channels to zero and run it again",
            fired[0][1].place("gate counter"),
            *(counter.place("gate counter", Role.RELATED) for _, counter in fired[1:]),
            *_boosts(case, [name for name, _ in fired]),
        )
        return
    tokens = [counter for key, counter in run.counters.items() if _TOKEN_GATE.search(key)]
    gates = [counter for key, counter in run.counters.items() if _TARGET_GATE.search(key)]
    if gates:
        through = f", {tokens[0].value:,} hints through the token gate" if tokens else ""
        yield passed(
            RULE,
            f"{who}: no hint passed a gate on the scored token{through}",
            gates[0].place("gate counters"),
        )


def _boosts(case: Case, counters: list[str]) -> Iterator[Place]:
    """Where the script reads the boosts of channels: their names begin with the counter's own word."""
    words = sorted({found[0].upper() for name in counters if (found := _FIRST_WORD.match(name))})
    if case.audit is None or not words:
        return
    setting = re.compile(rf"""["'](?:{"|".join(words)})_(?:[A-Z0-9]{{1,20}}_){{0,3}}BOOST["']""")
    for path, source in sorted(case.audit.sources.items()):
        lines = (source.text or "").splitlines()
        for number in [at for at, line in enumerate(lines, 1) if setting.search(line)][:_BOOSTS_AT_MOST]:
            yield fact_place(case, {"file": path, "line": number}, "boost of a gated channel")


def _fired(run: Run) -> list[tuple[str, Sourced[int]]]:
    return [
        (key.rpartition(".")[2], counter)
        for key, counter in run.counters.items()
        if _TARGET_GATE.search(key) and counter.value > 0
    ]


def _listed(fired: list[tuple[str, Sourced[int]]]) -> str:
    return ", ".join(f"{name}={counter.value:,}" for name, counter in fired)


def _is_counted(case: Case, run: Run) -> bool:
    return any(run is seed.run for seed in case.evidence.seeds) or run.duplicate_of is not None
