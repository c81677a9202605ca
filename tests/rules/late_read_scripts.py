"""A training script with a line of one's choice after its loop."""

from __future__ import annotations

TRAIN = """\
import os, time
import torch

class Settings:
    files = "data/fineweb_train_*.bin"
    seconds = float(os.environ.get("SECONDS", 600.0))
    reserve = float(os.environ.get("RESERVE", {reserve}))

class Loader:
    def __init__(self, pattern):
        self.pattern = pattern
    def take(self, size):
        return torch.load(self.pattern)[:size]

def statistics(model, loader):
    return model(loader.take(16))

def main():
    args = Settings()
    limit = args.seconds - args.reserve
    loader = Loader(args.files)
    start = time.perf_counter()
    while True:
        if time.perf_counter() - start >= limit:
            break
        model(loader.take(64)).backward()
    {after}

main()
"""


def script(after: str = "pass", reserve: float = 0.0) -> str:
    """The training script with a line after its loop."""
    return TRAIN.replace("{after}", after).replace("{reserve}", str(reserve))
