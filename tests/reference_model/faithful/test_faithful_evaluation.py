"""Our evaluation beside those of the original scripts, on the same weights.

The originals' sliding evaluation also runs windows clipped by the end of the stream, which score its last
`stride` positions again (T / stride - 1 times). These windows are scored here by the original's model and
taken out of its mean, so that both sides count every position once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from reference_model.config import ComputeType, Config
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_plain, evaluate_sliding, evaluate_with_ttt
from reference_model.evaluation.sliding_windows import Tail
from reference_model.network.gpt import GPT, build_model
from reference_model.network.state_dict_names import from_original_names
from reference_model.presets import Size, preset
from tests.reference_model.evaluation_cases import VOCABULARY, byte_table
from tests.upstream_seeds import clone_path, in_production_types, load_original, original_gpt_like

if TYPE_CHECKING:
    from types import ModuleType

    import numpy.typing as npt
    from torch import nn

pytestmark = [
    pytest.mark.clone,
    pytest.mark.filterwarnings("ignore:In CPU autocast, but the target dtype is not supported"),
]

SEQ_LEN, STRIDE, CHUNK, TOTAL = 32, 8, 128, 640  # TOTAL positions, a multiple of all


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same weights on both sides."""

    module: ModuleType
    theirs: nn.Module
    ours: GPT
    config: Config

    def original(self, name: str, **arguments: Any) -> tuple[float, float]:
        """What an evaluation function of the script returns for our stream."""
        args = SimpleNamespace(
            train_seq_len=SEQ_LEN,
            val_batch_size=SEQ_LEN * 8 * 4,
            use_compile=False,
            ttt_chunk_tokens=CHUNK,
            ttt_lr=self.config.ttt.lr,
            ttt_momentum=self.config.ttt.momentum,
            ttt_epochs=self.config.ttt.epochs,
            ttt_freeze_blocks=self.config.ttt.freeze_blocks,
            ttt_batch_seqs=self.config.ttt.batch_seqs,
            ttt_grad_clip=self.config.ttt.grad_clip,
        )
        table = byte_table()
        luts = (table.base_bytes, table.has_leading_space, table.is_boundary)
        tables = [torch.from_numpy(lut) for lut in luts]
        between = (8,) if name == "eval_val" else ()
        tokens = torch.from_numpy(stream().astype(np.int64))
        evaluate = getattr(self.module, name)
        result = evaluate(
            args, self.theirs, 0, 1, torch.device("cpu"), *between, tokens, *tables, **arguments
        )
        return result[0], result[1]

    def original_once(self, val_loss: float) -> float:
        """A sliding mean of the original with its repeated windows taken out."""
        repeats = SEQ_LEN // STRIDE - 1
        twice = sum(self._clipped_nats(TOTAL - SEQ_LEN + STRIDE * (at + 1)) for at in range(repeats))
        return (val_loss * (TOTAL + repeats * STRIDE) - twice) / TOTAL

    def _clipped_nats(self, start: int) -> float:
        tokens = torch.from_numpy(stream()[start:].astype(np.int64))
        inputs = torch.zeros(1, SEQ_LEN, dtype=torch.int64)
        inputs[0, : len(tokens) - 1] = tokens[:-1]
        with torch.no_grad(), self.module.torch.autocast(device_type="cpu", dtype=self.module.torch.bfloat16):
            logits = self.theirs.eval().forward_logits(inputs)[0, len(tokens) - 1 - STRIDE : len(tokens) - 1]
        nll = torch.nn.functional.cross_entropy(logits.float(), tokens[-STRIDE:], reduction="none")
        return float(nll.double().sum())


def stream() -> npt.NDArray[np.uint16]:
    generator = np.random.default_rng(3)
    tokens = np.tile(generator.integers(1, VOCABULARY, 97), 7)[: TOTAL + 1]
    noise = generator.integers(1, VOCABULARY, TOTAL + 1)
    return np.where(generator.random(TOTAL + 1) < 0.3, noise, tokens).astype(np.uint16)


def pair(system: str, compute: ComputeType, **ttt: object) -> Pair:
    """Both models at width 64 with perturbed weights: in float64, or in production's number formats."""
    exact = compute is ComputeType.FLOAT32
    config = preset(system, Size.TINY)
    xsa_layers = config.model.xsa_layers
    if config.model.unique_layers:
        # the script's XSA belongs to cores, which layers share
        xsa_layers = tuple(range(config.model.num_layers))
    config = replace(
        config,
        model=replace(config.model, vocab_size=VOCABULARY, xsa_layers=xsa_layers),
        evaluation=replace(config.evaluation, eval_seq_len=SEQ_LEN, stride=STRIDE, batch_seqs=16),
        ttt=replace(config.ttt, chunk_tokens=CHUNK, **ttt),
        run=replace(config.run, compute=compute),
    )
    module = load_original(system, clone_path(), float64=exact, rotary_float32=True)
    torch.manual_seed(7)
    theirs = original_gpt_like(module, config.model)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    theirs = theirs.double() if exact else in_production_types(module, theirs)
    ours = build_model(config.model, device=torch.device("cpu"), compute=compute)
    if exact:
        ours = ours.double()
        ours.activations = torch.float64
    ours.load_state_dict(from_original_names(theirs.state_dict(), system))
    return Pair(module=module, theirs=theirs, ours=ours, config=config)


@pytest.mark.parametrize("system", ["baseline", "pr461", "pr555", "pr940"])
def test_plain_evaluation_gives_the_same_loss_and_bits_per_byte(system: str) -> None:
    both = pair(system, ComputeType.FLOAT32)
    score = evaluate_plain(both.ours, stream(), byte_table(), both.config, World(), tail=Tail.DROPPED)
    val_loss, val_bpb = both.original("eval_val")
    assert score.val_loss_nats == pytest.approx(val_loss, abs=1e-6)
    assert score.val_bpb == pytest.approx(val_bpb, abs=1e-6)


@pytest.mark.parametrize("system", ["pr461", "pr555", "pr940"])
def test_sliding_evaluation_gives_the_same_loss(system: str) -> None:
    both = pair(system, ComputeType.FLOAT32)
    score = evaluate_sliding(both.ours, stream(), byte_table(), both.config, World())
    val_loss, _ = both.original("eval_val_sliding", stride=STRIDE)
    assert score.val_loss_nats == pytest.approx(both.original_once(val_loss), abs=1e-6)


@pytest.mark.parametrize(
    ("compute", "least_equal"), [(ComputeType.FLOAT32, 1e-6), (ComputeType.BFLOAT16, 1e-3)]
)
def test_score_first_training_gives_the_same_loss(compute: ComputeType, least_equal: float) -> None:
    both = pair("pr461", compute, lr=0.02, batch_seqs=2)
    score = evaluate_with_ttt(both.ours, stream(), byte_table(), both.config, World())
    val_loss, _ = both.original("eval_val_sliding_ttt", stride=STRIDE, log0=lambda _line: None)
    assert score.val_loss_nats == pytest.approx(both.original_once(val_loss), abs=least_equal)


def test_score_first_training_matters_in_this_comparison() -> None:
    both = pair("pr461", ComputeType.FLOAT32, lr=0.02, batch_seqs=2)
    adapted = evaluate_with_ttt(both.ours, stream(), byte_table(), both.config, World())
    still = evaluate_sliding(both.ours, stream(), byte_table(), both.config, World())
    assert adapted.val_loss_nats < still.val_loss_nats - 0.01
