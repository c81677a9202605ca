from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from reference_model.artifacts.downgrade import (
    FittedFile,
    downgrade_order,
    first_that_fits,
    lowered_layer_sets,
)
from reference_model.presets import preset

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_model.config import Config


def fitted(
    config: Config, budget: int, size: Callable[[int, int], int], log: Callable[[str], None] = lambda _: None
) -> FittedFile:
    """`size` gives the bytes of a file with so many int5 layers at a level."""
    return first_that_fits(
        config,
        budget,
        content_of=lambda layers: bytes(len(layers)),
        file_of=lambda content, level: bytes(size(len(content), level)),
        log=log,
    )


def test_eleven_layers_are_lowered_from_the_centre_the_later_first() -> None:
    assert downgrade_order(11) == (5, 6, 4, 7, 3, 8, 2, 9, 1, 10, 0)


def test_an_even_number_of_layers_starts_above_the_centre() -> None:
    assert downgrade_order(4) == (2, 3, 1, 0)


def test_one_layer_is_all_there_is_to_lower() -> None:
    assert downgrade_order(1) == (0,)


def test_the_first_level_that_fits_is_taken() -> None:
    sizes = {16: 105, 1: 107, 17: 99, 2: 90}
    result = fitted(preset("pr940"), 100, lambda _, level: sizes[level])
    assert (result.fits, result.tries[-1].level, result.tries[-1].int5_layers) == (True, 17, ())


def test_a_file_of_exactly_the_budget_fits() -> None:
    assert fitted(preset("pr940"), 100, lambda _layers, _level: 100).fits


def test_a_layer_is_lowered_only_after_every_level_failed() -> None:
    result = fitted(preset("pr940"), 100, lambda layers, _: 101 - layers)
    assert [(each.int5_layers, each.level) for each in result.tries] == [
        ((), 16),
        ((), 1),
        ((), 17),
        ((), 2),
        ((5,), 16),
    ]


def test_the_published_sizes_of_pr_940_seed_1337_need_exactly_layer_5() -> None:
    """Sizes in thousands of bytes, from its log; limit 15,911,099."""
    published = {(0, 16): 15936, (0, 1): 15978, (0, 17): 15926, (0, 2): 15979, (1, 16): 15632}
    result = fitted(preset("pr940"), 15911, lambda layers, level: published[layers, level])
    assert result.tries[-1].int5_layers == (5,)


def test_nothing_that_fits_leaves_the_last_try() -> None:
    result = fitted(preset("pr940"), 10, lambda layers, level: 1000 - layers - level)
    assert not result.fits
    assert result.tries[-1].int5_layers == tuple(range(11))
    assert len(result.file) == 1000 - 11 - 2
    assert len(result.tries) == 12 * 4


def test_tries_are_logged_in_the_words_of_pr_940() -> None:
    lines: list[str] = []
    fitted(replace(preset("pr940")), 100, lambda layers, _: 101 - layers, lines.append)
    assert lines[3:] == [
        "quant_try int6 zstd-2: 101 bytes (limit 100)",
        "quant_fallback: int5 layers=[5]",
        "quant_try int5[1L] zstd-16: 100 bytes (limit 100)",
    ]


def test_layers_that_share_a_core_are_lowered_together() -> None:
    config = preset("pr461")
    config = replace(config, quantization=replace(config.quantization, auto_downgrade=True))
    sets = list(lowered_layer_sets(config))
    assert sets[:3] == [(), (5,), (5, 6)]
    assert {0, 10} in [set(later) - set(earlier) for earlier, later in pairwise(sets)]
    assert len(sets) == 1 + 10


def test_without_the_switch_only_levels_are_tried() -> None:
    assert list(lowered_layer_sets(preset("pr555"))) == [()]


def test_without_int6_matrices_nothing_can_be_lowered() -> None:
    config = preset("baseline")
    config = replace(config, quantization=replace(config.quantization, auto_downgrade=True))
    assert list(lowered_layer_sets(config)) == [()]
