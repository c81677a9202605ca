"""The measured numbers as fixed-width lines: one row per seed, mean and spread, byte counts, statistics."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from harness.escape import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.report import Measured, SeedMeasured

_GAP = "  "
# Columns given up first when the line is too long for the terminal; the log then moves below its row.
_LEAST_NEEDED = ("log", "steps", "val_loss", "all eval s", "calib s", "model bytes")


def number(value: float | None, form: str) -> str:
    """A number in a format, or "-" when it is absent or not finite."""
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def _log(seed: SeedMeasured) -> str:
    if seed.log is None:
        return "-"
    return printable(f"{seed.log}:{seed.line}" if seed.line else seed.log, 80)


_COLUMNS: tuple[tuple[str, Callable[[SeedMeasured], str]], ...] = (
    ("seed", lambda seed: "-" if seed.seed is None else str(seed.seed)),
    ("val_bpb", lambda seed: number(seed.val_bpb, ".6f")),
    ("val_loss", lambda seed: number(seed.val_loss, ".6f")),
    ("steps", lambda seed: number(seed.steps, ",d")),
    ("train s", lambda seed: number(seed.train_seconds, ",.1f")),
    ("calib s", lambda seed: number(seed.calibration_seconds, ",.1f")),
    ("eval s", lambda seed: number(seed.eval_seconds, ",.1f")),
    ("all eval s", lambda seed: number(seed.all_eval_seconds, ",.1f")),
    ("after stop s", lambda seed: number(seed.after_stop_seconds, ",.1f")),
    ("model bytes", lambda seed: number(seed.model_bytes, ",d")),
    ("total bytes", lambda seed: number(seed.total_bytes, ",d")),
    ("log", _log),
)


def _summary_rows(measured: Measured) -> list[dict[str, str]]:
    """Mean and sample deviation, under the score and the columns whose mean means something."""
    if measured.mean_val_bpb is None:
        return []
    rows = [{"seed": "mean", "val_bpb": number(measured.mean_val_bpb, ".6f")}]
    if measured.sample_std_val_bpb is not None:
        rows.append({"seed": "std", "val_bpb": number(measured.sample_std_val_bpb, ".6f")})
    return rows


def _fitting(rows: Sequence[Mapping[str, str]], names: Sequence[str], width: int) -> dict[str, int]:
    """Names and widths of the columns that fit, the least needed left out first."""
    widths = {name: max([len(name), *(len(row.get(name, "")) for row in rows)]) for name in names}
    for name in ("", *_LEAST_NEEDED):
        widths.pop(name, None)
        if 2 + sum(widths.values()) + len(_GAP) * (len(widths) - 1) <= width:
            break
    return widths


def _table(measured: Measured, width: int) -> list[str]:
    rows = [{name: cell(seed) for name, cell in _COLUMNS} for seed in measured.seeds]
    names = [name for name, _ in _COLUMNS if any(row[name] != "-" for row in rows)]
    if not names:
        return []
    if "seed" not in names:
        names.insert(0, "seed")
    rows += _summary_rows(measured)
    widths = _fitting(rows, names, width)
    lines = ["  " + _GAP.join(f"{name:>{size}}" for name, size in widths.items() if name != "log")]
    if "log" in widths:
        lines[0] += f"{_GAP}log"
    for row in rows:
        cells = _GAP.join(f"{row.get(name, ''):>{size}}" for name, size in widths.items() if name != "log")
        log = row.get("log", "") if "log" in widths else ""
        lines.append(f"  {cells}{_GAP}{log}".rstrip())
    if "log" in names and "log" not in widths:
        logs = "; ".join(row["log"] for row in rows if row.get("log", "-") != "-")
        lines += textwrap.wrap(logs, width, initial_indent="  logs: ", subsequent_indent=" " * 8)
    return lines


def _named(pairs: Sequence[tuple[str, str]], title: str) -> list[str]:
    shown = ", ".join(f"{name} {value}" for name, value in pairs if value != "-")
    return [f"  {title}: {shown}"] if shown else []


def measured_lines(measured: Measured, width: int) -> list[str]:
    """The table of seeds and the numbers of the whole submission; empty when nothing was measured."""
    code = (
        ("readable", number(measured.code_bytes_raw, ",d")),
        ("as shipped", number(measured.code_bytes_shipped, ",d")),
        ("packed by us", number(measured.code_bytes_packed, ",d")),
    )
    data = (
        ("train shards", number(measured.train_shards, ",d")),
        ("val tokens", number(measured.val_tokens, ",d")),
        ("implied val bytes", number(measured.implied_val_bytes, ",.0f")),
    )
    hardware = [f"  hardware: {printable(measured.hardware, 80)}"] if measured.hardware else []
    return [*_table(measured, width), *_named(code, "code bytes"), *_named(data, "data"), *hardware]


def _statistic(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number(value, ".4g" if abs(value) < 0.1 else ".6g")
    return "-" if value is None else printable(str(value), 200)


def statistics_lines(statistics: Mapping[str, float | int | str | None] | None, width: int) -> list[str]:
    """The statistics as they are named, aligned; a long value goes to the next lines whole."""
    if not statistics:
        return []
    named = {
        key.replace("_", " "): _statistic(value) for key, value in statistics.items() if value is not None
    }
    size = max(map(len, named), default=0)
    lines = []
    for name, value in named.items():
        first, *rest = textwrap.wrap(value, max(20, width - size - 4)) or [""]
        lines.append(f"  {name:<{size}}  {first}")
        lines += [" " * (size + 4) + more for more in rest]
    return lines
