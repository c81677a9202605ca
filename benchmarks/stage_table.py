"""What each stage is worth on real text: bits per byte from raw weights to mixed scores, preset by preset.

    python -m benchmarks.stage_table --data DATA [--work DIR] [--presets pr461 ...] [--steps N]

from the repository's root. DATA is a folder that golf-data wrote (`golf-data prepare DOCS.jsonl --val-docs 30
--tokenizer fineweb_1024_bpe.model`). Every preset is trained at size `small` and exported; then the artifact
as read back from disk is scored: windows side by side, sliding, with score-first test-time training, and the
sliding scores mixed with n-gram counts, legally and with the hashed key of PR #940 that holds the target.
What is done stays in DIR, so that an interrupted table goes on where it stopped.

Signs that are expected (medians over 501 logs of the challenge's pull requests): quantising costs, but less
than 0.02; sliding, test-time training and the legal mixture gain; the illegal mixture gains the more the
smaller its tables are, which no probability does.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reference_model.config import NgramConfig, NgramKind, TttKind
from reference_model.config_overrides import configured
from reference_model.distributed import World
from reference_model.evaluation.evaluate import evaluate_plain, evaluate_sliding, evaluate_with_ttt
from reference_model.network.gpt import build_model
from reference_model.ngrams.ngram_mixing import ngram_mixer
from reference_model.presets import PRESETS, Size, preset
from reference_model.training.export import CodeSize, export_artifact, model_of_artifact
from reference_model.training.run_data import open_validation
from reference_model.training.run_log import RunLog
from reference_model.training.train_model import train_model
from submissions.illegal_systems.target_key_ngrams import TargetKeyMixer

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_model.config import Config
    from reference_model.evaluation.score_tally import Score
    from reference_model.training.run_data import ValidationData

HASHED_BUCKETS = (1 << 22, 1 << 16, 1 << 12)  # loads of 0.03, 1.8 and 29 per bucket on 119,517 tokens
WINDOWS_BESIDE = 4  # a preset without sliding windows is shown with a stride of a quarter window all the same


@dataclass(frozen=True, slots=True)
class Sign:
    """What a delta between two stages should look like."""

    words: str
    holds: Callable[[dict[str, Any]], bool | None]


def speak(text: str) -> None:
    print(f"stage_table: {text}", file=sys.stderr, flush=True)


def small(name: str, arguments: argparse.Namespace) -> Config:
    """The preset as it is trained here; sliding windows everywhere."""
    config = configured(preset(name, Size.SMALL), overrides=dict(arguments.set))
    if arguments.steps is not None:
        config = replace(config, schedule=replace(config.schedule, iterations=arguments.steps))
    if not config.evaluation.stride:
        stride = config.evaluation.eval_seq_len // WINDOWS_BESIDE
        config = replace(config, evaluation=replace(config.evaluation, stride=stride))
    return config


def trained(config: Config, data: Path, folder: Path) -> dict[str, Any]:
    """Train and export unless `folder` holds the result; facts of the training."""
    facts = folder / "training.json"
    if facts.exists():
        known: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
        return known
    folder.mkdir(parents=True, exist_ok=True)
    world, started = World(), time.process_time()
    with RunLog(folder / "train.log", quiet=True) as log:
        result = train_model(
            config,
            data_dir=data,
            out_dir=folder,
            world=world,
            log=log,
            validation=open_validation(config, data),
        )
        spent = time.process_time() - started
        size = CodeSize(code_bytes=0, source="not counted")
        _, report = export_artifact(result, config, world, log, out_dir=folder, code_size=size)
    if result.validation is None or report is None:
        raise SystemExit(f"{config.name}: no validation at the end of training")
    told = {
        "raw": result.validation[1],
        "cpu_seconds": spent,
        "steps": result.steps,
        "parameters": sum(each.numel() for each in result.model.parameters()),
        "artifact_bytes": report.model_bytes,
    }
    facts.write_text(json.dumps(told), encoding="utf-8")
    return told


def scored(config: Config, validation: ValidationData, folder: Path) -> dict[str, Any]:
    """Bits per byte of every stage of the artifact in `folder`, each kept once it is known."""
    path, world = folder / "scores.json", World()
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    model = model_of_artifact(folder / "final_model.ptz", config, world)
    averaged = build_model(config.model, device=world.device, compute=config.run.compute)
    averaged.load_state_dict(torch.load(folder / "final_model.pt", weights_only=True))
    counts = config.ngram if config.ngram.kind is NgramKind.BACKOFF else NgramConfig(kind=NgramKind.BACKOFF)
    common = (validation.tokens, validation.table, config, world)
    stages: dict[str, Callable[[], Score]] = {
        "averaged": lambda: evaluate_plain(averaged.eval(), *common),
        "quantised": lambda: evaluate_plain(model, *common),
        "sliding": lambda: evaluate_sliding(model, *common),
        "ngram": lambda: evaluate_sliding(
            model, *common, mixer=ngram_mixer(validation.tokens, config.model.vocab_size, counts)
        ),
    }
    for buckets in HASHED_BUCKETS:
        stages[f"hashed {buckets}"] = lambda buckets=buckets: evaluate_sliding(
            model,
            *common,
            mixer=TargetKeyMixer(validation.tokens, config.model.vocab_size, counts, buckets=buckets),
        )
    if config.ttt.kind is not TttKind.NONE:
        stages["ttt"] = lambda: evaluate_with_ttt(model, *common)
    for name, score in stages.items():
        if name not in known:
            speak(f"{config.name}: {name}")
            started = time.process_time()
            known[name] = score().val_bpb
            known[f"{name} seconds"] = time.process_time() - started
            path.write_text(json.dumps(known), encoding="utf-8")
    return known


def change(row: dict[str, Any], stage: str, before: str) -> float | None:
    return row[stage] - row[before] if stage in row else None


def lower(row: dict[str, Any], stage: str, before: str) -> bool | None:
    delta = change(row, stage, before)
    return None if delta is None else delta < 0


SIGNS = (
    Sign("quantising costs, less than 0.02", lambda row: 0 < row["quantised"] - row["averaged"] < 0.02),
    Sign("sliding gains", lambda row: lower(row, "sliding", "quantised")),
    Sign("score-first TTT gains", lambda row: lower(row, "ttt", "sliding")),
    Sign("the legal mixture gains", lambda row: lower(row, "ngram", "sliding")),
    Sign(
        "the illegal mixture gains as its tables shrink",
        lambda row: row["hashed 4194304"] > row["hashed 65536"] > row["hashed 4096"],
    ),
)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: one line a preset, then the signs."""
    stages = (
        "raw",
        "averaged",
        "quantised",
        "sliding",
        "ttt",
        "ngram",
        *(f"hashed {n}" for n in HASHED_BUCKETS),
    )
    before = {
        "averaged": "raw",
        "quantised": "averaged",
        "sliding": "quantised",
        "ttt": "sliding",
        "ngram": "sliding",
    }
    heads = ("raw", "averaged", "quantised", "sliding", "sliding + TTT", "sliding + n-gram")
    heads += tuple(f"hashed, 2^{n.bit_length() - 1}" for n in HASHED_BUCKETS)
    lines = [
        f"| preset | parameters | artifact bytes | {' | '.join(heads)} | training, CPU s |",
        "|---|" + "---:|" * (len(heads) + 3),
    ]
    for row in rows:
        cells = []
        for stage in stages:
            delta = change(row, stage, before[stage]) if stage in before else None
            text = f"{row[stage]:.4f}" if stage in row else "-"
            cells.append(text if delta is None else f"{text} ({delta:+.4f})")
        sizes = f"{row['parameters']:,} | {row['artifact_bytes']:,}"
        lines.append(f"| {row['preset']} | {sizes} | {' | '.join(cells)} | {row['cpu_seconds']:.0f} |")
    lines += [
        "",
        "| expected | " + " | ".join(row["preset"] for row in rows) + " |",
        "|---|" + "---|" * len(rows),
    ]
    words = {True: "yes", False: "**no**", None: "-"}
    lines += [
        f"| {sign.words} | " + " | ".join(words[sign.holds(row)] for row in rows) + " |" for sign in SIGNS
    ]
    return "\n".join(lines)


def setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not GROUP.FIELD=VALUE")
    return name, value


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a folder golf-data wrote")
    parser.add_argument("--work", type=Path, default=Path("runs/stage_table"), metavar="DIR")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=list(PRESETS), metavar="NAME")
    parser.add_argument("--steps", type=int, help="training steps instead of the preset's 300")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="GROUP.FIELD=VALUE")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the rows as JSON too")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.presets:
        config, folder = small(name, arguments), arguments.work / name
        validation = open_validation(config, arguments.data)
        speak(f"{name}: training" if not (folder / "training.json").exists() else f"{name}: trained before")
        facts = trained(config, arguments.data, folder)
        rows.append({"preset": name, **facts, **scored(config, validation, folder)})
    print(table(rows))
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
