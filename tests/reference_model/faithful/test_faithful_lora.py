"""Adaptation by document beside the script of PR #77, on the same weights and with the same first adapters.

Both sides begin every adapter's A with the same pattern instead of random numbers: the script draws it anew
for each document of a batch, ours once for all.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from harness.tokens.shard_file import write_shard
from reference_model.config import TttKind
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_with_ttt
from reference_model.network.gpt import GPT
from reference_model.network.state_dict_names import from_original_names
from tests.reference_model.evaluation_cases import byte_table, stream, tiny_config
from tests.upstream_seeds import ORIGINALS, OriginalSource, clone_path, load_original, original_gpt_like

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.clone,
    pytest.mark.filterwarnings("ignore:In CPU autocast, but the target dtype is not supported"),
]
PR77 = OriginalSource(
    commit="9fed66c01eb86e9089b68580a2295cbffaef25de",
    path="records/track_10min_16mb/2026-03-17_LoRA_TTT/train_gpt.py",
)
SEQ_LEN, CHUNK = 32, 8


def same_pattern(matrix: torch.Tensor, low: float, high: float, **_: object) -> torch.Tensor:
    rows, columns = matrix.shape[-2:]
    waves = torch.sin(torch.arange(rows * columns, dtype=matrix.dtype)).view(rows, columns)
    with torch.no_grad():
        return matrix.copy_(waves * high)


def test_documents_score_as_in_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ORIGINALS, "pr77", PR77)
    module = load_original("pr77", clone_path(), float64=True)  # its bf16 switched off; adapters are fp32
    config = tiny_config(
        "baseline",
        ttt={"kind": TttKind.DOCUMENT_LORA, "lora_chunk_tokens": CHUNK, "lora_documents": 3},
        evaluation={"eval_seq_len": SEQ_LEN, "stride": 0},
    )
    config = replace(config, model=replace(config.model, model_dim=64, bigram_buckets=0))
    torch.manual_seed(0)
    theirs = original_gpt_like(module, config.model)
    for parameter in theirs.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    ours = GPT(config.model)
    ours.load_state_dict(from_original_names(theirs.state_dict(), "baseline"))
    monkeypatch.setattr(torch.Tensor, "uniform_", same_pattern)
    tokens = stream(400)
    tokens = np.delete(tokens, 1 + np.flatnonzero((tokens[:-1] == 1) & (tokens[1:] == 1)))
    write_shard(tmp_path / "fineweb_val_000000.bin", tokens)
    settings = SimpleNamespace(
        val_files=str(tmp_path / "fineweb_val_*.bin"),
        ttt_chunk_size=CHUNK, ttt_eval_seq_len=SEQ_LEN, ttt_batch_size=4, ttt_lora_rank=8, ttt_lora_lr=0.01,
        beta1=0.9, beta2=0.95,
    )  # fmt: skip
    table = byte_table()
    luts = [torch.from_numpy(each) for each in (table.base_bytes, table.has_leading_space, table.is_boundary)]
    expected = module.eval_val_ttt_lora(settings, theirs, 0, 1, torch.device("cpu"), *luts)
    score = evaluate_with_ttt(ours, tokens, table, config, World())
    assert (score.val_loss_nats, score.val_bpb) == pytest.approx(expected, rel=1e-5)
    still = replace(config, ttt=replace(config.ttt, lora_lr=0.0))
    unadapted = evaluate_with_ttt(ours, tokens, table, still, World())
    assert abs(unadapted.val_loss_nats - score.val_loss_nats) > 1e-3
