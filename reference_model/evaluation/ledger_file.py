"""The score ledger as a file: one column per fact, in numpy's zip format without pickle.

Columns: `score_*` (one entry per scored block: rank, sequence, chunk, version, seconds, count of positions,
count of runs), `run_*` (first, count), `nll` (nats of all blocks end to end), `update_*` (rank, sequence,
version, seconds, first, end), `head_rank` and `head` (32 bytes each, the newest hash of every rank's chain),
`format`. The reader replays the entries and refuses a file whose chains come out differently.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist

from harness.errors import SetupError
from harness.whole_file import whole_file
from reference_model.evaluation.score_ledger import LedgerError, ScoredBlock, ScoreLedger, WeightUpdate

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, BinaryIO

    import numpy.typing as npt

    from reference_model.distributed import World

LEDGER_FORMAT = 1
# What zipfile, zlib and numpy raise over the years for bytes that are no archive of plain arrays.
_UNREADABLE = (
    OSError, ValueError, LookupError, EOFError, TypeError, ArithmeticError, RuntimeError, SyntaxError,
    MemoryError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_SCORE_COLUMNS = ("rank", "sequence", "chunk", "version", "seconds")
_UPDATE_COLUMNS = ("rank", "sequence", "version", "seconds", "first", "end")


def write_ledger(ledger: ScoreLedger, path: Path) -> None:
    """Store `ledger`; a run that dies meanwhile leaves no half-written file under this name.

    Raises SetupError when that fails.
    """
    try:
        with whole_file(path) as file:
            np.savez(file, allow_pickle=False, **_columns(ledger))
    except OSError as error:
        raise SetupError(
            f"cannot write the score ledger {path}: {error.strerror}; free some space there"
        ) from None


def read_ledger(path: Path) -> ScoreLedger:
    """The stored ledger; raises LedgerError for a damaged, foreign or altered file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block
            raise LedgerError("is not a regular file")
        with path.open("rb") as file:
            return _replayed(file)
    except LedgerError as error:
        raise LedgerError(f"{path}: {error}") from None
    except _UNREADABLE as error:
        raise LedgerError(f"{path} is no readable score ledger: {error}; write it anew") from None


def gathered_ledger(ledger: ScoreLedger, world: World) -> ScoreLedger:
    """All ranks' entries on rank 0, elsewhere the rank's own; every rank must call.

    Each rank keeps its own chain: updates that ranks made together are listed once for each of them.
    """
    if world.size == 1:
        return ledger
    stored = io.BytesIO()
    np.savez(stored, allow_pickle=False, **_columns(ledger))
    sent = torch.frombuffer(bytearray(stored.getvalue()), dtype=torch.uint8).to(world.device)
    sizes = torch.zeros(world.size, dtype=torch.int64, device=world.device)
    sizes[world.rank] = len(sent)
    world.sum_(sizes)
    if not world.is_main:
        dist.send(sent, dst=0)
        return ledger
    merged = ScoreLedger(clock=ledger.clock)
    for rank, size in enumerate(sizes.tolist()):
        part = ledger
        if rank:
            received = torch.empty(size, dtype=torch.uint8, device=world.device)
            dist.recv(received, src=rank)
            part = _replayed(io.BytesIO(received.cpu().numpy().tobytes()))
        merged.blocks += part.blocks
        merged.updates += part.updates
        merged.heads |= part.heads
    return merged


def _columns(ledger: ScoreLedger) -> dict[str, npt.NDArray[Any]]:
    """Every entry of the ledger, as named arrays."""
    blocks, ranks = ledger.blocks, sorted(ledger.heads)
    columns: dict[str, npt.NDArray[Any]] = {"format": np.array(LEDGER_FORMAT)}
    for name in _SCORE_COLUMNS:
        kind = np.float64 if name == "seconds" else np.int64
        columns[f"score_{name}"] = np.array([getattr(block, name) for block in blocks], dtype=kind)
    for name in _UPDATE_COLUMNS:
        kind = np.float64 if name == "seconds" else np.int64
        columns[f"update_{name}"] = np.array([getattr(update, name) for update in ledger.updates], dtype=kind)
    runs = np.concatenate([block.runs for block in blocks]) if blocks else np.zeros((0, 2), dtype=np.int64)
    columns["score_count"] = np.array([len(block.nll) for block in blocks], dtype=np.int64)
    columns["score_runs"] = np.array([len(block.runs) for block in blocks], dtype=np.int64)
    columns["run_first"], columns["run_count"] = runs[:, 0], runs[:, 1]
    columns["nll"] = np.concatenate([block.nll for block in blocks]) if blocks else np.zeros(0)
    columns["head_rank"] = np.array(ranks, dtype=np.int64)
    columns["head"] = np.frombuffer(b"".join(ledger.heads[rank] for rank in ranks), dtype=np.uint8)
    return columns


def _replayed(file: BinaryIO) -> ScoreLedger:
    """A ledger from its columns, chains recomputed and compared."""
    with np.load(file, allow_pickle=False) as stored:
        columns = {name: stored[name] for name in stored.files}
    if int(columns["format"]) != LEDGER_FORMAT:
        raise LedgerError(f"ledger format {int(columns['format'])}; this reader knows {LEDGER_FORMAT}")
    entries: list[ScoredBlock | WeightUpdate] = [*_stored_blocks(columns), *_stored_updates(columns)]
    ledger = ScoreLedger()
    for entry in sorted(entries, key=lambda each: (each.rank, each.sequence)):
        ledger.append(entry)
    _compare_heads(ledger, columns)
    return ledger


def _stored_blocks(columns: dict[str, npt.NDArray[Any]]) -> list[ScoredBlock]:
    facts = zip(*(columns[f"score_{name}"].tolist() for name in _SCORE_COLUMNS), strict=True)
    runs = np.stack([columns["run_first"], columns["run_count"]], axis=1)
    runs_end = np.cumsum(columns["score_runs"]).tolist()
    nll_end = np.cumsum(columns["score_count"]).tolist()
    if (runs_end[-1] if runs_end else 0) != len(runs) or (nll_end[-1] if nll_end else 0) != len(
        columns["nll"]
    ):
        raise LedgerError("its blocks do not add up to the positions and scores it holds")
    blocks = []
    for at, (rank, sequence, chunk, version, seconds) in enumerate(facts):
        own_runs = runs[runs_end[at - 1] if at else 0 : runs_end[at]]
        own_nll = columns["nll"][nll_end[at - 1] if at else 0 : nll_end[at]]
        if own_runs[:, 1].min(initial=1) < 1 or int(own_runs[:, 1].sum()) != len(own_nll):
            raise LedgerError(
                f"its block {at} holds {len(own_nll):,} scores for other than as many positions"
            )
        blocks.append(
            ScoredBlock(
                rank=rank,
                sequence=sequence,
                chunk=chunk,
                version=version,
                seconds=seconds,
                runs=own_runs,
                nll=own_nll,
            )
        )
    return blocks


def _stored_updates(columns: dict[str, npt.NDArray[Any]]) -> list[WeightUpdate]:
    facts = zip(*(columns[f"update_{name}"].tolist() for name in _UPDATE_COLUMNS), strict=True)
    return [WeightUpdate(**dict(zip(_UPDATE_COLUMNS, row, strict=True))) for row in facts]


def _compare_heads(ledger: ScoreLedger, columns: dict[str, npt.NDArray[Any]]) -> None:
    heads = columns["head"].tobytes()
    stored = {int(rank): heads[32 * at : 32 * at + 32] for at, rank in enumerate(columns["head_rank"])}
    for rank in sorted(stored.keys() | ledger.heads.keys()):
        if stored.get(rank) != ledger.heads.get(rank):
            raise LedgerError(
                f"the hash chain of rank {rank} does not match its entries; the file was altered"
            )
