"""Bad input of every kind gives a verdict or a clear message, never a traceback, never a pass."""

from __future__ import annotations

import json
import lzma
import os
from base64 import b85encode
from typing import TYPE_CHECKING

import pytest

from harness.cli_check import main
from tests.builders import good_files, good_json, good_log, write_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GOLF_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def judged(
    capsys: pytest.CaptureFixture[str], root: Path, **replaced: str | bytes | None
) -> tuple[int, dict, str]:
    """Exit status, JSON document and standard error of a good submission with some files replaced."""
    files = {name.replace("__", "."): content for name, content in replaced.items()}
    folder = write_files(root, {**good_files(), **files})
    status = main([str(folder), "--format", "json"])
    shown = capsys.readouterr()
    return status, json.loads(shown.out), shown.err


BAD_JSON = {
    "empty": b"",
    "not an object": b"[1, 2]",
    "deep": b"[" * 200_000,
    "huge number": b'{"val_bpb": ' + b"9" * 6_000 + b"}",
    "NaN": b'{"val_bpb": NaN}',
    "1e999": b'{"val_bpb": 1e999}',
    "text for the score": b'{"val_bpb": "good"}',
    "binary": bytes(range(256)) * 10,
    "null": b"null",
}


@pytest.mark.parametrize("content", BAD_JSON.values(), ids=BAD_JSON)
def test_a_bad_submission_json_fails_with_its_file_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
):
    status, document, errors = judged(capsys, tmp_path, submission__json=content)
    found = [finding for finding in document["findings"] if finding["rule"] == "submission-json"]
    assert (status, errors) == (1, "")
    assert "FAIL" in {finding["verdict"] for finding in found}
    assert {place["file"] for finding in found for place in finding["places"]} == {"submission.json"}


def test_a_truncated_submission_json_is_warned_about_with_the_line_it_breaks_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    text = json.dumps(good_json(), indent=1)[:120]
    _, document, _ = judged(capsys, tmp_path, submission__json=text)
    found = [f for f in document["findings"] if f["rule"] == "submission-json"]
    assert {f["verdict"] for f in found} & {"WARN", "FAIL"}
    assert text.count("\n") + 1 in {place["line"] for f in found for place in f["places"]}


def test_a_duplicate_key_in_submission_json_is_named_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    text = json.dumps(good_json(), indent=1).replace('"author"', '"val_bpb": 0.5,\n "author"', 1)
    _, document, _ = judged(capsys, tmp_path, submission__json=text)
    messages = [f["message"] for f in document["findings"] if f["rule"] == "submission-json"]
    assert any("val_bpb" in message and "twice" in message for message in messages), messages


BAD_LOGS = {
    "0 bytes": b"",
    "binary": os.urandom(5_000),
    "only newlines": b"\n" * 1_000,
    "truncated": good_log(13).encode()[:700],
    "right-to-left and ANSI": "\u202eval_bpb:1.0\x1b[2J\x1b]0;title\x07\n".encode() * 50,
    "one line of a megabyte": b"a" * 2**20,
    "nul bytes": b"seed:13\n\0\0\0val_bpb:1.0\n",
}


@pytest.mark.parametrize("content", BAD_LOGS.values(), ids=BAD_LOGS)
def test_a_bad_log_never_proves_its_seed(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes):
    _, document, errors = judged(capsys, tmp_path, train_seed13__log=content)
    assert errors == ""
    assert document["rules_checked"]["seeds-three"] in {"FAIL", "NEEDS-HUMAN", "NOT-CHECKED"}


def test_a_log_without_a_last_newline_is_read_to_its_end(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    _, document, _ = judged(capsys, tmp_path, train_seed13__log=good_log(13).rstrip("\n"))
    assert document["measured"]["per_seed"]["13"]["val_bpb"] == 1.2


def test_a_log_of_100_megabytes_is_judged_and_what_was_not_read_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    filler = b"step:5/20000 train_loss:3.0000 train_time:215ms step_avg:43.00ms\n" * 1_600_000
    _, document, errors = judged(capsys, tmp_path, train_seed13__log=good_log(13).encode() + filler)
    assert errors == ""
    assert "train_seed13.log" in json.dumps([document["unseen"], document["findings"]])


BAD_CODE = {
    "deep nesting": b"(" * 100_000,
    "unary minus": b"x = " + b"-" * 100_000 + b"1\n",
    "long sum": b"x = 0" + b"+1" * 200_000 + b"\n",
    "nul byte": b"x = 1\0\n",
    "undecodable": b"\xff\xfe\xfa" * 1_000,
}


@pytest.mark.parametrize("content", BAD_CODE.values(), ids=BAD_CODE)
def test_hostile_code_is_judged_without_a_crash_and_never_passes_as_runnable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
):
    _, document, errors = judged(capsys, tmp_path, train_gpt__py=content)
    assert errors == ""
    assert document["rule_errors"] == []
    assert document["rules_checked"]["script-runs-in-folder"] != "PASS"


BOMB = (
    b"import lzma,base64\nexec(lzma.decompress(base64.b85decode('"
    + b85encode(lzma.compress(bytes(200 * 2**20), preset=0))
    + b"')))\n"
)


def test_a_compression_bomb_in_wrapped_code_is_not_unpacked_and_a_person_is_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    _, document, errors = judged(capsys, tmp_path, train_gpt__py=BOMB)
    assert errors == ""
    assert document["rules_checked"]["wrapped-code"] == "NEEDS-HUMAN"


def test_code_in_utf_7_is_read_as_python_reads_it(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    _, document, errors = judged(capsys, tmp_path, train_gpt__py=b"# coding: utf-7\n+AHA-rint(1)\n")
    assert (errors, document["rule_errors"]) == ("", [])


def test_an_empty_folder_exits_4_and_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == 4
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_without_a_script_fails_for_the_missing_script(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    status, document, _ = judged(capsys, tmp_path, train_gpt__py=None)
    messages = [f["message"] for f in document["findings"] if f["rule"] == "pr-required-files"]
    assert status == 1
    assert any("train_gpt.py" in message for message in messages)


def test_a_symlink_out_of_the_folder_is_not_followed(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "secret.log").write_text(good_log(13))
    folder = write_files(tmp_path, {**good_files(), "train_seed13.log": None})
    (folder / "train_seed13.log").symlink_to(tmp_path / "secret.log")
    main([str(folder), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert document["measured"]["per_seed"]["13"]["train_seconds"] is None
    assert any("symlink" in text for text in document["unseen"])


def test_a_fifo_in_the_folder_does_not_hang(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    folder = write_files(tmp_path, good_files())
    os.mkfifo(folder / "extra.log")
    main([str(folder), "--format", "json"])
    assert json.loads(capsys.readouterr().out)["verdict"] == "incomplete"


def test_a_read_only_folder_is_judged(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    folder = write_files(tmp_path, good_files())
    folder.chmod(0o500)
    assert main([str(folder), "--format", "concise"]) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_said_and_is_not_the_submissions_failure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    folder = write_files(tmp_path, good_files())
    (folder / "train_seed13.log").chmod(0)
    main([str(folder), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert any("train_seed13.log" in text for text in document["unseen"])


def test_a_log_named_outside_its_folder_by_dot_dot_is_never_opened(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    (tmp_path / "other.py").write_text("secret_constant = 1\n")
    script = 'exec(open("../../../other.py").read())\n'
    _, document, errors = judged(capsys, tmp_path, train_gpt__py=script)
    assert errors == ""
    assert "secret_constant" not in json.dumps(document)
