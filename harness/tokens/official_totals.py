"""The validation totals of the challenge, for data folders that claim to be its export.

The bytes were recomputed from 165 merged logs and stated in PRs #1314, #1804 and #701: 151,080,891 UTF-8
bytes for the whole 50,000 documents after SentencePiece normalisation, the same for every lossless tokenizer.
The token count stands in the documents of a merged record: 62,021,846 loaded, 62,021,845 predicted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OFFICIAL_VAL_DOCUMENTS = 50_000  # data/download_hf_docs_and_tokenize.py: NUM_VAL_DOCS
OFFICIAL_VAL_BYTES = 151_080_891
_OFFICIAL_VAL_TOKENS = {"sp1024": 62_021_846}  # BOS included; other variants exist in several builds
_TOLERANCE = 1e-4  # tokenizer builds differ by tens of bytes; the known wrong counts start at 1 %
_OFFICIAL_FOLDER = re.compile(r"fineweb10B_(sp\d+|byte260)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialComparison:
    """Whether a validation split is the challenge's, in words with numbers."""

    agrees: bool
    words: str


def compare_with_official(
    folder_name: str, *, documents: int, tokens: int, utf8_bytes: int | None
) -> OfficialComparison | None:
    """Hold a split against the challenge's; None for data that neither is it nor claims to be.

    `utf8_bytes` is None where it could not be counted.
    """
    named = _OFFICIAL_FOLDER.fullmatch(folder_name)
    claims = named is not None
    if documents != OFFICIAL_VAL_DOCUMENTS:
        words = (
            f"{documents:,} documents, but the validation split of the challenge has "
            f"{OFFICIAL_VAL_DOCUMENTS:,} ({documents - OFFICIAL_VAL_DOCUMENTS:+,}); the folder is named as it"
        )
        return OfficialComparison(agrees=False, words=words) if claims else None
    expected_tokens = _OFFICIAL_VAL_TOKENS.get(named[1], tokens) if named is not None else tokens
    if tokens != expected_tokens:
        words = (
            f"{tokens:,} tokens, but the validation split of the challenge has {expected_tokens:,} "
            f"({tokens - expected_tokens:+,}); the folder is named as it"
        )
        return OfficialComparison(agrees=False, words=words)
    if utf8_bytes is None:
        words = f"{documents:,} documents, as the challenge has; its bytes are unchecked without a tokenizer"
        return OfficialComparison(agrees=True, words=words) if claims else None
    difference = utf8_bytes - OFFICIAL_VAL_BYTES
    if abs(difference) <= _TOLERANCE * OFFICIAL_VAL_BYTES:
        words = (
            f"{documents:,} documents and {utf8_bytes:,} bytes: the validation split of the challenge "
            f"({OFFICIAL_VAL_BYTES:,} bytes, {difference:+,})"
        )
        return OfficialComparison(agrees=True, words=words)
    words = (
        f"{utf8_bytes:,} bytes, but the validation split of the challenge has {OFFICIAL_VAL_BYTES:,} "
        f"({difference:+,}, {difference / OFFICIAL_VAL_BYTES:+.2%}); the folder is named as it"
    )
    return OfficialComparison(agrees=False, words=words) if claims else None
