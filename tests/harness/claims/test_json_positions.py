"""JSON with line numbers: agrees with the standard reader, and says where a file is broken."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.claims.json_positions import DEPTH_LIMIT, JsonDocument, read_json

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


def read(text: str) -> JsonDocument:
    return read_json(text.encode())


def first_problem(text: str) -> tuple[str, int | None, str]:
    problem = read(text).problems[0]
    return problem.kind, problem.line, problem.message


@settings(max_examples=60, deadline=None)
@given(_DOCUMENTS, st.sampled_from([None, 0, 2]))
def test_agrees_with_the_standard_reader_on_valid_documents(document: object, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)
    found = read(text)
    assert found.valid
    assert found.root is not None
    assert found.root.plain() == json.loads(text)


@settings(max_examples=60, deadline=None)
@given(_DOCUMENTS)
def test_unescaped_text_is_read_like_the_standard_reader_reads_it(document: object) -> None:
    text = json.dumps(document, ensure_ascii=False)
    found = read(text)
    assert found.root is not None
    assert found.root.plain() == json.loads(text)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    assert isinstance(read_json(data), JsonDocument)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \n\\u', max_size=200))
def test_almost_json_is_valid_exactly_when_the_standard_reader_accepts_it(text: str) -> None:
    assert read(text).valid == standard_reader_accepts(text)


def standard_reader_accepts(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_every_value_has_the_line_it_starts_on() -> None:
    root = read('{\n  "a": 1,\n  "b": [\n    2,\n    {"c": 3}\n  ]\n}').root
    assert root is not None
    members = dict(root.members())
    assert members["a"].line == 2
    assert [node.line for _, node in members["b"].members()] == [4, 5]


def test_an_excerpt_is_the_source_line() -> None:
    document = read('{\n  "val_bpb": 1.08\n}')
    assert document.excerpt(2) == '"val_bpb": 1.08'
    assert document.excerpt(9) is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "empty"),
        ('{"a": 1}\nnotes', 2, "after the end"),
        ('{"a": 1\n"b": 2}', 2, "comma or '}' is missing"),
        ('{"a": 1,\n}', 1, "a comma before '}'"),
        ('{"a":\n"never closed}', 2, "string that starts there is broken"),
        ('{"a": 1,\n', 2, "the file ends before '}'"),
        ("{'a': 1}", 1, "key in double quotes is missing"),
        ('{"a" 1}', 1, "':' after a key is missing"),
        ('{"a": TBD}', 1, "no value can start with 'TBD'"),
        ("[1, 2", 1, "the file ends before ']'"),
        ('{"a": [1, 2}', 1, "comma or ']' is missing"),
    ],
)
def test_a_broken_file_is_invalid_at_its_line(text: str, line: int, words: str) -> None:
    kind, found_line, message = first_problem(text)
    assert (kind, found_line) == ("invalid", line)
    assert words in message
    assert not read(text).valid


def test_a_missing_comma_names_the_column() -> None:
    assert "line 2, column 3" in first_problem('{"a": 1\n  "b": 2}')[2]


def test_what_stands_before_a_defect_is_kept() -> None:
    root = read('{"name": "x", "val_bpb": 1.1, "blurb": "broken').root
    assert root is not None
    assert root.plain() == {"name": "x", "val_bpb": 1.1}


def test_of_a_duplicate_key_the_last_value_counts_and_both_lines_are_known() -> None:
    document = read('{"a": 1,\n "a": 2}')
    assert document.root is not None
    assert document.root.plain() == {"a": 2}
    assert (document.problems[0].kind, document.problems[0].line) == ("duplicate-key", 2)
    assert "first on line 1" in document.problems[0].message


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_words_that_only_python_reads_as_numbers_are_reported(word: str) -> None:
    document = read(f'{{"a": {word}}}')
    assert document.valid
    assert document.problems[0].kind == "not-a-number"


def test_a_number_too_large_for_a_float_is_reported_and_infinite() -> None:
    document = read('{"a": 1e999}')
    assert document.root is not None
    assert document.root.plain() == {"a": math.inf}
    assert document.problems[0].kind == "not-a-number"


def test_half_a_surrogate_pair_becomes_printable() -> None:
    document = read(r'{"a": "\ud800"}')
    assert document.root is not None
    assert document.root.plain() == {"a": "\ufffd"}
    assert document.problems[0].kind == "encoding"


def test_a_byte_order_mark_is_read_and_reported() -> None:
    document = read_json(b"\xef\xbb\xbf" + b'{"a": 1}')
    assert document.valid
    assert document.problems[0].kind == "bom"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf_16_is_read_and_reported(encoding: str) -> None:
    data = '{"a": 1}'.encode(encoding)
    document = read_json(data if data.startswith(b"\xff\xfe") else b"\xff\xfe" + data)
    assert document.valid
    assert document.problems[0].kind == "encoding"


def test_a_byte_that_is_not_utf_8_is_reported_with_its_line() -> None:
    document = read_json(b'{"a": 1,\n"b": "caf\xe9"}')
    assert document.valid
    assert (document.problems[0].kind, document.problems[0].line) == ("encoding", 2)


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert read("[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT).valid


def test_deeper_nesting_is_refused_with_its_limit() -> None:
    kind, _, message = first_problem("[" * (DEPTH_LIMIT + 1) + "]" * (DEPTH_LIMIT + 1))
    assert kind == "too-deep"
    assert str(DEPTH_LIMIT) in message
