from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from harness.errors import SetupError
from harness.tokens.shard_file import write_shard
from reference_model.config import ConfigError, DataConfig
from reference_model.distributed import World
from reference_model.training.loader import SpanLoader, TokenStream, span_sizes
from tests.upstream_seeds import clone_path, load_original

if TYPE_CHECKING:
    from pathlib import Path


def shards(folder: Path, *lengths: int) -> list[Path]:
    paths, first = [], 0
    for number, length in enumerate(lengths):
        path = folder / f"fineweb_train_{number:06d}.bin"
        write_shard(path, np.arange(first, first + length, dtype=np.uint16))
        paths.append(path)
        first += length
    return paths


def data(tokens: int = 64, seq_len: int = 8, spans: int = 4, micro_batch_seqs: int = 0) -> DataConfig:
    return DataConfig(
        train_batch_tokens=tokens,
        train_seq_len=seq_len,
        spans_per_step=spans,
        micro_batch_seqs=micro_batch_seqs,
    )


def steps_of(paths: list[Path], world: World, config: DataConfig, count: int) -> list[list[torch.Tensor]]:
    with SpanLoader(paths, world, config) as loader:
        return [[torch.stack(batch) for batch in loader.next_step()] for _ in range(count)]


def test_the_stream_goes_on_in_the_next_shard_and_begins_again_after_the_last(tmp_path: Path) -> None:
    stream = TokenStream(shards(tmp_path, 5, 3))
    assert stream.take(7).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert stream.take(10).tolist() == [7, 0, 1, 2, 3, 4, 5, 6, 7, 0]
    assert stream.position == 17


def test_a_stream_opened_at_a_position_goes_on_from_there(tmp_path: Path) -> None:
    paths = shards(tmp_path, 5, 3)
    assert TokenStream(paths, 6).take(3).tolist() == [6, 7, 0]


def test_an_empty_shard_is_passed_over(tmp_path: Path) -> None:
    paths = shards(tmp_path, 3, 0, 2)
    assert TokenStream(paths).take(6).tolist() == [0, 1, 2, 3, 4, 0]


def test_no_shards_is_a_setup_error() -> None:
    with pytest.raises(SetupError, match="no training shards"):
        TokenStream([])


def test_targets_are_the_next_tokens_and_each_span_takes_one_token_more(tmp_path: Path) -> None:
    first, second, *_ = steps_of(shards(tmp_path, 200), World(), data(), 1)[0]
    x_BT, y_BT = first
    assert x_BT.flatten().tolist() == list(range(16))
    assert y_BT.flatten().tolist() == list(range(1, 17))
    assert int(second[0][0, 0]) == 17


def test_ranks_take_spans_side_by_side(tmp_path: Path) -> None:
    paths = shards(tmp_path, 200)
    zero, one = (steps_of(paths, World(rank=rank, size=2), data(), 1)[0] for rank in range(2))
    assert len(zero) == len(one) == 2
    assert [int(batch[0, 0, 0]) for batch in (zero[0], one[0], zero[1], one[1])] == [0, 17, 34, 51]


def test_ranks_together_train_on_the_tokens_that_one_rank_would(tmp_path: Path) -> None:
    paths = shards(tmp_path, 200)
    alone = torch.cat([batch[0] for batch in steps_of(paths, World(), data(), 1)[0]])
    ranks = [steps_of(paths, World(rank=rank, size=2), data(), 1)[0] for rank in range(2)]
    assert sorted(torch.cat([batch[0] for rank in ranks for batch in rank]).tolist()) == sorted(
        alone.tolist()
    )


def test_ranks_that_do_not_divide_the_spans_are_refused() -> None:
    with pytest.raises(ConfigError, match="spans_per_step 4 is not a multiple of the 3 ranks"):
        span_sizes(data(), 3)


@pytest.mark.parametrize("micro_batch_seqs", [1, 3, 8, 99])
def test_regrouping_sequences_leaves_their_order(tmp_path: Path, micro_batch_seqs: int) -> None:
    paths = shards(tmp_path, 200)
    plain = steps_of(paths, World(), data(), 2)
    regrouped = steps_of(paths, World(), data(micro_batch_seqs=micro_batch_seqs), 2)
    assert regrouped[1][0].shape[1] == min(micro_batch_seqs, 8)
    assert torch.equal(torch.cat(regrouped[1], dim=1), torch.cat(plain[1], dim=1))


def test_seek_repeats_the_steps_after_a_position(tmp_path: Path) -> None:
    with SpanLoader(shards(tmp_path, 90), World(), data()) as loader:
        list(loader.next_step())
        position = loader.position
        wanted = [x_BT.tolist() for x_BT, _ in loader.next_step()]
        loader.seek(position)
        assert [x_BT.tolist() for x_BT, _ in loader.next_step()] == wanted


def test_closing_ends_the_thread(tmp_path: Path) -> None:
    with SpanLoader(shards(tmp_path, 90), World(), data()) as loader:
        list(loader.next_step())
    loader.close()
    assert "training tokens" not in {thread.name for thread in threading.enumerate()}


def test_an_error_while_reading_ahead_is_raised_by_the_steps_that_need_it(tmp_path: Path) -> None:
    paths = shards(tmp_path, 1000, 90)
    with SpanLoader(paths, World(), data()) as loader:
        paths[1].write_bytes(b"no shard")
        for _ in range(14):  # 14 x 68 tokens lie in the first shard
            list(loader.next_step())
        with pytest.raises(SetupError, match=r"fineweb_train_000001\.bin"):
            loader.next_step()


def test_a_token_outside_the_vocabulary_is_told_when_its_shard_is_opened(tmp_path: Path) -> None:
    with (
        SpanLoader(shards(tmp_path, 200), World(), data(), vocab_size=199) as loader,
        pytest.raises(
            SetupError, match=r"fineweb_train_000000\.bin: token id 199 at position 199 is outside"
        ),
    ):
        loader.next_step()  # takes 68 tokens


def test_a_shard_that_changed_since_the_run_began_is_told(tmp_path: Path) -> None:
    paths = shards(tmp_path, 50, 50)
    stream = TokenStream(paths)
    write_shard(paths[1], np.arange(20, dtype=np.uint16))
    with pytest.raises(SetupError, match=r"000001\.bin: holds 20 tokens now and held 50 when the run began"):
        stream.take(100)


@pytest.mark.clone
@pytest.mark.parametrize(("rank", "ranks"), [(0, 1), (0, 2), (1, 2), (3, 4)])
def test_batches_are_those_of_the_original_loader(tmp_path: Path, rank: int, ranks: int) -> None:
    paths = shards(tmp_path, 70, 41, 200)
    module = load_original("pr940", clone_path())
    theirs = module.DistributedTokenLoader(
        str(tmp_path / "fineweb_train_*.bin"), rank, ranks, torch.device("cpu")
    )
    ours = steps_of(paths, World(rank=rank, size=ranks), data(), 12)
    wanted = [torch.stack(theirs.next_batch(64, 8, 4 // ranks)) for _ in range(12 * 4 // ranks)]
    assert torch.equal(torch.stack([batch for step in ours for batch in step]), torch.stack(wanted))
