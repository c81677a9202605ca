"""Hostile submission.json files: the reader stays fast, bounded, and never raises."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.claims.json_positions import PROBLEMS_LIMIT, SIZE_LIMIT_BYTES, VALUES_LIMIT, read_json
from harness.claims.json_seeds import ROWS_LIMIT
from harness.claims.submission_json import read_submission_json

if TYPE_CHECKING:
    from harness.submission import SubmissionJson

_KEYS = st.sampled_from(
    [
        "val_bpb",
        "seeds",
        "seed_results",
        "seed_42",
        "authors",
        "compliance",
        "artifact_bytes",
        "hardware",
        "42",
        "seed",
    ]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1.08", "TBD"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


def read(data: bytes) -> SubmissionJson:
    return read_submission_json("submission.json", data)


def kinds(found: SubmissionJson) -> set[str]:
    return {problem.kind for problem in found.problems}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_KEYS, _VALUES, max_size=8))
def test_any_types_under_known_keys_never_raise(document: dict[str, object]) -> None:
    found = read(json.dumps(document).encode())
    assert found.present
    assert found.headline is None or 0 < found.headline.value <= 20


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    assert read(data).present


def test_a_million_open_brackets_are_refused_without_recursion() -> None:
    found = read(b"[" * 1_000_000)
    assert not found.parsed
    assert "too-deep" in kinds(found)


def test_deep_nesting_under_a_field_keeps_what_stands_before_it() -> None:
    found = read(b'{"val_bpb": 1.1, "x": ' + b'{"y": ' * 5_000 + b"1" + b"}" * 5_001)
    assert not found.parsed
    assert found.headline is not None
    assert "recovered" in kinds(found)


def test_too_many_values_stop_the_reading() -> None:
    found = read(b'{"val_bpb": 1.1, "x": [' + b"0," * (VALUES_LIMIT + 10) + b"0]}")
    assert not found.parsed
    assert "too-large" in kinds(found)


def test_an_oversized_file_is_not_read() -> None:
    found = read(b" " * (SIZE_LIMIT_BYTES + 1))
    assert not found.parsed
    assert "too-large" in kinds(found)


def test_an_integer_of_many_digits_is_no_crash() -> None:
    found = read(b'{"bytes_total": ' + b"9" * 100_000 + b', "val_bpb": 1.1}')
    assert found.total_bytes is None
    assert found.headline is not None
    assert "not-a-number" in kinds(found)


def test_an_integer_beyond_any_float_is_out_of_range() -> None:
    found = read(b'{"val_bpb": 1' + b"0" * 400 + b"}")
    assert found.headline is None
    assert "out-of-range" in kinds(found)


def test_a_duplicated_score_is_reported_and_the_last_one_counts() -> None:
    found = read(b'{"val_bpb": 1.2,\n"val_bpb": 1.0}')
    assert found.headline is not None
    assert (found.headline.value, found.headline.line) == (1.0, 2)
    assert "duplicate-key" in kinds(found)


def test_a_flood_of_duplicate_keys_is_reported_a_bounded_number_of_times() -> None:
    document = read_json(b"{" + b'"a": 1,' * 10_000 + b'"b": 2}')
    assert len(document.problems) == PROBLEMS_LIMIT


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
def test_a_score_that_is_no_number_is_dropped(word: bytes) -> None:
    found = read(b'{"val_bpb": ' + word + b"}")
    assert found.headline is None
    assert "not-a-number" in kinds(found)


def test_a_nan_among_the_seeds_does_not_reach_a_claim() -> None:
    found = read(b'{"seed_results": {"42": {"val_bpb": NaN}, "7": {"val_bpb": 1.1}}}')
    values = [claim.val_bpb.value for claim in found.per_seed if claim.val_bpb is not None]
    assert values == [1.1]
    assert not any(math.isnan(value) for value in values)


def test_thousands_of_seeds_are_cut() -> None:
    rows = ",".join(f'"{seed}": 1.1' for seed in range(20_000))
    assert len(read(f'{{"seed_results": {{{rows}}}}}'.encode()).per_seed) <= ROWS_LIMIT


def test_control_characters_in_a_name_do_not_break_the_reading() -> None:
    found = read(b'{"val_bpb": 1.1, "name": "a\x1b[31mb"}')
    assert not found.parsed
    assert found.headline is not None


def test_a_long_text_is_cut() -> None:
    found = read(b'{"name": "' + b"x" * 100_000 + b'"}')
    assert found.name is not None
    assert len(found.name.value) <= 500
