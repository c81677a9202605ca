"""What a submission says about itself in words: README sentences, its name, its title, its folder.

Words are claims, never measurements: rules use them to ask a person, or to confirm a second fact. A phrase
in a sentence that denies it ("no two-pass rescoring") does not count.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.finding import Sourced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.submission import Submission

LINE_LIMIT = 4_000  # characters of one line that are looked at
_DENIAL = re.compile(
    r"\b(?:no|not|never|neither|nor|none|without|instead of|rather "
    r"than|disabled?|avoid\w*|exclud\w+|remov\w+|drop\w*|illegal"
    r"|forbid\w*|forbidden|disallow\w*|banned|unlike|isn't|aren't|don't|doesn't|didn't|cannot|can't)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+|\s\|\s|\s[-*]\s")


def is_denied(sentence: str, start: int) -> bool:
    """True when a denial stands before position `start`, or closely after the phrase that begins there."""
    return bool(_DENIAL.search(sentence[:start]) or _DENIAL.search(sentence[start : start + 80]))


def readme_sentences(submission: Submission) -> Iterator[Sourced[str]]:
    """README sentences with their lines; code blocks are left out."""
    readme = submission.readme
    if readme is None:
        return
    in_code = False
    for number, line in enumerate(readme.text.splitlines(), start=1):
        if line.lstrip().startswith(("```", "~~~")):
            in_code = not in_code
            continue
        if in_code or not line.strip():
            continue
        for sentence in _SENTENCE_END.split(line[:LINE_LIMIT]):
            if sentence.strip():
                yield Sourced(sentence.strip(), readme.path, number, line.strip()[:200])


def readme_says(submission: Submission, pattern: re.Pattern[str]) -> Iterator[Sourced[str]]:
    """README sentences that use a phrase without denying it."""
    for sentence in readme_sentences(submission):
        match = pattern.search(sentence.value)
        if match is not None and not is_denied(sentence.value, match.start()):
            yield sentence


def names(submission: Submission) -> Iterator[Sourced[str]]:
    """What the submission is called: json name, pull request title, folder name, README heading."""
    if submission.json.name is not None:
        yield submission.json.name.with_value(submission.json.name.value[:LINE_LIMIT])
    if submission.origin.title:
        yield Sourced(submission.origin.title[:LINE_LIMIT], "pull request title")
    folder = PurePosixPath(submission.origin.entry or submission.origin.path).name
    if folder:
        yield Sourced(folder.replace("_", " "), submission.origin.entry or folder)
    readme = submission.readme
    lines = readme.text.splitlines() if readme else []
    heading = next(((n, line) for n, line in enumerate(lines, start=1) if line.startswith("#")), None)
    if heading is not None and readme is not None:
        yield Sourced(heading[1].lstrip("# ").strip()[:LINE_LIMIT], readme.path, heading[0], heading[1][:200])


def named(submission: Submission, pattern: re.Pattern[str]) -> Sourced[str] | None:
    """The first name that uses a phrase without denying it."""
    for name in names(submission):
        match = pattern.search(name.value)
        if match is not None and not is_denied(name.value, match.start()):
            return name
    return None


def commands(submission: Submission) -> Iterator[Sourced[str]]:
    """Lines a reader would run: README code blocks and shell scripts, one logical line each.

    Continuation lines are joined; the line number is that of the first.
    """
    sources: list[tuple[str, int, str]] = []
    if submission.readme is not None:
        in_code = False
        for number, line in enumerate(submission.readme.text.splitlines(), start=1):
            if line.lstrip().startswith(("```", "~~~")):
                in_code = not in_code
            elif in_code:
                sources.append((submission.readme.path, number, line))
    for path, text in submission.texts.items():
        if path.endswith((".sh", ".bash")):
            sources += [(path, number, line) for number, line in enumerate(text.text.splitlines(), start=1)]
    yield from _joined(sources)


def _joined(lines: list[tuple[str, int, str]]) -> Iterator[Sourced[str]]:
    held: tuple[str, int, str] | None = None
    for path, at, line in lines:
        number, text = at, line[:LINE_LIMIT].strip()
        if held is not None and held[0] == path:
            number, text = held[1], f"{held[2]} {text}"[:LINE_LIMIT]
        held = None
        if text.endswith("\\"):
            held = (path, number, text[:-1].rstrip())
        elif text and not text.startswith("#"):
            yield Sourced(text, path, number, text[:200])
    if held is not None:
        yield Sourced(held[2], held[0], held[1], held[2][:200])
