"""How rendering a board grows with its rows: seconds, peak memory, bytes, and the first paint in a browser.

Rows are made up, each with three seeds, fifteen findings and their lines, as golf-check writes them for a
real submission. Every size is rendered in a process of its own.

    python benchmarks/board_growth.py                        50, 2,000 and 20,000 rows
    GOLF_CHROMIUM=chromium python benchmarks/board_growth.py --rows 2000 --paint
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIZES = (50, 2_000, 20_000)
RECORDS_EVERY = 40  # of 2,059 pull requests 44 have a row of the README's table
PAINTS = 5
_TECHNIQUES = ("TTT", "GPTQ", "int6", "XSA", "SmearGate", "n-gram", "Muon", "sliding window")
_RULES = (
    "artifact-cap", "code-location", "wrapped-code", "tokenizer-bytes", "train-time-cap", "eval-time-cap",
    "c2-normalized", "c3-score-before-update", "c4-single-pass", "val-full", "seeds-three", "claim-in-log",
    "hardware", "report-mean", "external-packages",
)  # fmt: skip


def report(number: int, rows: int, chance: random.Random) -> dict[str, Any]:
    """A report of pull request `number`: scores fall from 1.22 to 1.06 with the number, as they did."""
    mean = 1.22 - 0.16 * number / rows + abs(chance.gauss(0, 0.02))
    mean = 1.22 - 0.1601 * number / rows if number % RECORDS_EVERY == 0 else mean
    words = " + ".join(chance.sample(_TECHNIQUES, 3))
    verdict = chance.choice(("PASS", "PASS", "WARN", "NEEDS-HUMAN", "FAIL"))
    place = {
        "line": 1042,
        "note": "the counted score",
        "role": "primary",
        "unpacked": False,
        "end_line": None,
    }
    return {
        "schema_version": 1,
        "submission": {
            "path": "repo", "repo_commit": f"{number:040x}", "pr": number, "track": "record",
            "entry": f"records/track_10min_16mb/2026-04-01_Row{number}", "author": f"Author {number % 300}",
            "github_id": f"author{number % 300}", "name": f"{words}, row {number}", "title": None,
            "claimed_val_bpb": round(mean, 4), "date": f"2026-04-{1 + number % 30:02d}", "created_at": None,
        },
        "verdict": "needs-human",
        "error": None,
        "rules_checked": dict.fromkeys(_RULES, "PASS") | {_RULES[number % len(_RULES)]: verdict},
        "essential": list(_RULES[:4]),
        "findings": [
            {
                "rule": rule,
                "verdict": verdict if at == number % len(_RULES) else "INFO",
                "message": f"seed 42: {chance.randrange(15_900_000, 16_000_000):,} bytes as logged. " * 4,
                "places": [
                    {**place, "file": f"train_seed{seed}.log", "excerpt": f"val_bpb:{mean:.8f} " * 3}
                    for seed in range(3)
                ],
                "authority": ["A1 README FAQ a15093ada"],
            }
            for at, rule in enumerate(_RULES)
        ],
        "measured": {
            "per_seed": {
                str(seed): {
                    "seed": seed, "val_bpb": mean + chance.gauss(0, 0.0006), "val_loss": mean * 2.583,
                    "train_seconds": 599.5, "eval_seconds": 410.0, "total_bytes": 15_900_000,
                    "log": f"train_seed{seed}.log", "line": 1042,
                }
                for seed in range(3)
            }
        },
    }  # fmt: skip


def write_input(folder: Path, rows: int) -> list[str]:
    """Reports and rulings of a board of that many rows; the arguments that read them."""
    chance = random.Random(rows)
    reports, curation = folder / "verdicts.jsonl", folder / "leaderboard.toml"
    with reports.open("w", encoding="utf-8") as lines:
        for number in range(1, rows + 1):
            lines.write(json.dumps(report(number, rows, chance)) + "\n")
    curation.write_text(
        "".join(
            f'[[ruling]]\npr = {number}\noutcome = "accepted"\nwhy = "fine"\nby = "Ada"\non = 2026-04-29\n'
            for number in range(RECORDS_EVERY, rows + 1, max(RECORDS_EVERY, rows // 50))
        ),
        encoding="utf-8",
    )
    return ["--reports", str(reports), "--curation", str(curation)]


def first_paints(site: Path, chromium: str) -> list[float]:
    """Milliseconds from opening the page to its first contentful paint, in fresh contexts."""
    from playwright.sync_api import sync_playwright

    ask = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
    found = []
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(PAINTS):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto((site / "index.html").as_uri())
            while (painted := page.evaluate(ask)) is None:
                page.wait_for_timeout(20)
            found.append(float(painted))
            page.close()
        browser.close()
    return sorted(found)


def measure(rows: int, chromium: str | None) -> None:
    """Render one size and print a line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = write_input(folder, rows)
        out = folder / "site"
        command = [sys.executable, "-m", "harness.cli_leaderboard", "render", *arguments, "--quiet"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        subprocess.run([*command, "--out", str(out)], check=True)
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
        index = sum((out / part).stat().st_size for part in ("index.html", "assets/rows.js"))
        words = (
            f"{rows:>6,} rows: {seconds:6.1f} s ({processor:.1f} s of processor), "
            f"peak {after.ru_maxrss / 1024:,.0f} MiB, {len(sizes):,} files of "
            f"{sum(sizes) / 2**20:,.1f} MiB, first page {index / 2**10:,.0f} KiB"
        )
        if chromium is not None:
            paints = first_paints(out, chromium)
            middle = paints[len(paints) // 2]
            words += f", first paint {middle:.0f} ms (of {PAINTS}: {paints[0]:.0f} to {paints[-1]:.0f})"
        print(words, flush=True)


def main() -> None:
    """Measure every size, the smallest first, so that the peak of a child is that of the last."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument(
        "--paint", action="store_true", help="open the page in GOLF_CHROMIUM too (playwright)"
    )
    given = parser.parse_args()
    chromium = shutil.which(os.environ.get("GOLF_CHROMIUM", "chromium")) if given.paint else None
    if given.paint and chromium is None:
        parser.error("--paint needs a Chromium: name one with GOLF_CHROMIUM")
    for rows in sorted(given.rows):
        measure(rows, chromium)


if __name__ == "__main__":
    main()
