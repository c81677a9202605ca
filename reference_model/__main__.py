"""The command line of the reference model: train, evaluate, presets, pack. Parses, calls, exits."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import GolfError
from reference_model.exit_status import Exit, exit_status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reference_model.config import Config

PROGRAM = "python -m reference_model"
SIZES = ("full", "small", "tiny")
# A rank that waits longer than this for another gives up; torch's default for gloo is 30 minutes.
RANK_TIMEOUT_SECONDS = 600.0

_EPILOG = """\
exit status
  0    done
  1    the run failed by its own fault: the loss is no number, the artifact is over the cap or damaged
  2    wrong usage, or a configuration that makes no sense
  4    a fault of the machine, the data or the folders
  70   a bug of this program
  130  interrupted; the checkpoint is written, the same command with --resume goes on

examples
  python -m reference_model train --preset reference --size tiny --data DATA --out RUN
  python -m reference_model train --preset pr940 --data DATA --out RUN --set model.num_layers=9 --seed 42
  torchrun --nproc-per-node 8 -m reference_model train --preset reference --data DATA --out RUN
  python -m reference_model evaluate RUN/final_model.ptz --preset reference --size tiny --data DATA
  python -m reference_model presets --settings
  python -m reference_model pack --help

DATA is a folder that golf-data wrote: fineweb_train_*.bin, fineweb_val_*.bin and the tokenizer beside them.
"""


def _setting(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is no setting; write group.field=value")
    return name.strip(), value


def _seed(text: str) -> int:
    if not text.isdigit() or int(text) >= 1 << 63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed; write a whole number, 0 or more")
    return int(text)


def _bytes(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write a whole number of bytes")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write seconds above 0")
    return value


def build_parser() -> argparse.ArgumentParser:
    """The command line; imports nothing heavy, so that --help is instant."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Train the reference model of Parameter Golf, score an artifact, list presets, pack it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    train = commands.add_parser("train", help="train, write the artifact, score it", allow_abbrev=False)
    _add_what(train)
    train.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="weights, artifact, log and checkpoint go there",
    )
    train.add_argument(
        "--code-bytes",
        type=_bytes,
        metavar="N",
        help="size of the packed script that the artifact will lie beside (default: all unpacked sources)",
    )
    train.add_argument("--resume", action="store_true", help="go on from DIR/checkpoint.pt")

    evaluate = commands.add_parser("evaluate", help="score an artifact, train nothing", allow_abbrev=False)
    evaluate.add_argument("artifact", type=Path, metavar="ARTIFACT", help="final_model.ptz of a run")
    _add_what(evaluate)
    evaluate.add_argument("--out", type=Path, metavar="DIR", help="log and score ledger go there")

    presets = commands.add_parser("presets", help="list the presets, or every setting", allow_abbrev=False)
    presets.add_argument(
        "--settings",
        action="store_true",
        help="every setting with its default and the environment variable of packed scripts",
    )
    commands.add_parser("pack", help="write one train_gpt.py of a preset (pack --help)", add_help=False)
    return parser


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", default="reference", metavar="NAME", help="see `presets` (default reference)"
    )
    parser.add_argument(
        "--size", choices=SIZES, default="full", help="how large the preset is (default full)"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="shards and tokenizer")
    parser.add_argument(
        "--tokenizer", type=Path, metavar="FILE", help="where it is not found beside the data"
    )
    parser.add_argument(
        "--set",
        dest="settings",
        type=_setting,
        action="append",
        default=[],
        metavar="GROUP.FIELD=VALUE",
        help="change a setting; may be repeated",
    )
    parser.add_argument("--seed", type=_seed, metavar="N", help="default: the preset's (run.seed)")
    parser.add_argument(
        "--stages",
        choices=("all", "headline"),
        default="all",
        help="score every stage, or the counted one alone (default all)",
    )
    parser.add_argument(
        "--rank-timeout",
        type=_seconds,
        default=RANK_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help=f"give up on another rank after this long (default {RANK_TIMEOUT_SECONDS:.0f})",
    )
    parser.add_argument("--quiet", action="store_true", help="no lines on standard output, no progress")


def chosen_config(arguments: argparse.Namespace) -> Config:
    """The preset in its size with the settings of the command line; raises ConfigError."""
    from reference_model.config_overrides import configured
    from reference_model.presets import Size, preset

    overrides = dict(arguments.settings)
    if arguments.seed is not None:
        overrides["run.seed"] = str(arguments.seed)
    return configured(preset(arguments.preset, Size(arguments.size)), overrides=overrides)


def _run(arguments: argparse.Namespace) -> int:
    config = chosen_config(arguments)  # refused before torch is loaded
    from reference_model.distributed import joined_world
    from reference_model.training.final_evaluation import Stages
    from reference_model.training.run_log import RunLog
    from reference_model.training.terminal_progress import shown_on_terminal
    from reference_model.training.train import (
        claimed_folder,
        evaluate_artifact,
        refuse_over_cap,
        train,
    )

    name = "train.log" if arguments.command == "train" else "evaluate.log"
    path = arguments.out / name if arguments.out is not None else None
    with (
        joined_world(timeout_seconds=arguments.rank_timeout) as world,
        contextlib.nullcontext() if path is None else claimed_folder(path.parent, world),
        RunLog(
            path,
            is_main=world.is_main,
            quiet=arguments.quiet,
            appends=getattr(arguments, "resume", False),
        ) as log,
        shown_on_terminal(is_main=world.is_main, quiet=arguments.quiet) as progress,
    ):
        common: dict[str, Any] = {
            "data_dir": arguments.data,
            "out_dir": arguments.out,
            "world": world,
            "log": log,
            "tokenizer": arguments.tokenizer,
            "stages": Stages(arguments.stages),
            "progress": progress,
        }
        if arguments.command == "evaluate":
            evaluate_artifact(config, arguments.artifact, **common)
            return Exit.OK
        result = train(config, resume=arguments.resume, code_bytes=arguments.code_bytes, **common)
    refuse_over_cap(result)
    return Exit.OK


def list_presets() -> str:
    """A table of the presets at full size."""
    from reference_model.presets import PRESETS

    rows = [
        ("preset", "layers", "width", "tokens/step", "seq", "optimizer", "int", "container", "ttt", "ngram")
    ]
    for name, config in PRESETS.items():
        bits = config.quantization
        rows.append((
            name,
            f"{config.model.num_layers}",
            f"{config.model.model_dim}",
            f"{config.data.train_batch_tokens:,}",
            f"{config.data.train_seq_len:,}",
            config.optimizer.matrix_optimizer.value,
            f"{bits.mlp_bits}/{bits.attention_bits}",
            bits.container.value,
            config.ttt.kind.value,
            config.ngram.kind.value,
        ))  # fmt: skip
    return _table(rows) + f"\n\nsizes: {', '.join(SIZES)} (--size)"


def list_settings() -> str:
    """A table of every setting: name, default, environment variable."""
    from reference_model.config import Config
    from reference_model.config_overrides import config_fields

    defaults = Config().as_dict()
    rows = [("setting", "default", "variable of packed scripts")]
    for group, name, _, variable in config_fields():
        value = defaults[group][name]
        shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        rows.append((f"{group}.{name}", shown or "(empty)", variable))
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _dispatch(arguments: argparse.Namespace) -> int:
    if arguments.command == "presets":
        print(list_settings() if arguments.settings else list_presets())
        return Exit.OK
    return _run(arguments)


def _say(message: object) -> None:
    print(f"{PROGRAM}: {message}", file=sys.stderr)


def _our_fault() -> int:
    import traceback

    traceback.print_exc()
    _say("this is a bug of this program; please report it with the above")
    return Exit.BUG


def with_status(action: Callable[[], int]) -> int:
    """Run `action`; its errors become a message on standard error and an exit status."""
    try:
        return action()
    except GolfError as error:
        _say(error)
        return exit_status_of(error)
    except KeyboardInterrupt:
        _say("interrupted; the same command begins again, a training with --resume at its checkpoint")
        return Exit.INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except ModuleNotFoundError as error:
        if error.name in {"torch", "numpy", "sentencepiece"}:
            _say(f"{error.name} is not installed; install it with: pip install 'golf-harness[model]'")
            return Exit.SETUP
        return _our_fault()
    except Exception:  # the last line of defence: say that it is our fault
        return _our_fault()


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["pack"]:
        from reference_model.pack.command import main as pack_main

        return with_status(lambda: int(pack_main(words[1:])))
    arguments = build_parser().parse_args(words)
    return with_status(lambda: _dispatch(arguments))


if __name__ == "__main__":
    sys.exit(main())
