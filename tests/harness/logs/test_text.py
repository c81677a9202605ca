"""Bytes to lines: encodings, prefixes, terminal codes, script dumps."""

from __future__ import annotations

import pytest

from harness.logs.text import FIRST_LINES, HEAD_BYTES, LINE_CHARACTERS, TAIL_BYTES, read_text

SCRIPT = (
    "import os\nimport sys\nfrom math import pi\n\ndef main():\n    seed = 7\n\n"
    "if __name__ == '__main__':\n    main()\n"
)
RULE = "=" * 100 + "\n"


def texts(data: bytes) -> list[str]:
    return [line.text for line in read_text("a.log", data, len(data)).lines if line.text]


def problems(data: bytes, size: int | None = None) -> list[str]:
    return [p.kind for p in read_text("a.log", data, len(data) if size is None else size).problems]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_encoding_of_a_windows_shell_is_read(encoding: str) -> None:
    assert texts(("seed:42\nnote é\n" * 20).encode(encoding))[:2] == ["seed:42", "note é"]


def test_zero_bytes_make_a_file_binary() -> None:
    assert problems(b"\x00\x01\x02\x03" * 500) == ["binary"]


def test_windows_line_ends_leave_no_carriage_return() -> None:
    assert texts(b"seed:42\r\nstep:1\r\n") == ["seed:42", "step:1"]


def test_redrawn_progress_keeps_the_line_number() -> None:
    lines = read_text("a.log", b"one\n10%\r20%\r30%\nlast\n", 21).lines
    assert [(line.number, line.text) for line in lines[:5]] == [
        (1, "one"),
        (2, "10%"),
        (2, "20%"),
        (2, "30%"),
        (3, "last"),
    ]


def test_old_mac_line_ends_count_as_lines() -> None:
    assert read_text("a.log", b"one\rtwo\r", 8).lines[1] == (2, "two")


def test_colour_codes_are_dropped() -> None:
    assert texts(b"\x1b[32mval_bpb:1.1\x1b[0m\x1b]0;title\x07\n") == ["val_bpb:1.1"]


def test_characters_that_turn_the_text_around_are_dropped() -> None:
    assert texts("val_bpb:\u202e1.1\u2066\u200b\n".encode()) == ["val_bpb:1.1"]


def test_rank_zero_speaks_for_all_ranks() -> None:
    assert texts(b"[default0]:seed:42\n[default1]:seed:42\n[rank7]: x\n") == ["seed:42"]


def test_the_only_rank_is_read_whatever_its_number() -> None:
    assert texts(b"[rank3]: seed:42\n") == ["seed:42"]


def test_numbered_ranks_are_a_prefix_only_when_most_lines_have_them() -> None:
    assert texts(b"0: seed:42\n1: seed:42\n0: done\n") == ["seed:42", "done"]
    assert texts(b"0: seed:42\n" + b"plain\n" * 3)[0] == "0: seed:42"


@pytest.mark.parametrize(
    "stamp",
    ["1712345678.123 ", "2026-04-01T12:00:00Z ", "[2026-04-01 12:00:00,123] INFO - ", "[12:00:01] "],
)
def test_time_prefixes_are_stripped(stamp: str) -> None:
    assert texts(f"{stamp}seed:42\n".encode()) == ["seed:42"]


def test_the_first_and_last_stamp_are_kept() -> None:
    data = b"1712345678.1 seed:42\n1712345679.1 x\n1712345690.5 end\n"
    assert read_text("a.log", data, len(data)).wall_stamps == ("1712345678.1", "1712345690.5")


def test_a_script_before_a_rule_is_cut_out_with_its_lines() -> None:
    log = read_text("a.log", (SCRIPT + RULE + "seed:42\n").encode(), 300)
    assert [line for line in log.lines if line.text] == [(11, "seed:42")]
    assert (log.dumps[0].first_line, log.dumps[0].last_line, log.dumps[0].text) == (1, 9, SCRIPT)


def test_a_script_under_its_title_is_cut_out() -> None:
    data = "seed:42\nSource code:\n" + RULE + SCRIPT + RULE + "step:1\n"
    log = read_text("a.log", data.encode(), len(data))
    assert [line.text for line in log.lines if line.text] == ["seed:42", "step:1"]
    assert log.dumps[0].text == SCRIPT


def test_a_script_without_a_rule_ends_with_its_main_guard() -> None:
    data = SCRIPT + "logs/run.txt\nseed:42\n"
    assert texts(data.encode()) == ["logs/run.txt", "seed:42"]


def test_a_rule_inside_a_docstring_does_not_end_the_script() -> None:
    script = SCRIPT.replace("def main", f'"""Title\n{RULE}"""\ndef main')
    assert read_text("a.log", (script + RULE).encode(), 500).dumps[0].text == script


def test_a_wrapped_script_of_two_lines_is_a_dump() -> None:
    script = "import lzma as L,base64 as B\nexec(L.decompress(B.b85decode(b'abc')))\n"
    assert read_text("a.log", (script + RULE + "seed:1\n").encode(), 300).dumps[0].text == script


def test_prose_is_no_script() -> None:
    assert read_text("a.log", b"# Results\nfrom the run below\n# Done\n", 38).dumps == ()


def test_a_long_line_is_cut_and_reported() -> None:
    log = read_text("a.log", b"one\n" + b"x" * (LINE_CHARACTERS + 1), LINE_CHARACTERS + 5)
    assert len(log.lines[1].text) == LINE_CHARACTERS
    assert (log.problems[0].kind, log.problems[0].line) == ("too-large", 2)


def test_a_part_of_a_file_is_reported_with_what_was_not_read() -> None:
    log = read_text("a.log", b"seed:42\n", 1_000_008)
    assert "1,000,000" in log.problems[0].message


def test_a_file_over_the_caps_keeps_head_and_tail_with_true_line_numbers() -> None:
    data = b"head\n" + b"x" * (HEAD_BYTES + TAIL_BYTES) + b"\ntail\n"
    log = read_text("a.log", data, len(data))
    assert (log.lines[0].text, log.lines[-2]) == ("head", (3, "tail"))
    assert log.problems[0].kind == "too-large"


def test_the_last_of_too_many_lines_keeps_its_number() -> None:
    count = FIRST_LINES * 2
    lines = read_text("a.log", b"a\n" * count + b"end\n", 2 * count + 4).lines
    assert lines[-2] == (count + 1, "end")


def test_zero_bytes_at_the_end_do_not_blind_a_log() -> None:
    data = b"seed:42\nstep:1\n" + b"\x00" * 2001
    assert texts(data)[:2] == ["seed:42", "step:1"]
    assert problems(data) == ["padding"]


def test_the_last_character_of_utf_16_is_no_padding() -> None:
    assert problems("seed:42\nstep:1\n".encode("utf-16-le")) == []
