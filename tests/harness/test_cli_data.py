from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli_data
from harness.cli_data import build_parser, main
from tests.harness.tokens.tiny_tokenizer import TINY_DOCUMENTS, tiny_tokenizer

MANUAL = Path(__file__).parents[2] / "docs" / "golf-data.md"


def documents(folder: Path) -> Path:
    path = folder / "docs.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TINY_DOCUMENTS), encoding="utf-8")
    return path


def prepare(folder: Path, *more: str) -> int:
    asked = [str(documents(folder)), "--tokenizer", str(tiny_tokenizer()), "--val-docs", "2"]
    return main(["prepare", *asked, "--out", str(folder / "out"), "--quiet", *more])


def test_prepare_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(tmp_path) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("val: 2 documents, ")
    assert second.startswith("train: 4 documents, ")
    assert last == f"data: {tmp_path / 'out'}"


def test_verify_exits_with_0_where_nothing_contradicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path)
    assert main(["verify", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.endswith("nothing contradicts what the folder claims\n")


def test_verify_exits_with_1_and_names_file_and_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path)
    shard = tmp_path / "out" / "fineweb_val_000000.bin"
    shard.write_bytes(shard.read_bytes() + b"xy")
    assert main(["verify", str(tmp_path / "out")]) == 1
    assert "wrong: fineweb_val_000000.bin: too long: header claims" in capsys.readouterr().out


def test_verify_exits_with_4_where_there_is_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path / "none")]) == 4
    assert capsys.readouterr().err == f"golf-data: {tmp_path / 'none'}: no such data folder\n"


def test_a_bad_line_exits_with_4_unless_it_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "--tokenizer",
        str(tiny_tokenizer()),
        "--val-docs",
        "1",
        "--out",
        str(tmp_path / "out"),
        "--quiet",
    ]
    (tmp_path / "docs.jsonl").write_text('{"text": "a"}\nbad\n{"text": "b"}\n')
    assert main(["prepare", str(tmp_path / "docs.jsonl"), *asked]) == 4
    assert "docs.jsonl:2 is not JSON" in capsys.readouterr().err
    assert main(["prepare", str(tmp_path / "docs.jsonl"), *asked, "--skip-bad"]) == 0
    assert "left out: 1 line; the first: line 2 is not JSON" in capsys.readouterr().out


def test_a_dry_run_prints_addresses_and_touches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    asked = ["--variant", "sp1024", "--train-shards", "1", "--out", str(tmp_path / "data")]
    assert main(["fetch", *asked, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("https://mirror.example/datasets/")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "asked",
    [
        [],
        ["prepare", "x"],
        ["fetch"],
        ["demo", "x"],
        ["fetch", "--variant", "gpt2", "--dry-run"],
        ["verify", "--shard-tokens", "3"],
        ["fetch", "--variant", "sp1024", "--train-shards", "-1"],
    ],
)
def test_wrong_usage_exits_with_2(asked: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(asked)
    assert stopped.value.code == 2


def test_a_bug_is_reported_as_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli_data._COMMANDS, "demo", lambda arguments: 1 // 0)
    assert main(["demo"]) == 70
    assert "this is a bug of golf-data" in capsys.readouterr().err


def test_an_interruption_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli_data._COMMANDS, "demo", interrupted)
    assert main(["demo"]) == 130


def test_help_imports_neither_numbers_nor_tokenizers() -> None:
    code = (
        "import sys, harness.cli_data as c; c.build_parser().format_help(); "
        "print([m for m in ('numpy', 'sentencepiece', 'torch', 'rich') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout == "[]\n"


@pytest.mark.parametrize("command", ["", "demo", "prepare", "fetch", "verify"])
def test_the_manual_shows_the_help_as_it_is(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert f"```\n$ golf-data {command} --help\n".replace("  ", " ") + shown + "```" in MANUAL.read_text()
