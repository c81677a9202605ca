"""The measured numbers as fixed-width lines: one row per seed, mean and spread, byte counts, statistics."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from harness.reports.escape import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.report import Measured, SeedMeasured

_GAP = "  "
# The statistics that have a sentence of their own; any other is shown under its name.
_TOLD = frozenset(
    {
        "n",
        "mean_val_bpb",
        "sample_std_val_bpb",
        "reference",
        "reference_source",
        "reference_n",
        "reference_mean_val_bpb",
        "gain_bpb",
        "gain_nats_per_token",
        "gain_nats_per_byte",
        "bytes_per_token",
        "margin_nats",
        "margin_bpb",
        "p_no_margin",
        "p_with_margin",
        "p_one_sample_with_margin",
        "not_testable",
    }
)
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
        lines += textwrap.wrap(
            logs, width, initial_indent="  logs: ", subsequent_indent=" " * 8, break_on_hyphens=False
        )
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


def _mean_of(statistics: Mapping[str, object], prefix: str) -> str:
    """A mean with the number of runs behind it and their spread."""
    mean, runs = statistics.get(f"{prefix}mean_val_bpb"), statistics.get(f"{prefix}n")
    if not isinstance(mean, float):
        return ""
    text = f"mean {number(mean, '.6f')}" + (f" of {_statistic(runs)} runs" if runs is not None else "")
    spread = statistics.get(f"{prefix}sample_std_val_bpb")
    return text + (f", sample std {number(spread, '.6f')}" if isinstance(spread, float) else "")


def _joined(statistics: Mapping[str, object], parts: Sequence[tuple[str, str]]) -> str:
    """The parts whose number is known, as in "0.065 BPB, 0.045 nats/byte"."""
    shown = [
        form.format(_statistic(statistics[key])) for key, form in parts if statistics.get(key) is not None
    ]
    return ", ".join(shown)


def _told(statistics: Mapping[str, object]) -> dict[str, str]:
    """The statistics that a report usually has, as sentences; the rest under their own names."""
    reference = [statistics.get("reference"), _mean_of(statistics, "reference_")]
    margin = _joined(statistics, (("margin_nats", "{} nats"), ("margin_bpb", "{} BPB")))
    told = {
        "this submission": _mean_of(statistics, ""),
        "to beat": ", ".join(str(part) for part in reference if part),
        "known from": str(statistics.get("reference_source") or ""),
        "gain": _joined(
            statistics,
            (
                ("gain_bpb", "{} BPB"),
                ("gain_nats_per_token", "{} nats/token"),
                ("gain_nats_per_byte", "{} nats/byte"),
                ("bytes_per_token", "at {} bytes/token"),
            ),
        ),
        "Welch, one-sided": _joined(
            statistics,
            (
                ("p_no_margin", "p = {} for any gain"),
                ("p_with_margin", f"p = {{}} for a gain of {margin or 'the margin'}"),
                ("p_one_sample_with_margin", "p = {} against a single run"),
            ),
        ),
        "not tested": str(statistics.get("not_testable") or ""),
    }
    others = {key: value for key, value in statistics.items() if key not in _TOLD and value is not None}
    told |= {key.replace("_", " "): _statistic(value) for key, value in others.items()}
    return {name: printable(value, 400) for name, value in told.items() if value}


def statistics_lines(statistics: Mapping[str, float | int | str | None] | None, width: int) -> list[str]:
    """The comparison with the record to beat, one aligned statement a line."""
    if not statistics:
        return []
    told = _told(statistics)
    size = max(map(len, told), default=0)
    lines = []
    for name, value in told.items():
        first, *rest = textwrap.wrap(value, max(20, width - size - 4), break_on_hyphens=False) or [""]
        lines.append(f"  {printable(name, 60):<{size}}  {first}")
        lines += [" " * (size + 4) + more for more in rest]
    return lines
