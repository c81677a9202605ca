"""Two processes over gloo report what one reports, and rank 0 holds a complete ledger."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing

from reference_model.config import Config, TttKind
from reference_model.distributed import World, joined_world
from reference_model.evaluation.evaluate import evaluate_sliding, evaluate_with_ttt
from reference_model.evaluation.ledger_file import read_ledger
from reference_model.evaluation.score_ledger import ScoreLedger
from tests.reference_model.evaluation_cases import byte_table, stream, tiny_config, tiny_model

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    "sliding": TttKind.NONE,
    "chunks": TttKind.CHUNK_SGD,  # three sequences a chunk: one rank has one, the other two
    "documents": TttKind.DOCUMENT_LORA,
}


def config_for(kind: TttKind) -> Config:
    chunks = {"chunk_tokens": 48, "batch_seqs": 3}
    documents = {"lora_chunk_tokens": 8, "lora_documents": 3}
    return tiny_config(ttt={"kind": kind, **chunks, **documents})


def scored(kind: TttKind, world: World, folder: Path | str) -> dict[str, Any]:
    config = config_for(kind)
    evaluate = evaluate_sliding if kind is TttKind.NONE else evaluate_with_ttt
    score = evaluate(
        tiny_model(config), stream(), byte_table(), config, world, ledger=ScoreLedger(rank=world.rank)
    )
    assert score.ledger is not None
    if world.is_main:
        score.ledger.write(_ledger_path(folder, kind, world.size))
    return {"val_loss": score.val_loss_nats, "val_bpb": score.val_bpb, "tokens": score.scored_tokens}


def _ledger_path(folder: Path | str, kind: TttKind, ranks: int) -> Path:
    from pathlib import Path

    return Path(folder) / f"{kind.value}_{ranks}.npz"


def on_rank(rank: int, port: int, folder: str) -> None:
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE="2",
        LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    torch.set_num_threads(1)
    with joined_world(torch.device("cpu")) as world:
        results = {name: scored(kind, world, folder) for name, kind in KINDS.items()}
        torch.save(results, f"{folder}/rank{rank}.pt")
        dist.barrier()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("ranks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(on_rank, args=(port, str(made)), nprocs=2)
    return made


@pytest.mark.parametrize("name", KINDS)
def test_two_ranks_report_the_score_of_one(folder: Path, name: str, tmp_path: Path) -> None:
    alone = scored(KINDS[name], World(), tmp_path)
    together = torch.load(folder / "rank0.pt")[name]
    assert together == torch.load(folder / "rank1.pt")[name]
    assert together == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_rank_0_holds_every_score_of_both_ranks(folder: Path, name: str, tmp_path: Path) -> None:
    scored(KINDS[name], World(), tmp_path)
    together = read_ledger(_ledger_path(folder, KINDS[name], 2))
    alone = read_ledger(_ledger_path(tmp_path, KINDS[name], 1))
    assert {block.rank for block in together.blocks} == {0, 1}
    together.verify(149)
    np.testing.assert_allclose(together.nats(149), alone.nats(149), rtol=1e-5)
