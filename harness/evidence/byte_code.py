"""The code part of the byte rules: what tables of bytes per token hold, and how they are added up.

A table counts here when its function divides by it or hands it on. Whether the claimed number is one of those
divided by it is for a person, so every fault asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.case import needs_human
from harness.evidence.code_facts import fact_place, scan_facts
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding

ASK = "Does the claimed score divide by bytes counted this way?"

_FAULTS = {
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
    """One finding for the first table that counts sample tokens of the rule's kind otherwise."""
    for table, fact in _tables(case):
        faults = [one for one in table["faults"] if one["kind"] in _FAULTS[rule]]
        if not faults:
            continue
        worst = faults[0]
        where = {"file": fact["file"], "line": table["line"]}
        yield needs_human(
            rule,
            f"the table filled at {fact['file']}:{table['line']} counts {worst['counts']} bytes for "
            f"the token {worst['piece']!r}, which has {worst['should']}",
            fact_place(case, where, "fills the table", Role.PRIMARY),
            ask=ASK,
        )
        return


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


def _tables(case: Case) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for fact in scan_facts(case, "byte_tables") or ():
        counts = fact["divides"] or "bytes" in fact["returns"]
        if counts:
            for table in fact["tables"]:
                yield table, fact
