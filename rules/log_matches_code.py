"""log-matches-code: the logs come from the code that is shipped.

What it checks
    The code size each counted run printed against the script in the folder, the source printed into the log
    against that script, the settings it printed against the documented commands, and whether the script can
    have printed the claimed score at all.
Why it matters
    A log of other code proves the score of other code, and one of other settings that of other settings.
What is allowed instead
    Changes of white space and comments after the run, or packing; say so in the README, and run again when
    the program changed.
How it is detected
    Logged size equal to the file (also unpacked, or with its helpers), within 16 bytes, different, or not the
    same for all seeds. A source dump is compared line by line with every script of the folder, ignoring
    white space and empty lines. Printed numbers and switches are compared with every command of the README
    and the shell scripts; a value that one of them states is explained. Without a log the README's only
    command is compared with the only shell script. The line with the claimed score must fit a text that the
    script prints; it is of other code when none fits and a word of it stands in no file.
What it cannot see
    Settings that the log does not print, edits that keep the size when no source is printed, and texts that
    are put together from the environment.
Rulings
    #2124, 2026-05-02 (A2): seeds that ran different configurations. Issue #1594, 2026-04-13 (A6), on #1493:
    log keys absent from the code; the row stayed. #1060 re-ran after stripping its code.
Example
    the source printed into train_seed1337.log (2,810 lines) differs from train_gpt.py (2,794): 94 lines
    only in the log, 78 only in the script; ship the code that ran, or run again
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.audit.events import OTHER_CODE, Unresolved
from harness.audit.profiles.contradictions import contradictions
from harness.case import not_checked, noted, passed, warned
from harness.evidence.byte_count import count_bytes
from harness.finding import Place, Role
from harness.wording import count_of, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.audit.profiles.contradictions import Contradiction
    from harness.case import Case
    from harness.evidence.byte_count import CodeBytes, SeedBytes
    from harness.finding import Finding, Sourced
    from harness.submission import Submission

RULE = "log-matches-code"

_NEAR_BYTES = 16  # line ends, a trailing newline, a changed default
_NEAR_LINES = 5
_SHOWN_AT_MOST = 4  # contradicting settings
# How far a packed size may lie below our tightest and above our plain packing (minifiers and codecs differ).
_TIGHTER = 0.8
_LOOSER = 1.25


def _lines(text: str) -> Counter[str]:
    """Lines without their white space; order does not matter for counting differences."""
    return Counter(stripped for line in text.splitlines() if (stripped := "".join(line.split())))


def _scripts(submission: Submission) -> dict[str, str]:
    """Every readable Python text of the folder by path, the unpacked entry first."""
    code = submission.code
    files = (code.entry, *code.closure)
    scripts = {file.path: file.text for file in files if file is not None and file.text is not None}
    for path, text in submission.texts.items():
        if path.endswith(".py"):
            scripts.setdefault(path, text.text)
    return scripts


def _known_sizes(case: Case, seeds: tuple[SeedBytes, ...]) -> dict[int, str]:
    """Sizes the shipped code can be logged with, and what each would be."""
    sizes: dict[int, str] = {}
    for path, text in _scripts(case.submission).items():
        sizes.setdefault(len(text.encode("utf-8", "replace")), path)
    for entry in case.submission.files:
        if entry.path.endswith(".py") and entry.size_bytes is not None:
            sizes.setdefault(entry.size_bytes, entry.path)
    code = seeds[0].code
    for size, name in ((code.shipped, "all shipped code"), (code.readable, "all code unpacked")):
        if size is not None:
            sizes.setdefault(size, name)
    return sizes


def _is_packed_size(size: int, code: CodeBytes) -> bool:
    """True for a size that the shipped script can be packed to, by a tighter or a looser packer than ours."""
    if code.entry is None or code.tightest is None or size >= code.entry:
        return False
    loosest = code.entry if code.packed is None else code.packed * _LOOSER
    return _TIGHTER * code.tightest <= size <= loosest


def _entry_words(case: Case) -> str:
    entry = case.submission.code.entry
    return f"{entry.path} has {entry.shipped_bytes:,} bytes" if entry is not None else "no script is shipped"


def _size_findings(case: Case, seeds: tuple[SeedBytes, ...]) -> Iterator[Finding]:
    logged: list[Sourced[int]] = [seed.logged_code for seed in seeds if seed.logged_code is not None]
    if not logged:
        return
    values = sorted({value.value for value in logged})
    if len(values) > 1:
        yield warned(
            RULE,
            f"the seeds logged different code sizes: {', '.join(f'{value:,}' for value in values[:5])} "
            f"bytes, up to {values[-1] - values[0]:,} apart: an edit, or another way of counting, between "
            "the runs. Say in the README what changed, or run all seeds with one file",
            *(
                value.place(f"{value.value:,} bytes", Role.RELATED if index else Role.PRIMARY)
                for index, value in enumerate(logged[:5])
            ),
        )
    sizes = _known_sizes(case, seeds)
    code = seeds[0].code
    for value in logged:
        size = value.value
        nearest = min(sizes, key=lambda known: abs(known - size), default=None)
        if nearest is None:
            return
        apart = abs(nearest - size)
        if apart <= _NEAR_BYTES:
            exact = "exactly" if not apart else f"within {apart} bytes"
            yield passed(
                RULE,
                f"logged code size {size:,} is {exact} that of {sizes[nearest]}",
                value.place(),
            )
        elif _is_packed_size(size, code):
            yield noted(
                RULE,
                f"logged code size {size:,} is that of a packed script; {_entry_words(case)}",
                value.place("packed size"),
            )
        else:
            yield warned(
                RULE,
                f"logged code size {size:,} fits no script of the folder; the nearest, {sizes[nearest]}, "
                f"has {nearest:,} ({apart:,} apart). Ship the code that ran, or run again",
                value.place("code size"),
            )
        if len(values) == 1:
            return


def _dump_findings(case: Case) -> Iterator[Finding]:
    scripts = {path: _lines(text) for path, text in _scripts(case.submission).items()}
    used = {
        run.file for seed in case.evidence.seeds for run in (seed.run, seed.training_run) if run is not None
    }
    same = []
    for log in case.submission.logs:
        if log.path not in used or not log.dumps or not scripts:
            continue
        dump = log.dumps[0]
        ran = _lines(dump.text)
        apart = {path: max((ran - text).total(), (text - ran).total()) for path, text in scripts.items()}
        path = min(apart, key=lambda name: apart[name])
        only_ran, only_shipped = (ran - scripts[path]).total(), (scripts[path] - ran).total()
        place = Place(file=log.path, line=dump.first_line, end_line=dump.last_line, note="source printed")
        if not apart[path]:
            same.append(place)
            continue
        near = apart[path] <= _NEAR_LINES
        tell = noted if near else warned
        advice = "say in the README what changed" if near else "ship the code that ran, or run again"
        yield tell(
            RULE,
            f"the source printed into {log.path} ({count_of(ran.total(), 'line')}) differs from {path} "
            f"({scripts[path].total():,}): {count_of(only_ran, 'line')} only in the log, {only_shipped:,} "
            f"only in the script; {advice}",
            place,
            Place(file=path, role=Role.RELATED, note="shipped script"),
        )
    if same:
        yield passed(
            RULE,
            f"the source printed in {count_of(len(same), 'log')} is the very one that is shipped",
            same[0],
        )


def _setting_findings(case: Case) -> Iterator[Finding]:
    """One finding for each place whose commands contradict the run that was counted."""
    by_place: dict[tuple[str, str], list[Contradiction]] = {}
    for one in contradictions(case.audit.run_profiles) if case.audit is not None else ():
        by_place.setdefault((one.ran.file, one.stated.file), []).append(one)
    for (ran, _), found in by_place.items():
        shown = found[:_SHOWN_AT_MOST]
        more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
        words = listed([one.message() for one in shown], _SHOWN_AT_MOST)
        kind = "ran with" if found[0].is_logged else "sets"
        yield warned(
            RULE,
            f"{ran} {kind} {words}{more}. Document the command that was run, or run the documented one",
            *_both_places(shown),
        )


def _both_places(found: list[Contradiction]) -> Iterator[Place]:
    for number, one in enumerate(found):
        role = Role.RELATED if number else Role.PRIMARY
        yield Place(file=one.ran.file, line=one.ran.line, note=f"{one.name}={one.ran.value}", role=role)
        note = f"{one.name}={one.stated.value}"
        yield Place(file=one.stated.file, line=one.stated.line, note=note, role=Role.RELATED)


def _claim_findings(case: Case) -> Iterator[Finding]:
    """The line that carries the claimed score, when the script prints no such line."""
    if case.audit is None or case.audit.failure is not None:
        return
    for event in case.audit.claim.events:
        if isinstance(event, Unresolved) and event.reason == OTHER_CODE:
            yield warned(
                RULE,
                f"{event.detail}: other code made the counted run. Ship the code that ran, or run again",
                Place(file=event.at.file, line=event.at.line, note="claimed score", role=Role.PRIMARY),
            )


def check(case: Case) -> Iterator[Finding]:
    """Findings on the logged code size, printed sources, settings, and the print of the claimed score."""
    seeds = count_bytes(case)
    if case.submission.code.entry is None or not seeds:
        yield not_checked(RULE, "there is no script or no run to compare")
        return
    found = [
        *_size_findings(case, seeds),
        *_dump_findings(case),
        *_setting_findings(case),
        *_claim_findings(case),
    ]
    yield from found
    if not found:
        yield not_checked(RULE, "the logs print neither a code size nor the source; either would decide")
