from __future__ import annotations

import lzma

import brotli
import zstandard

from harness.dynamic.child.facade.codecs import _light_brotli, _light_lzma, _light_zstandard

DATA = b"weights of a model, " * 2_000


def test_lzma_of_any_preset_comes_back_the_same() -> None:
    packed = _light_lzma(lzma.compress)(DATA, preset=9 | lzma.PRESET_EXTREME)
    assert lzma.decompress(packed) == DATA


def test_lzma_with_filters_of_its_own_is_left_alone() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
    packed = _light_lzma(lzma.compress)(DATA, lzma.FORMAT_RAW, filters=filters)
    assert lzma.decompress(packed, lzma.FORMAT_RAW, filters=filters) == DATA


def test_brotli_of_any_quality_comes_back_the_same() -> None:
    packed = _light_brotli(brotli.compress)(DATA, quality=11, lgwin=24)
    assert brotli.decompress(packed) == DATA
    assert packed == brotli.compress(DATA, quality=3, lgwin=24)


def test_zstandard_of_any_level_comes_back_the_same() -> None:
    packed = _light_zstandard(zstandard.ZstdCompressor, 22).compress(DATA)
    assert zstandard.ZstdDecompressor().decompress(packed) == DATA
    assert packed == zstandard.ZstdCompressor(level=3).compress(DATA)
