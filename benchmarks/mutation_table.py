"""Prints which mutations of our scripts the static audit catches, as a markdown table for the manual.

    python -m benchmarks.mutation_table            # the small programs, about half a minute
    python -m benchmarks.mutation_table --packed   # the packed scripts as well

A mutation is "caught" when a rule that fits its breach accuses it and shows the decisive line, a legal twin
is "cleared" when nothing accuses it and its rule clears it, what code alone cannot tell is "left open". The
tests of tests/programs demand the same.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from tests.programs.all_twins import BASES, TWINS
from tests.programs.edits import Expected
from tests.programs.judging import answer, judged, rules_of, twin_files
from tests.programs.packed_twins import FOLDERS, PACKED_TWINS, folder_files, packed_bases

_RESULTS = {
    Expected.VIOLATION: ("caught", "missed"),
    Expected.SUSPECT: ("asked", "missed"),
    Expected.UNRESOLVED: ("left open", "not left open"),
    Expected.CLEAN: ("cleared", "not cleared"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packed", action="store_true", help="the packed scripts too")
    parser.add_argument("--why", action="store_true", help="say below the table what is wrong with a miss")
    parser.add_argument("--misses", action="store_true", help="as entries of known_misses.py")
    options = parser.parse_args()
    twins = (*TWINS, *PACKED_TWINS) if options.packed else TWINS
    bases = {**BASES, **packed_bases()}
    counts: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    print("| mutation | base | expected | rule | verdict | result |\n|---|---|---|---|---|---|")
    for twin in twins:
        text = twin.text(bases)
        files = folder_files(twin.base) if twin.base in FOLDERS else None
        with tempfile.TemporaryDirectory() as root:
            said = answer(
                twin, text, judged(text, Path(root), files or twin_files(twin), rules_of(twin.breach))
            )
        right, wrong = _RESULTS[twin.expected]
        result = right if said.is_right else wrong
        counts[result] += 1
        name = twin.name.replace("-", " ")
        print(f"| {name} | {twin.base} | {twin.expected} | {said.rule} | {said.verdict} | {result} |")
        if not said.is_right:
            reasons[twin.name] = said.wrong
    print("\n" + ", ".join(f"{count} {result}" for result, count in sorted(counts.items())))
    if options.why:
        print("\n" + "\n".join(f"- {name}: {why}" for name, why in reasons.items()))
    if options.misses:
        print("\n" + "".join(f"    {name!r}: {why[:160]!r},\n" for name, why in reasons.items()))


if __name__ == "__main__":
    main()
