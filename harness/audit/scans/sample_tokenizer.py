"""A tokenizer of ten tokens, one of each kind that byte counting must tell apart, and what each counts."""

from __future__ import annotations

from dataclasses import dataclass

SPACE_MARK = "\u2581"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleToken:
    """`bytes` without the space before it, which `leads` says it has."""

    piece: str
    kind: str  # normal, byte, control, unknown, unused
    bytes: int
    leads: bool = False


TOKENS = (
    SampleToken(piece="<unk>", kind="unknown", bytes=0),
    SampleToken(piece="<s>", kind="control", bytes=0),
    SampleToken(piece="</s>", kind="control", bytes=0),
    SampleToken(piece="<0xE2>", kind="byte", bytes=1),
    SampleToken(piece=f"{SPACE_MARK}then", kind="normal", bytes=4, leads=True),
    SampleToken(piece="ing", kind="normal", bytes=3),
    SampleToken(piece="\u00e9", kind="normal", bytes=2),
    SampleToken(piece=SPACE_MARK, kind="normal", bytes=0, leads=True),
    SampleToken(piece="<reserved>", kind="unused", bytes=0),
    SampleToken(piece="\u3002", kind="normal", bytes=3),
)
SIZE = len(TOKENS)

_KINDS = {"is_control": "control", "is_unknown": "unknown", "is_unused": "unused", "is_byte": "byte"}
_SIZES = {"vocab_size", "get_piece_size", "piece_size", "getpiecesize", "vocabsize"}


class SampleTokenizer:
    """Stands for a loaded SentencePiece model; `answer` knows its methods in both spellings."""

    def answer(self, method: str, arguments: list[object]) -> object:
        """What the method returns; `NotImplemented` for one we do not model."""
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in method).lstrip("_")
        if name in _SIZES:
            return SIZE
        token = arguments[0] if arguments else None
        if isinstance(token, list) and name in {"id_to_piece", "decode"}:
            return [self.answer(method, [one]) for one in token]
        if not isinstance(token, int) or isinstance(token, bool) or not 0 <= token < SIZE:
            return NotImplemented
        if name in {"id_to_piece", "piece"}:
            return TOKENS[token].piece
        if name in _KINDS:
            return TOKENS[token].kind == _KINDS[name]
        return NotImplemented


def table_role(table: list[object]) -> str | None:
    """What a table of one value per token is, by its values: lead, boundary, bytes, or none of them."""
    if len(table) < SIZE:
        return None
    values = table[:SIZE]
    if all(isinstance(one, bool) or one in {0, 1} for one in values if not isinstance(one, bytes | str)):
        flags = [bool(one) for one in values]
        if flags == [token.leads for token in TOKENS]:
            return "lead"
        for outside in ({"control", "unknown", "unused"}, {"control", "unknown"}):  # no text has unused ones
            if flags == [token.kind in outside for token in TOKENS]:
                return "boundary"
        return None
    normal = [place for place, token in enumerate(TOKENS) if token.kind == "normal"]
    numbers = [one for one in values if isinstance(one, int) and not isinstance(one, bool)]
    if len(numbers) == SIZE and sum(1 for place in normal if _is_count(values[place], place)) >= 4:
        return "bytes"
    return None


def _is_count(value: object, place: int) -> bool:
    """Whether a number may be meant as the bytes or characters of a token, right or wrong."""
    token = TOKENS[place]
    piece = token.piece
    likely = {token.bytes, token.bytes + 1, len(piece), len(piece.encode()), len(piece.lstrip(SPACE_MARK))}
    return value in likely
