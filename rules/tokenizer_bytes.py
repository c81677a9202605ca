"""tokenizer-bytes: tokenizer files are not counted, as long as they are a tokenizer.

What it checks
    The tokenizer and vocabulary files of the folder and their sizes.
Why it matters
    Nobody counts them, so a "tokenizer" could carry lookup tables or text of the validation set for free.
What is allowed instead
    A SentencePiece or TokenMonster model of ordinary size: the merged rows ship 366,510 to 370,917 bytes.
How it is detected
    By name (.model, .vocab, .tiktoken, tokenizer*.json, vocab and merges files) and size: at most 1,000,000
    bytes passes, more goes to a person (D4).
What it cannot see
    What is inside: sizes and names are read, the files are not loaded.
Rulings
    train_gpt.py on main counts script and model only (A5). Issue #43, 2026-03-19, got no answer.
    Rows #1736 to #1855 (A3) ship a 366,510-byte .model uncounted. Undecided: D4.
Example
    tokenizers/big.model has 2,400,000 bytes, 1,400,000 more than any tokenizer needs (limit 1,000,000), and
    nobody counts it
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.case import needs_human, not_applicable, not_checked, passed
from harness.finding import Confidence, Place
from harness.submission import FileKind
from harness.wording import count_of, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding
    from harness.submission import FileEntry

RULE = "tokenizer-bytes"

_NAME = re.compile(
    r".*\.(model|vocab|tiktoken|spm|bpe)|(tokenizer|vocab|merges)[^/]*\.(json|txt|yaml|yml|bin)",
    re.IGNORECASE,
)


def _is_tokenizer(entry: FileEntry) -> bool:
    return entry.kind is not FileKind.SUBMODULE and bool(_NAME.fullmatch(PurePosixPath(entry.path).name))


def check(case: Case) -> Iterator[Finding]:
    """One finding for each file over the limit or of unknown size, one for all others."""
    limit = case.limits.integer("artifact.tokenizer_max_bytes")
    files = [entry for entry in case.submission.files if _is_tokenizer(entry)]
    if not files:
        yield not_applicable(RULE, "the folder holds no tokenizer file")
        return
    small: list[FileEntry] = []
    for entry in files:
        size = entry.size_bytes
        if size is None:
            yield not_checked(
                RULE, f"{entry.path}: its size is not in this clone; fetch the object to decide"
            )
        elif size > limit:
            yield needs_human(
                RULE,
                f"{entry.path} has {size:,} bytes, {size - limit:,} more than any tokenizer needs (limit "
                f"{limit:,}), and nobody counts it",
                Place(file=entry.path, note=f"{size:,} bytes, uncounted"),
                ask="Is this file a tokenizer and nothing else?",
            )
        else:
            small.append(entry)
    if small:
        names = listed([f"{entry.path} {entry.size_bytes or 0:,} bytes" for entry in small], 4)
        yield passed(
            RULE,
            f"{count_of(len(small), 'tokenizer file')} by name and size, uncounted in practice: {names}",
            *(Place(file=entry.path) for entry in small[:1]),
            confidence=Confidence.MEDIUM,
        )
