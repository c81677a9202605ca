from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.errors import SetupError, UsageError
from harness.tokens.download import DownloadOptions
from harness.tokens.fetch import FetchOptions, fetch, planned_urls
from harness.tokens.published_export import published_tokenizer
from harness.tokens.shard_file import read_shard, write_shard
from tests.harness.tokens.tiny_tokenizer import tiny_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "/datasets/user/export/resolve/main/datasets/"
FOLDER = "datasets/fineweb10B_sp1024"
VAL = f"{FOLDER}/fineweb_val_000000.bin"


@dataclass
class Host:
    """A host of files; `breaks` lists how the next answers go wrong."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.removeprefix(PREFIX)
        wanted = handler.headers.get("Range", "")
        self.asked.append((name, wanted))
        content = self.files.get(name)
        broken = self.breaks.pop(0) if self.breaks and name == VAL else ""
        if content is None or broken.isdigit():
            handler.send_error(int(broken or 404))
            return
        begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and broken != "whole" else 0
        if begin >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.end_headers()
            return
        handler.send_response(206 if begin else 200)
        handler.send_header("Content-Length", str(len(content) - begin))
        if begin:
            handler.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        handler.end_headers()
        handler.wfile.write(content[begin : -100 if broken == "short" else None])


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(files=published_files(tmp_path))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield host
    server.shutdown()
    server.server_close()


def published_files(folder: Path) -> dict[str, bytes]:
    write_shard(folder / "shard.bin", np.arange(1, 301))
    shard = (folder / "shard.bin").read_bytes()
    return {
        "manifest.json": json.dumps(manifest()).encode(),
        "tokenizers/fineweb_1024_bpe.model": tiny_tokenizer().read_bytes(),
        VAL: shard,
        f"{FOLDER}/fineweb_train_000000.bin": shard,
        f"{FOLDER}/fineweb_train_000001.bin": shard,
    }


def manifest(**tokenizer: str) -> dict[str, Any]:
    paths = tokenizer or {"model_path": "tokenizers/fineweb_1024_bpe.model"}
    stats = {"files_val": 1, "files_train": 2}
    return {
        "datasets": [{"name": "fineweb10B_sp1024", "tokenizer_name": "sp_bpe_1024", "stats": stats}],
        "tokenizers": [{"name": "sp_bpe_1024", **paths}],
    }


def asked_for(host: Host, out: Path, **changed: Any) -> FetchOptions:
    return FetchOptions(
        **{
            "variant": "sp1024",
            "train_shards": 1,
            "out": out,
            "endpoint": host.url,
            "repository": "user/export",
            "quiet": True,
            "download": DownloadOptions(attempts=3, first_wait_seconds=0.0, timeout_seconds=5.0),
            **changed,
        }
    )


def test_validation_training_and_tokenizer_come_to_the_layout_of_the_challenge(
    host: Host, tmp_path: Path
) -> None:
    fetched = fetch(asked_for(host, tmp_path / "data"))
    assert (fetched.fetched, fetched.data_dir) == (3, tmp_path / "data" / FOLDER)
    assert read_shard(tmp_path / "data" / VAL).size == 300
    assert not (fetched.data_dir / "fineweb_train_000001.bin").exists()
    assert published_tokenizer(fetched.data_dir) == tmp_path / "data/tokenizers/fineweb_1024_bpe.model"


def test_a_second_run_asks_the_host_for_nothing(host: Host, tmp_path: Path) -> None:
    fetch(asked_for(host, tmp_path / "data"))
    host.asked.clear()
    assert fetch(asked_for(host, tmp_path / "data")).present == 3
    assert not host.asked


def test_a_broken_connection_goes_on_where_it_stopped(host: Host, tmp_path: Path) -> None:
    host.breaks = ["short"]
    fetch(asked_for(host, tmp_path / "data"))
    size = len(host.files[VAL])
    assert [wanted for name, wanted in host.asked if name == VAL] == ["", f"bytes={size - 100}-"]
    assert (tmp_path / "data" / VAL).read_bytes() == host.files[VAL]


def test_a_host_that_ignores_ranges_is_read_from_the_start(host: Host, tmp_path: Path) -> None:
    host.breaks = ["short", "whole"]
    fetch(asked_for(host, tmp_path / "data"))
    assert (tmp_path / "data" / VAL).read_bytes() == host.files[VAL]


def test_a_file_that_arrived_whole_before_the_interruption_is_not_fetched_again(
    host: Host, tmp_path: Path
) -> None:
    part = tmp_path / "data" / f"{VAL}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(host.files[VAL])
    fetch(asked_for(host, tmp_path / "data"))
    assert (tmp_path / "data" / VAL).read_bytes() == host.files[VAL]
    assert not part.exists()


def test_a_busy_host_is_asked_again(host: Host, tmp_path: Path) -> None:
    host.breaks = ["503", "429"]
    assert fetch(asked_for(host, tmp_path / "data")).fetched == 3


def test_a_host_that_refuses_is_not_asked_again(host: Host, tmp_path: Path) -> None:
    host.breaks = ["403"]
    with pytest.raises(SetupError, match=r"the server refused: 403"):
        fetch(asked_for(host, tmp_path / "data"))
    assert [name for name, _ in host.asked].count(VAL) == 1


def test_without_a_network_the_offline_commands_are_named(host: Host, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"could not be fetched in 3 attempts.*golf-data demo"):
        fetch(asked_for(host, tmp_path / "data", endpoint="http://127.0.0.1:9"))


def test_a_shard_that_is_no_shard_never_takes_its_name(host: Host, tmp_path: Path) -> None:
    host.files[VAL] = b"<html>sign in first</html>" * 100
    with pytest.raises(SetupError, match="magic number"):
        fetch(asked_for(host, tmp_path / "data"))
    assert not list((tmp_path / "data").rglob("fineweb_val*"))


def test_a_page_in_place_of_the_tokenizer_never_takes_its_name(host: Host, tmp_path: Path) -> None:
    host.files["tokenizers/fineweb_1024_bpe.model"] = b"<html>sign in first</html>"
    with pytest.raises(SetupError, match="is not a SentencePiece model"):
        fetch(asked_for(host, tmp_path / "data"))
    assert not list((tmp_path / "data").rglob("*.model*"))


def test_data_of_our_own_making_is_not_overwritten(host: Host, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").write_text('{"format": "golf-data 1", "splits": {}}')
    with pytest.raises(SetupError):
        fetch(asked_for(host, tmp_path / "data"))
    assert not host.asked


def test_a_damaged_shard_on_disk_is_fetched_anew(host: Host, tmp_path: Path) -> None:
    fetch(asked_for(host, tmp_path / "data"))
    (tmp_path / "data" / VAL).write_bytes(b"cut")
    assert fetch(asked_for(host, tmp_path / "data")).fetched == 1
    assert read_shard(tmp_path / "data" / VAL).size == 300


def test_more_shards_than_were_published_are_refused(host: Host, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="3 training shards asked for, but 2 are published"):
        fetch(asked_for(host, tmp_path / "data", train_shards=3))


def test_a_variant_that_was_not_published_is_refused(host: Host, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="has no 'fineweb10B_sp2048' under 'datasets'"):
        fetch(asked_for(host, tmp_path / "data", variant="sp2048"))


@pytest.mark.parametrize("path", ["../../evil", "/etc/evil", "a\\b", "a/../../b", "\0", "\ud800"])
def test_a_manifest_cannot_write_outside_the_folder(host: Host, tmp_path: Path, path: str) -> None:
    host.files["manifest.json"] = json.dumps(manifest(model_path=path)).encode()
    with pytest.raises(SetupError, match="not a path below it"):
        fetch(asked_for(host, tmp_path / "data"))


def test_a_manifest_that_is_not_json_is_refused(host: Host, tmp_path: Path) -> None:
    host.files["manifest.json"] = b"<html>"
    with pytest.raises(SetupError, match="is not JSON"):
        fetch(asked_for(host, tmp_path / "data"))


def test_addresses_are_those_of_the_published_export(tmp_path: Path) -> None:
    options = FetchOptions(
        variant="sp1024",
        train_shards=1,
        out=tmp_path,
        endpoint="https://huggingface.co",
        repository="willdepueoai/parameter-golf",
    )
    base = "https://huggingface.co/datasets/willdepueoai/parameter-golf/resolve/main/datasets/"
    assert planned_urls(options) == [
        f"{base}manifest.json",
        f"{base}datasets/fineweb10B_sp1024/fineweb_val_000000.bin",
        f"{base}datasets/fineweb10B_sp1024/fineweb_train_000000.bin",
    ]


@pytest.mark.parametrize("variant", ["sp", "sp0", "../x", "gpt2", ""])
def test_a_variant_that_cannot_be_is_refused(tmp_path: Path, variant: str) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        planned_urls(
            FetchOptions(
                variant=variant, train_shards=1, out=tmp_path, endpoint="https://x", repository="u/e"
            )
        )
