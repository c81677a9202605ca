"""The ledger of an evaluation as two files beside its record, and the proof that they belong together.

    score_ledger.jsonl     one line for each message that crossed, in order: see `LedgerEntry`; a first line
                           says of how many tokens, a last one the score and the digest of the record
    sealed_scores.npy      the natural log-probabilities of all tokens as sealed (float64; 0 for token 0)

Whoever has the validation tokens can go through it again with `verified_ledger`: the chain, that every token
was scored once and only after those before it were sealed, and the score. Distributions that answered blind
questions are in the chain by their digest only.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import SetupError, SubmissionError
from harness.scoring.sealed_scores import LedgerEntry, ScoreError, SealedScores, chain_start, chained, link
from harness.whole_file import whole_file

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from harness.scoring.sealed_scores import SealedScore
    from harness.tokens.byte_table import ByteTable

LEDGER_NAME = "score_ledger.jsonl"
SCORES_NAME = "sealed_scores.npy"
_FORMAT = 1


class AlteredLedgerError(SubmissionError):
    """The files are not the ledger they say they are; the message names the first entry that shows it."""


def write_ledger(folder: Path, scores: SealedScores, score: SealedScore | None) -> tuple[str, ...]:
    """Write both files, for an evaluation that was not completed as well (`score` None); returns their names.

    Raises `SetupError` when the disk refuses.
    """
    opening = {"format": _FORMAT, "tokens": int(scores.tokens.size)}
    closing: dict[str, Any] = {"digest": scores.digest}
    if score is not None:
        closing |= {
            "val_bpb": score.val_bpb,
            "val_loss_nats": score.val_loss_nats,
            "scored_bytes": score.scored_bytes,
            "blind": [asdict(answer) for answer in score.blind],
        }
    try:
        with whole_file(folder / LEDGER_NAME) as file:
            for line in (opening, *(asdict(entry) for entry in scores.entries), closing):
                file.write(json.dumps(line).encode() + b"\n")
        with whole_file(folder / SCORES_NAME) as file:
            np.save(file, scores.log_probabilities, allow_pickle=False)
    except OSError as error:
        raise SetupError(
            f"{folder}: the score ledger cannot be written ({error.strerror}); free space there and resume"
        ) from error
    return LEDGER_NAME, SCORES_NAME


def verified_ledger(
    folder: Path, tokens: npt.NDArray[np.integer[Any]], table: ByteTable, digest: str
) -> SealedScore:
    """The score that the files in `folder` prove for `tokens`; `digest` is that of the record.

    Raises `AlteredLedgerError` where they do not, `SetupError` where they cannot be read.
    """
    try:
        lines = (folder / LEDGER_NAME).read_bytes().splitlines()
        log_p = np.load(io.BytesIO((folder / SCORES_NAME).read_bytes()), allow_pickle=False)
    except OSError as error:
        raise SetupError(f"{folder}: the score ledger cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise AlteredLedgerError(f"{folder / SCORES_NAME}: is no array of numbers ({error})") from error
    if log_p.shape != tokens.shape or log_p.dtype != np.float64:
        raise AlteredLedgerError(
            f"{folder / SCORES_NAME}: holds {log_p.shape} numbers of {log_p.dtype} for {tokens.size:,} tokens"
        )
    entries = [_entry(line, number) for number, line in enumerate(lines[1:-1], start=2)]
    replay = SealedScores(tokens, table, longest_step=int(tokens.size))
    chain, before = chain_start(tokens), ""
    for number, entry in enumerate(entries, start=2):
        where = f"{folder / LEDGER_NAME}:{number}"
        chain = _replayed(replay, entry, chain, log_p, where, is_within_step=before == "blind")
        before = entry.what
    if chain.hex() != digest:
        raise AlteredLedgerError(
            f"{folder / LEDGER_NAME}: its chain ends with {chain.hex()[:12]}, the record says {digest[:12]}"
        )
    try:
        return replay.total()
    except ScoreError as error:
        raise AlteredLedgerError(f"{folder / LEDGER_NAME}: {error}") from error


def _replayed(
    replay: SealedScores,
    entry: LedgerEntry,
    chain: bytes,
    log_p: npt.NDArray[np.float64],
    where: str,
    *,
    is_within_step: bool,
) -> bytes:
    """The chain after `entry`; a blind question interrupts the tokens of a step, which then go on."""
    end = entry.position + entry.count
    numbers: npt.NDArray[Any]
    try:
        if entry.what == "released":
            if not is_within_step:
                replay.may_release(end)
            elif not replay.released == entry.position < end <= len(log_p):
                raise AlteredLedgerError(f"{where}: tokens {entry.position:,} to {end - 1:,} were not due")
            numbers = replay.release(end).astype("<u4")
        elif entry.what == "sealed":
            numbers = log_p[entry.position : end].astype("<f8")
            replay.seal(entry.position, numbers)
        else:
            return _blind_link(chain, entry, where)
    except ScoreError as error:
        raise AlteredLedgerError(f"{where}: {error}") from error
    expected = chained(chain, entry.what, entry.position, numbers)
    if expected != entry:
        raise AlteredLedgerError(
            f"{where}: the entry is not what was {entry.what} from {entry.position:,} on"
        )
    return bytes.fromhex(expected.chain)


def _blind_link(chain: bytes, entry: LedgerEntry, where: str) -> bytes:
    """After an answer to a blind question, of which the ledger keeps the digest."""
    if entry.what != "blind":
        raise AlteredLedgerError(f"{where}: {entry.what!r:.40} is nothing that crosses")
    return link(chain, entry.what, entry.position, entry.count, bytes.fromhex(entry.sha256))


def _entry(line: bytes, number: int) -> LedgerEntry:
    try:
        told = json.loads(line)
        entry = LedgerEntry(**told)
        bytes.fromhex(entry.sha256)
        if not all(type(one) is int and one >= 0 for one in (entry.position, entry.count)):
            raise ValueError("position and count are whole numbers")
    except (ValueError, TypeError, RecursionError) as error:
        raise AlteredLedgerError(f"{LEDGER_NAME}:{number}: is no entry ({error})") from error
    return entry
