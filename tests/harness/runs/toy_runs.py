"""A submission of a few lines and shards of a few tokens, for runs that take a second."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np

from harness.ruleset import load_ruleset
from harness.tokens.shard_file import write_shard

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = load_ruleset().limits(datetime.date(2026, 5, 2))
SCRIPT = """
import glob, os
data = os.environ["DATA_PATH"]
for name in sorted(glob.glob(data + "/fineweb_*_*.bin")): open(name, "rb").read()
seed = int(os.environ["SEED"])
print(f"seed:{seed}")
print("step:10/10 train_loss:2.5 train_time:100ms step_avg:10.00ms")
with open("final_model.int8.ptz", "wb") as file: file.write(b"x" * 1000)
print("Serialized model int8+zlib: 1000 bytes")
print("Total submission size int8+zlib: 20000 bytes")
open("final_model.int8.ptz", "rb").read()
print(f"final_int8_zlib_roundtrip_exact val_loss:2.00000000 val_bpb:1.2{seed:05d}")
"""


def toy_submission(folder: Path, script: str = SCRIPT, name: str = "toy") -> Path:
    """A submission folder below `folder`."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "train_gpt.py").write_text(script, encoding="utf-8")
    return place


def toy_data(folder: Path, largest: int = 299) -> Path:
    """Whole shards of both splits below `folder`, ids up to `largest`."""
    place = folder / "data"
    place.mkdir(parents=True)
    for split in ("train", "val"):
        tokens = np.arange(largest + 1, dtype=np.uint16)
        write_shard(place / f"fineweb_{split}_000000.bin", tokens)
    return place
