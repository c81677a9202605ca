"""The code part of the byte rules: what tables of bytes per token hold, and how they are added up.

A table counts here when its function divides by it or hands it on. Whether the claimed number is one of those
divided by it is for a person, so every fault asks. A function that accepted records share
(`rules/byte_tables.toml`) passes, and so does any other that counts ten sample tokens rightly.
"""

from __future__ import annotations

import tomllib
from functools import cache
from typing import TYPE_CHECKING

from harness.case import needs_human, passed
from harness.evidence.code_facts import fact_place, scan_facts, unseen_code
from harness.finding import Role
from harness.ruleset import RULES_DIR
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from harness.case import Case
    from harness.finding import Finding

ACCEPTED = RULES_DIR / "byte_tables.toml"
ASK = "Does the claimed score divide by bytes counted this way?"

FAULTS = {
    "bytes-byte-fallback": {"byte"},
    "bytes-leading-space": {"space-mark"},
    "bytes-boundary-zero": {"boundary"},
}
_SAID = {
    "unguarded": "adds the byte of the space before a token without asking whether a boundary stands there",
    "same-token": "asks the token itself, not the one before it, whether it is a boundary",
    "twice": "adds the byte of the space to a table that has it already",
}


def judge_byte_tables(case: Case, rule: str) -> Iterator[Finding]:
    """A question for the first table that counts sample tokens of the rule's kind otherwise, else a pass."""
    counting = [fact for fact in scan_facts(case, "byte_tables") or () if counts_bytes(fact)]
    for fact in counting:
        worst = _worst(fact, rule)
        if worst is None:
            continue
        table, fault = worst
        where = {"file": fact["file"], "line": fault.get("line", table["line"])}
        yield needs_human(
            rule,
            f"the table filled at {where['file']}:{where['line']} counts {fault['counts']} bytes for "
            f"the token {fault['piece']!r}, which has {fault['should']}",
            fact_place(case, where, "fills the table", Role.PRIMARY),
            ask=ASK,
        )
        return
    if counting and unseen_code(case) is None and all(_is_settled(fact) for fact in counting):
        yield _clean(case, rule, counting[0])


def counts_bytes(fact: Mapping[str, Any]) -> bool:
    """Whether a function's table is divided by or handed on, or might be: it could not be computed."""
    return fact["divides"] or "bytes" in fact["returns"] or not fact["evaluated"]


@cache
def accepted_variants() -> dict[str, dict[str, Any]]:
    """Functions of accepted records by their digest."""
    document = tomllib.loads(ACCEPTED.read_text(encoding="utf-8"))
    return {variant["digest"]: variant for variant in document["variant"]}


def _worst(fact: Mapping[str, Any], rule: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    for table in fact["tables"]:
        for fault in table["faults"]:
            if fault["kind"] in FAULTS[rule]:
                return table, fault
    return None


def _is_settled(fact: Mapping[str, Any]) -> bool:
    return fact["evaluated"] or fact["digest"] in accepted_variants()


def _clean(case: Case, rule: str, fact: Mapping[str, Any]) -> Finding:
    where = f"{fact['file']}:{fact['line']}"
    known = accepted_variants().get(fact["digest"])
    if known is None:
        said = f"the tables made at {where} count ten sample tokens as the published script does"
    else:
        said = (
            f"the tables made at {where} are those of {count_of(known['rows'], 'accepted record')}, such as "
            f"{known['examples'][-1]}"
        )
    return passed(rule, said, fact_place(case, fact, "makes the tables", Role.PRIMARY))


def judge_space_counting(case: Case, rule: str) -> Iterator[Finding]:
    """One finding for the first line that counts the space before a token wrongly."""
    for fact in scan_facts(case, "byte_counting") or ():
        if fact["kind"] in _SAID:
            yield needs_human(
                rule,
                f"{fact['file']}:{fact['line']} {_SAID[fact['kind']]}",
                fact_place(case, fact, "counts bytes", Role.PRIMARY),
                ask=ASK,
            )
            return


def adds_space_rightly(case: Case) -> bool:
    """Whether lines that add the space before a token were seen, all of them asking for a boundary."""
    kinds = [fact["kind"] for fact in scan_facts(case, "byte_counting") or ()]
    return bool(kinds) and all(kind == "guarded" for kind in kinds)
