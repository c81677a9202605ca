"""Builders of small submissions for tests: only the line that matters differs from a good one."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import TYPE_CHECKING, Any

from harness.case import Case, Profile
from harness.engine import check_rule
from harness.evidence.seed_evidence import collect_evidence
from harness.folder_tree import FolderTree
from harness.ruleset import load_ruleset
from harness.submission_reader import read_submission

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.evidence.standing_record import Reference
    from harness.finding import Finding
    from harness.submission import PullRequestChanges, Submission

SEEDS = (13, 1337, 1111)
ENTRY = "records/track_10min_16mb/2026-04-01_Example"

# A small script; its size in bytes is what a good log must print as code size.
CODE = '"""A small training script."""\nprint("train")\n'


def good_log(seed: int, *, val_bpb: float = 1.2, **replace: str) -> str:
    """A log in the baseline's layout whose numbers agree with each other.

    `replace` maps a line's first word (letters before the first ':' or space, '_' for odd characters) to
    its new text; an empty text drops the line.
    """
    val_loss = val_bpb * 0.6931471805599453 * 2.43593  # sp1024 bytes per token
    code = len(CODE.encode())
    model = 15_800_000
    lines = {
        "seed": f"seed:{seed}",
        "world_size": "world_size:8 grad_accum_steps:1",
        "gpus": "\n".join(
            f"|   {gpu}  NVIDIA H100 80GB HBM3          On  |   00000000:{gpu}9:00.0 Off |    0 |"
            for gpu in range(8)
        ),
        "val_loader": "val_loader:shards pattern=./data/fineweb_val_*.bin tokens:62021632",
        "train_loader": "train_loader:dataset:fineweb10B_sp1024 train_shards:80",
        "model_params": "model_params:17059912",
        "cap": "train_batch_tokens:524288 train_seq_len:1024 iterations:20000 max_wallclock_seconds:600.000",
        "step1": f"step:1/20000 train_loss:6.9{seed % 1000:03d} train_time:43ms step_avg:43.00ms",
        "step2": f"step:2/20000 train_loss:6.8{seed % 997:03d} train_time:86ms step_avg:43.00ms",
        "step_last": "step:13900/20000 train_loss:2.0000 train_time:599000ms step_avg:43.09ms",
        "step_val": "step:13920/20000 val_loss:2.0500 val_bpb:1.2141 train_time:599900ms step_avg:43.10ms",
        "stop": "stopping_early: wallclock_cap train_time:599900ms step:13920/20000",
        "peak": "peak memory allocated: 10321 MiB reserved: 10640 MiB",
        "model_bytes": f"Serialized model int8+zlib: {model} bytes",
        "code": f"Code size: {code} bytes",
        "total": f"Total submission size int8+zlib: {model + code} bytes",
        "final": f"final_int8_zlib_roundtrip val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f} eval_time:1400ms",
        "exact": f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}",
    }
    unknown = set(replace) - set(lines)
    if unknown:
        raise KeyError(f"no such log line: {sorted(unknown)}; there are {sorted(lines)}")
    lines.update(replace)
    return "\n".join(line for line in lines.values() if line) + "\n"


def good_json(scores: Mapping[int, float] | None = None, **replace: Any) -> dict[str, Any]:
    """A submission.json that agrees with `good_log`; a None value drops the key."""
    scores = scores or dict.fromkeys(SEEDS, 1.2)
    total = 15_800_000 + len(CODE.encode())
    document: dict[str, Any] = {
        "author": "Example Author",
        "github_id": "example",
        "name": "Example",
        "blurb": "A small example.",
        "date": "2026-04-01T00:00:00Z",
        "track": "10min_16mb",
        "val_bpb": sum(scores.values()) / len(scores),
        "val_loss": sum(scores.values()) / len(scores) * 0.6931471805599453 * 2.43593,
        "bytes_total": total,
        "bytes_code": len(CODE.encode()),
        "seed_results": {
            str(seed): {"val_bpb": score, "artifact_bytes": total} for seed, score in scores.items()
        },
    }
    document.update(replace)
    return {key: value for key, value in document.items() if value is not None}


def good_readme(scores: Mapping[int, float] | None = None) -> str:
    """A README that states the same scores."""
    scores = scores or dict.fromkeys(SEEDS, 1.2)
    rows = "\n".join(f"| {seed} | {score:.8f} |" for seed, score in scores.items())
    mean = sum(scores.values()) / len(scores)
    method = "The baseline with one change, explained here in enough words to follow. " * 5
    return f"# Example\n\n{method}\n\nmean val_bpb {mean:.8f}\n\n| seed | val_bpb |\n|---|---|\n{rows}\n"


def good_files() -> dict[str, str | bytes]:
    """A whole legal submission: change one entry to make its illegal twin."""
    files: dict[str, str | bytes] = {
        "README.md": good_readme(),
        "submission.json": json.dumps(good_json(), indent=2),
        "train_gpt.py": CODE,
    }
    for seed in SEEDS:
        files[f"train_seed{seed}.log"] = good_log(seed)
    return files


def write_files(root: Path, files: Mapping[str, str | bytes | None], entry: str = ENTRY) -> Path:
    """Write the files (None leaves one out) and return the submission folder."""
    folder = root / entry
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if content is None:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def make_submission(
    root: Path, entry: str = ENTRY, changes: PullRequestChanges | None = None, **files: str | bytes | None
) -> Submission:
    """A good submission on disk with some files replaced, read back.

    Keywords name files with '__' for '.' and '___' for '/': `train_seed13__log`, `submission__json`.
    """
    named = {name.replace("___", "/").replace("__", "."): content for name, content in files.items()}
    submission = read_submission(FolderTree(write_files(root, {**good_files(), **named}, entry)))
    return dataclasses.replace(submission, changes=changes) if changes else submission


def make_case(
    submission: Submission,
    *,
    profile: Profile = Profile.PRACTICE,
    as_of: datetime.date = datetime.date(2026, 5, 2),
    reference: Reference | None = None,
) -> Case:
    """The case rules are given."""
    return Case(
        submission=submission,
        evidence=collect_evidence(submission, load_ruleset().limits(as_of)),
        limits=load_ruleset().limits(as_of),
        profile=profile,
        as_of=as_of,
        reference=reference,
    )


def findings_of(rule: str, case: Case) -> list[Finding]:
    """What one rule says, after the engine lowered it to the rule's ceiling; a crash fails the test."""
    findings, crash = check_rule(load_ruleset().rules[rule], case)
    assert crash is None, crash
    return findings


def with_origin(submission: Submission, **facts: Any) -> Submission:
    """The submission with other facts about where it comes from (title, dates, pull request)."""
    return dataclasses.replace(submission, origin=dataclasses.replace(submission.origin, **facts))
