from __future__ import annotations

import pytest

from harness.cli_check import build_parser
from harness.dynamic.asked_settings import WHOLE_SECONDS, asked_settings, command_words


@pytest.mark.parametrize(
    "asked",
    [
        asked_settings(ranks=1, device="cpu", thorough=False, whole_seconds=WHOLE_SECONDS),
        asked_settings(ranks=2, device="cpu", thorough=True, whole_seconds=20.0),
        asked_settings(ranks=1, device="cuda", thorough=False, whole_seconds=1200.0),
    ],
)
def test_the_words_of_a_command_ask_for_the_settings_they_were_made_from(asked):
    words = " ".join(command_words(asked)).split()
    read = build_parser().parse_args([*words, "submission"])
    assert read.dynamic
    assert asked == asked_settings(
        ranks=read.dynamic_ranks,
        device=read.dynamic_device,
        thorough=read.dynamic_thorough,
        whole_seconds=float(read.dynamic_seconds or WHOLE_SECONDS),
    )


def test_a_part_of_a_second_is_rounded_up_to_what_the_command_takes():
    assert command_words({"whole_seconds": 0.5}) == ["--dynamic", "--dynamic-seconds 1"]


def test_settings_that_a_report_misses_are_the_defaults():
    assert command_words({"ranks": 1, "whole_seconds": None}) == ["--dynamic"]
