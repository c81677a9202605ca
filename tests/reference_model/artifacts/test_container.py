from __future__ import annotations

import pytest

from reference_model.artifacts.container import ContainerError, compress, decompress
from reference_model.config import COMPRESSION_LEVELS, Container

EVERY = list(Container)
CONTENT = bytes(range(256)) * 40 + b"tail"
BOMB = bytes(20_000_000)


@pytest.mark.parametrize("container", EVERY)
def test_content_comes_back_at_the_lowest_and_highest_level(container: Container) -> None:
    packed = [compress(CONTENT, container, level) for level in COMPRESSION_LEVELS[container]]
    assert [decompress(each, container, len(CONTENT)) for each in packed] == [CONTENT, CONTENT]


@pytest.mark.parametrize("container", EVERY)
def test_empty_content_comes_back(container: Container) -> None:
    assert decompress(compress(b"", container, 1), container, 0) == b""


@pytest.mark.parametrize("container", EVERY)
def test_one_byte_more_than_promised_is_refused(container: Container) -> None:
    packed = compress(CONTENT, container, 1)
    with pytest.raises(ContainerError, match="10,243"):
        decompress(packed, container, len(CONTENT) - 1)


@pytest.mark.parametrize("container", EVERY)
def test_a_bomb_is_refused_without_being_unfolded(container: Container) -> None:
    import tracemalloc

    packed = compress(BOMB, container, 1)
    tracemalloc.start()
    with pytest.raises(ContainerError, match="promised"):
        decompress(packed, container, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000  # the lzma dictionary of level 1 takes 1 MiB


@pytest.mark.parametrize("container", EVERY)
@pytest.mark.parametrize("kept", [0, 1, 7, 30, -1])
def test_data_that_is_cut_off_is_refused(container: Container, kept: int) -> None:
    with pytest.raises(ContainerError):
        decompress(compress(CONTENT, container, 1)[:kept], container, 20_000)


@pytest.mark.parametrize("container", EVERY)
def test_bytes_after_the_end_are_refused(container: Container) -> None:
    with pytest.raises(ContainerError):
        decompress(compress(CONTENT, container, 1) + b"more", container, 20_000)


@pytest.mark.parametrize("container", EVERY)
def test_data_of_another_kind_is_refused(container: Container) -> None:
    with pytest.raises(ContainerError, match=container.value):
        decompress(b"PK\x03\x04 this is no compressed stream at all", container, 20_000)
