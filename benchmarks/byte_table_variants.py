"""Which functions make the byte tables of the records on main, by the digest of their syntax.

    python -m benchmarks.byte_table_variants --clone CLONE [--rev main] [--write FILE]

Every record folder of the record track is read; functions that build a table of bytes per token are listed
with the folders that have them. --write makes the data file of the byte rules (`rules/byte_tables.toml`): it
holds only functions that count ten sample tokens rightly or cannot be computed on them; the others are named
on the screen. Nothing of a record is executed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.audit.program import Program
from harness.audit.scans.byte_tables import scan_byte_tables
from harness.audit.scans.scanned_program import ProgramIndex, ScannedProgram
from harness.audit.submission_audit import audited_sources
from harness.errors import GolfError
from harness.evidence.byte_code import FAULTS, counts_bytes
from harness.git.pull_request import open_clone
from harness.submission import Track
from harness.submission_reader import read_submission
from harness.targets import Target, open_target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from harness.git.pull_request import Clone

EXAMPLES = 3
_KINDS = frozenset(kind for kinds in FAULTS.values() for kind in kinds)


@dataclass(slots=True)
class Variant:
    """One way of making the tables, with the folders that do it so."""

    digest: str
    is_computed: bool
    faults: tuple[str, ...]
    folders: list[str] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        """Whether the rules may rely on it: nothing is seen to be counted wrongly."""
        return not _KINDS & set(self.faults)


def variants_of(clone: Clone, revision: str) -> list[Variant]:
    """The variants of the record track, the most frequent first."""
    found: dict[str, Variant] = {}
    for folder in clone.record_folders(revision):
        target = Target(revision=revision, entry=folder, whole_tree=True)
        try:
            opened = open_target(target, clone)
            submission = read_submission(opened.tree, opened.origin, opened.changes)
        except GolfError as error:
            print(f"# {folder}: {error}")
            continue
        entry = submission.code.entry
        if submission.track is not Track.RECORD or entry is None:
            continue
        sources = audited_sources(submission)
        texts = {path: source.text for path, source in sources.items() if source.text is not None}
        for fact in builder_facts(Program(entry=entry.path, sources=texts)):
            variant = found.setdefault(
                fact["digest"],
                Variant(digest=fact["digest"], is_computed=fact["evaluated"], faults=_faults(fact)),
            )
            if folder not in variant.folders:
                variant.folders.append(folder)
    return sorted(found.values(), key=lambda one: (-len(one.folders), one.digest))


def builder_facts(program: Program) -> list[dict[str, Any]]:
    """Facts of functions whose table is a byte count, or might be one where it cannot be computed."""
    facts = scan_byte_tables(ProgramIndex(ScannedProgram(program)))
    return [fact for fact in facts if fact["digest"] is not None and counts_bytes(fact)]


def _faults(fact: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted({fault["kind"] for table in fact["tables"] for fault in table["faults"]}))


def as_toml(variants: Iterable[Variant], commit: str) -> str:
    """The data file of the byte rules."""
    lines = [
        "# How records of the record track make their tables of bytes per token: digests of functions,",
        "# names and comments apart.",
        "# Made by `python -m benchmarks.byte_table_variants --clone CLONE --write FILE`.",
        f'commit = "{commit}"',
    ]
    for variant in variants:
        if not variant.is_accepted:
            continue
        lines += ["", "[[variant]]", f'digest = "{variant.digest}"', f"rows = {len(variant.folders)}"]
        lines.append("examples = [")
        lines += [f"    {json.dumps(folder)}," for folder in variant.folders[-EXAMPLES:]]
        lines.append("]")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the command line and list."""
    parser = argparse.ArgumentParser(description="Byte tables of the records on main.")
    parser.add_argument("--clone", type=Path, required=True)
    parser.add_argument("--rev", default="main")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the data file of the rules")
    chosen = parser.parse_args()
    clone = open_clone(chosen.clone)
    variants = variants_of(clone, chosen.rev)
    print("| digest | records | computed | wrong for | newest |")
    print("|---|---:|---|---|---|")
    for one in variants:
        wrong = ", ".join(one.faults) or "nothing"
        computed = "yes" if one.is_computed else "no"
        print(f"| {one.digest} | {len(one.folders):,} | {computed} | {wrong} | {one.folders[-1]} |")
    if chosen.write is not None:
        chosen.write.write_text(as_toml(variants, clone.main_commit or chosen.rev), encoding="utf-8")


if __name__ == "__main__":
    main()
