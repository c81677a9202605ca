"""`python -m reference_model pack`: writes a configuration's trainer as one `train_gpt.py`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import GolfError, SetupError
from reference_model.config import ConfigError
from reference_model.config_overrides import configured
from reference_model.exit_status import exit_status_of
from reference_model.pack.minify import minified
from reference_model.pack.program import packed_program
from reference_model.pack.self_extracting import self_extracting
from reference_model.presets import PRESETS, Size, preset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reference_model.config import Config
    from reference_model.pack.program import PackedProgram


def main(argv: Sequence[str]) -> int:
    """Pack as the arguments say; returns the exit status (0, 2 usage, 4 machine)."""
    arguments = pack_arguments().parse_args(argv)
    try:
        config = _chosen_configuration(arguments)
        plain = packed_program(config)
        text = minified(plain.bundle.text) if arguments.minify else plain.bundle.text
        text = self_extracting(text) if arguments.self_extracting else text
        write_script(arguments.output, text)
    except GolfError as error:
        print(error, file=sys.stderr)
        return exit_status_of(error)
    print(f"{arguments.output}: {len(text.encode()):,} bytes of code")
    if arguments.report:
        print(pack_report(plain))
    return 0


def pack_arguments() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m reference_model pack",
        description="Write the trainer of a configuration as one self-contained train_gpt.py.",
    )
    parser.add_argument("--preset", default="reference", choices=sorted(PRESETS), help="default: reference")
    parser.add_argument("--size", default="full", choices=[size.value for size in Size], help="default: full")
    parser.add_argument(
        "--set", action="append", default=[], metavar="GROUP.FIELD=VALUE", help="change a setting; repeatable"
    )
    parser.add_argument("--minify", action="store_true", help="shorten the text (needs python-minifier)")
    parser.add_argument("--self-extracting", action="store_true", help="compress the text into a stub")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("train_gpt.py"), help="default: train_gpt.py"
    )
    parser.add_argument("--report", action="store_true", help="say what was kept, dropped and baked in")
    return parser


def _chosen_configuration(arguments: argparse.Namespace) -> Config:
    overrides = {}
    for each in arguments.set:
        path, sign, value = each.partition("=")
        if not sign:
            raise ConfigError(f"--set {each!r} has no value; write group.field=value")
        overrides[path] = value
    return configured(preset(arguments.preset, Size(arguments.size)), overrides=overrides)


def write_script(path: Path, text: str) -> None:
    """Write the file completely or not at all; raises SetupError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SetupError(f"cannot write {path}: {error.strerror}; choose another place with -o") from None


def pack_report(plain: PackedProgram) -> str:
    """Bytes of the three forms, modules and definitions kept and dropped, switches baked in."""
    bundle = plain.bundle
    lines = [f"plain             {plain.code_bytes:>9,} bytes"]
    try:
        short = minified(bundle.text)
        lines.append(f"minified          {len(short.encode()):>9,} bytes")
        lines.append(
            f"self-extracting   {len(self_extracting(short).encode()):>9,} bytes (of the minified text)"
        )
    except SetupError as error:
        lines.append(f"minified          not known: {error}")
        lines.append(
            f"self-extracting   {len(self_extracting(bundle.text).encode()):>9,} bytes (of the plain text)"
        )
    kept, dropped = len(bundle.definitions_kept), len(bundle.definitions_dropped)
    lines += [
        f"modules           {len(bundle.modules_kept)} kept, {len(bundle.modules_dropped)} dropped",
        *(f"  dropped {name}" for name in bundle.modules_dropped),
        f"definitions       {kept} kept, {dropped} functions and classes dropped",
        *(f"  dropped {name}" for name in bundle.definitions_dropped),
        f"switches baked in {', '.join(bundle.folded) or 'none'}",
    ]
    return "\n".join(lines)
