"""golf-data: make, fetch and verify token shards. Parses, calls, prints, exits; decides nothing."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__
from harness.command import exit_status_of
from harness.errors import SetupError
from harness.exit_status import Exit
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.tokens.manifest import Manifest
    from harness.tokens.verification import Verification

_MOST_SHARDS = 100_000
_MOST_DOCUMENTS = 10**12
_MOST_TOKENS = 2**31 - 1  # a header counts with an int32
_HELP_WIDTH = 100  # fixed, so that the manual can show the same text

_EPILOG = """\
exit status
  0    done; for verify: nothing contradicts what the folder claims
  1    verify: the data is wrong
  2    wrong usage
  4    it could not be done (a fault of the machine, the network, the input or the arguments)
  70   a bug of golf-data itself
  130  interrupted; nothing half-written has a final name, fetch goes on where it stopped

examples
  golf-data demo --out data/demo
  golf-data prepare docs.jsonl --tokenizer fineweb_1024_bpe.model --val-docs 50000 --out data/mine
  golf-data fetch --variant sp1024 --train-shards 10
  golf-data verify data/datasets/fineweb10B_sp1024
"""

_DEMO = """\
Make a tokenizer and shards from text that every Python brings along; no network is needed.
A second run finds them made. The text differs between Python versions; the manifest holds its digest.
"""
_PREPARE = """\
Tokenize documents (one JSON object with "text" a line) into shards.
The first N documents are for validation, the rest for training, as in the challenge's export (N = 50,000).
"""
_FETCH = """\
Fetch the challenge's published shards and tokenizer to OUT/datasets/fineweb10B_VARIANT and OUT/tokenizers.
Validation is fetched whole, training from its first shard on. Whole files that are there are left alone.
"""
_VERIFY = """\
Check the shards of a folder: headers, ids, documents, bytes, digests of the manifest, and whether validation
documents are in the training split. What is unknown (no manifest, no tokenizer) is said, not guessed.
"""


def _whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers in a range; 1_000 is 1,000."""

    def read(text: str) -> int:
        digits = text.replace("_", "")
        if not digits.isdecimal() or len(digits) > 15 or not least <= int(digits) <= most:
            raise argparse.ArgumentTypeError(f"{text!r:.40} is not a whole number from {least:,} to {most:,}")
        return int(digits)

    return read


def _formatter(prog: str) -> argparse.RawDescriptionHelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=_HELP_WIDTH)


def _add_fetch(fetch: argparse.ArgumentParser) -> None:
    fetch.add_argument("--variant", required=True, metavar="NAME", help="sp1024, sp8192, ... or byte260")
    fetch.add_argument(
        "--train-shards",
        type=_whole(0, _MOST_SHARDS),
        default=80,
        metavar="N",
        help="of 100,000,000 tokens each (default 80)",
    )
    fetch.add_argument(
        "--out", type=Path, default=Path("data"), metavar="OUT", help="default: data, as scripts expect"
    )
    fetch.add_argument(
        "--endpoint", metavar="URL", help="a mirror (default: $HF_ENDPOINT, else https://huggingface.co)"
    )
    fetch.add_argument("--dataset", metavar="USER/NAME", help="default: the challenge's own")
    fetch.add_argument("--revision", default="main", metavar="REV", help="of the dataset (default main)")
    fetch.add_argument("--dry-run", action="store_true", help="print addresses, fetch nothing")


def build_parser() -> argparse.ArgumentParser:
    """The command line of golf-data; imports nothing heavy, so that --help is instant."""
    parser = argparse.ArgumentParser(
        prog="golf-data",
        description="Make, fetch and verify token shards in the challenge's format.",
        epilog=_EPILOG,
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"golf-data {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")

    def command(name: str, summary: str, description: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=summary, description=description, formatter_class=_formatter, allow_abbrev=False
        )

    demo = command("demo", "a tokenizer and shards, made on the spot without a network", _DEMO)
    demo.add_argument("--out", type=Path, metavar="DIR", help="default: a folder of $XDG_CACHE_HOME")

    prepare = command("prepare", "documents of your own to shards", _PREPARE)
    prepare.add_argument("documents", type=Path, metavar="DOCS.jsonl", help="one JSON object a line")
    prepare.add_argument(
        "--tokenizer", type=Path, required=True, metavar="FILE.model", help="a SentencePiece model"
    )
    prepare.add_argument(
        "--val-docs",
        type=_whole(0, _MOST_DOCUMENTS),
        required=True,
        metavar="N",
        help="the first N documents validate",
    )
    prepare.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    prepare.add_argument(
        "--shard-tokens",
        type=_whole(1, _MOST_TOKENS),
        default=100_000_000,
        metavar="N",
        help="default 100,000,000",
    )
    prepare.add_argument(
        "--threads", type=_whole(1, 1024), default=1, metavar="N", help="of the tokenizer (default 1)"
    )
    prepare.add_argument("--skip-bad", action="store_true", help="leave out and count lines without a text")

    _add_fetch(command("fetch", "the challenge's published shards and tokenizer", _FETCH))

    verify = command("verify", "is a data folder what it claims to be?", _VERIFY)
    verify.add_argument("folder", type=Path, metavar="DIR", help="the folder of the shards")
    verify.add_argument(
        "--tokenizer", type=Path, metavar="FILE", help="a SentencePiece model (default: the folder's own)"
    )
    for each in (demo, prepare, commands.choices["fetch"], verify):
        each.add_argument("--quiet", action="store_true", help="no progress on standard error")
    return parser


def _print_splits(manifest: Manifest) -> None:
    for name, split in manifest.splits.items():
        print(
            f"{name}: {count_of(split.documents, 'document')}, {count_of(split.tokens, 'token')}, "
            f"{count_of(split.utf8_bytes, 'byte')}, {count_of(len(split.shards), 'shard')}"
        )


def _demo(arguments: argparse.Namespace) -> int:
    from harness.tokens.demo_corpus import demo_data

    data = demo_data(arguments.out)
    _print_splits(data.manifest)
    print(f"data: {data.data_dir}\ntokenizer: {data.tokenizer_path} ({data.vocab_size:,} pieces)")
    return Exit.OK


def _prepare(arguments: argparse.Namespace) -> int:
    from harness.tokens.prepare import PrepareOptions, prepare

    manifest = prepare(
        PrepareOptions(
            documents=arguments.documents,
            tokenizer=arguments.tokenizer,
            out=arguments.out,
            val_documents=arguments.val_docs,
            shard_tokens=arguments.shard_tokens,
            threads=arguments.threads,
            skip_bad=arguments.skip_bad,
            quiet=arguments.quiet,
        )
    )
    _print_splits(manifest)
    if skipped := manifest.source["skipped_lines"]:
        print(f"left out: {count_of(skipped, 'line')}; the first: {manifest.source['first_skipped']}")
    print(f"data: {arguments.out}")
    return Exit.OK


def _fetch(arguments: argparse.Namespace) -> int:
    from harness.tokens.fetch import FetchOptions, fetch, planned_urls
    from harness.tokens.published_export import PUBLISHED_REPOSITORY

    options = FetchOptions(
        variant=arguments.variant,
        train_shards=arguments.train_shards,
        out=arguments.out,
        endpoint=arguments.endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co",
        repository=arguments.dataset or PUBLISHED_REPOSITORY,
        revision=arguments.revision,
        quiet=arguments.quiet,
    )
    if arguments.dry_run:
        print("\n".join(planned_urls(options)))
        print(
            "golf-data: further validation shards and the tokenizer's file are named by the manifest",
            file=sys.stderr,
        )
        return Exit.OK
    fetched = fetch(options)
    print(f"fetched {count_of(fetched.fetched, 'file')}, {fetched.present:,} already there")
    print(f"data: {fetched.data_dir}")
    return Exit.OK


def _print_verification(result: Verification) -> None:
    for finding in result.findings:
        print(f"{finding.weight.value}: {finding.file}: {finding.message}")
    for name, split in result.splits.items():
        counted = "bytes unknown" if split.utf8_bytes is None else count_of(split.utf8_bytes, "byte")
        print(
            f"{name}: {count_of(split.documents, 'document')}, {count_of(split.tokens, 'token')}, {counted}, "
            f"{count_of(split.shards, 'shard')}, largest id {split.largest_id:,}"
        )
    print("the data is wrong" if result.is_wrong else "nothing contradicts what the folder claims")


def _verify(arguments: argparse.Namespace) -> int:
    from harness.tokens.verify import verify_folder

    result = verify_folder(arguments.folder, tokenizer=arguments.tokenizer, quiet=arguments.quiet)
    _print_verification(result)
    return Exit.FAIL if result.is_wrong else Exit.OK


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "demo": _demo,
    "prepare": _prepare,
    "fetch": _fetch,
    "verify": _verify,
}


def _refuse_missing_packages() -> None:
    """Numbers and tokenizers are an extra of the installation; golf-check needs neither."""
    import importlib.util

    missing = [name for name in ("numpy", "sentencepiece") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(f"{' and '.join(missing)} not installed; run: pip install 'golf-harness[model]'")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the golf-data command."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files can hold anything
    parser = build_parser()
    arguments = parser.parse_args(argv)

    def work() -> int:
        _refuse_missing_packages()
        return _COMMANDS[arguments.command](arguments)

    return exit_status_of(parser, work, when_interrupted="nothing half-written has a final name")


if __name__ == "__main__":
    sys.exit(main())
