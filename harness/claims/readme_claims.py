"""Reads what a README says in numbers: scores with their lines, and the per-seed table.

A README is prose, so this is a reading aid, not a measurement: rules use it to find a claim that
submission.json lacks and to see whether the headline is mentioned at all.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from harness.claims.json_fields import seconds_per_unit
from harness.claims.readme_tables import LINE_LIMIT, find_tables, is_bold, plain
from harness.finding import Sourced
from harness.submission import ReadmeClaims, SeedClaim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.claims.readme_tables import Table, TableRow

SCORES_LIMIT = 2_000
SEEDS_LIMIT = 64
# A score in bits per byte: two decimals or more, above 0, below 10 (a uniform guess over bytes scores 8).
SCORE_TOP = 10.0

_BPB = re.compile(r"bp[bp]\b|bits[ -]per[ -]byte|_bp[bp]\b", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?<![\w.+])(?P<sign>[-−+±Δ]\s?)?(?P<value>\d{1,2}\.\d{2,18})(?!\d|\.\d)\s*(?P<unit>[A-Za-z%×]+)?"
)
# The word before a number says what it is; the nearest one counts.
_TOPIC = re.compile(
    r"(?P<score>bp[bp]\b|bits[ -]per[ -]byte|mean|average|headline|final|result|score|ttt|sliding|seed|exact"
    r"|→|->|=>)|(?P<other>loss|nats?\b|std\b|stdev|sigma|±|delta|Δ|gain|improve\w*|reduc\w*|margin"
    r"|p[ -]?value|p\s*[<=]|\bt\s*=|lr\b|rate|decay|momentum|temp\w*|clip|alpha|beta|beats? by|time|second"
    r"|size|version|torch|cuda)",
    re.IGNORECASE,
)
_UNITS_OF_OTHERS = re.compile(
    r"(?:s|sec\w*|ms|mb|mib|gb|kb|m|b|k|x|×|h|hours?|min\w*|nats?|%|bytes?|e)\Z", re.IGNORECASE
)

_SEED_CELL = re.compile(
    r"(?:run\s*\d*\s*)?\(?\s*(?:seed)?\s*[=:_ #-]*(\d{1,10})\b(?!\.\d|,\d{3})", re.IGNORECASE
)
_SEED_WORD = re.compile(r"\bseed[\s_=:#-]*(\d{1,10})\b(?!\.\d)", re.IGNORECASE)
_MEAN_ROW = re.compile(r"mean|average|avg|std|delta|total|min\b|max\b|Δ|baseline|sota", re.IGNORECASE)
_CELL_SCORE = re.compile(r"[~≈]?\s*(\d\.\d{2,18})\b")
_CELL_WHOLE = re.compile(r"(\d{1,3}(?:[,_ ]\d{3})+|\d+)(?!\.\d)\s*(bytes|b)?\b", re.IGNORECASE)
_CELL_DECIMAL = re.compile(r"(\d{1,6}(?:,\d{3})*(?:\.\d+)?)\s*(ms|s|sec|seconds|min|m|h)?\b", re.IGNORECASE)

_NOT_A_SCORE_COLUMN = re.compile(
    r"loss|nats|gain|delta|Δ|diff|std|time|step(?!s? ?b)|bytes|size|artifact|improv|vs\.?\b|ms\b|"
    r"recover|tokens|valid|note|status|cost|baseline|base\b|control|sota|margin|param",
    re.IGNORECASE,
)
_SCORE_COLUMN = re.compile(
    r"bp[bp]|sliding|ttt|roundtrip|quant|slot|n-?gram|score|ppm|cache|xsa|final", re.IGNORECASE
)
# How final a column is; pre-... and diagnostic columns are never the claim while another one is there.
_FINALITY: tuple[tuple[re.Pattern[str], int], ...] = (
    (
        re.compile(
            r"pre[- _]|before|\bno[- ]|without|unquant|fp32|bf16|\bema|swa\b|train(?!ed)|raw", re.IGNORECASE
        ),
        0,
    ),
    (re.compile(r"post[- _]?(?:ttt|slot|cache|oracle)|final|headline|submitted|counted", re.IGNORECASE), 6),
    (re.compile(r"ttt|slot|n-?gram|ppm|cache|backoff|oracle|mix", re.IGNORECASE), 5),
    (re.compile(r"sliding|stride|s64|\bsw\b|xsa", re.IGNORECASE), 3),
    (re.compile(r"quant|round-?trip|int[4-8]|full", re.IGNORECASE), 2),
    (re.compile(r"val[_ ]?bp[bp]|\bbp[bp]\b|score", re.IGNORECASE), 4),
)


def _sourced(value: Any, path: str, line: int, text: str) -> Sourced[Any]:
    return Sourced(value, path, line, text.strip()[:160])


def _is_score(line: str, match: re.Match[str], *, in_score_column: bool) -> bool:
    """True when the words around a number say that it is a score, not a loss, a time or a difference."""
    value = float(match["value"])
    if (
        not 0 < value < SCORE_TOP
        or match["sign"]
        or line[match.end("value") : match.end("value") + 2] == "e-"
    ):
        return False
    unit = match["unit"] or ""
    if unit and _BPB.match(line, match.start("unit")):
        return True
    if _UNITS_OF_OTHERS.match(unit):
        return False
    if in_score_column:
        return True
    before = list(_TOPIC.finditer(line, max(0, match.start() - 120), match.start()))
    return bool(before) and before[-1]["score"] is not None


def _scores_in_text(lines: Sequence[str], path: str) -> list[Sourced[float]]:
    found: list[Sourced[float]] = []
    in_table = {row.line for table in find_tables(lines) for row in table.rows}
    for number, whole_line in enumerate(lines, start=1):
        line = whole_line[:LINE_LIMIT]
        if number in in_table or not _BPB.search(line):
            continue
        found.extend(
            _sourced(float(match["value"]), path, number, line)
            for match in _NUMBER.finditer(line)
            if _is_score(line, match, in_score_column=False)
        )
    return found


def _scores_in_tables(tables: Sequence[Table], path: str) -> list[Sourced[float]]:
    found: list[Sourced[float]] = []
    for table in tables:
        columns = {
            place
            for place, head in enumerate(table.header.cells)
            if _SCORE_COLUMN.search(head) and not _NOT_A_SCORE_COLUMN.search(head)
        }
        for row in table.rows:
            labelled = bool(row.cells) and bool(_BPB.search(row.cells[0]))
            for place, cell in enumerate(row.cells):
                for match in _NUMBER.finditer(cell):
                    wanted = place in columns or (labelled and place > 0)
                    if (wanted or _BPB.search(cell)) and _is_score(cell, match, in_score_column=wanted):
                        found.append(_sourced(float(match["value"]), path, row.line, " | ".join(row.cells)))
    return found


def _finality(head: str) -> int:
    rank = next((rank for pattern, rank in _FINALITY if pattern.search(head)), 1)
    return rank * 2 + (1 if is_bold(head) and rank else 0)


def _score_column(table: Table, seed_column: int) -> int | None:
    """The most final score column; of equals the one written in bold, then the last."""
    best: tuple[int, int] | None = None
    for place, head in enumerate(table.header.cells):
        if place == seed_column or not _SCORE_COLUMN.search(head) or _NOT_A_SCORE_COLUMN.search(head):
            continue
        filled = sum(
            bool(_CELL_SCORE.match(plain(r.cells[place]))) for r in table.rows if place < len(r.cells)
        )
        if filled and (best is None or (_finality(head), place) >= best):
            best = (_finality(head), place)
    return best[1] if best else None


def _seed_column(table: Table) -> int | None:
    for place, head in enumerate(table.header.cells):
        if re.search(r"\bseeds?\b", plain(head), re.IGNORECASE) and not _BPB.search(head):
            return place
    named = [row for row in table.rows if row.cells and _SEED_WORD.match(plain(row.cells[0]))]
    return 0 if named else None


def _seed_in(cell: str) -> int | None:
    text = plain(cell)
    if _MEAN_ROW.search(text):
        return None
    match = _SEED_WORD.search(text) or _SEED_CELL.match(text)
    return int(match[1]) if match else None


def _side_values(table: Table, row: TableRow, path: str) -> dict[str, Sourced[Any]]:
    """Bytes, steps, times and loss of one row, where a cell states them exactly."""
    found: dict[str, Sourced[Any]] = {}
    for head, cell in zip((plain(h).lower() for h in table.header.cells), row.cells, strict=False):
        value: tuple[str, float] | None = None
        text = plain(cell)
        if re.search(r"artifact|total|bytes|size", head) and not re.search(r"margin|room|mb\b|token", head):
            whole = _CELL_WHOLE.match(text)
            size = int(re.sub(r"\D", "", whole[1])) if whole else 0
            what = "code_bytes" if "code" in head else "model_bytes" if "model" in head else "total_bytes"
            value = (what, size) if size >= 1_000 else None
        elif re.fullmatch(r"(?:train(?:ing)?[ _])?steps?(?: reached)?", head):
            whole = _CELL_WHOLE.match(text)
            value = ("steps", int(re.sub(r"\D", "", whole[1]))) if whole else None
        elif re.search(r"val[_ ]?loss", head) and not re.search(r"pre", head):
            score = _CELL_SCORE.match(text)
            value = ("val_loss", float(score[1])) if score else None
        elif re.search(r"\b(?:train|eval|ttt)\w*[_ ](?:time|wall\w*|s|ms|seconds)\b", head):
            duration = _CELL_DECIMAL.match(text)
            if duration:
                unit = seconds_per_unit(duration[2] or re.sub(r"[()\s]+", "_", head))
                what = "train_seconds" if "train" in head else "eval_seconds"
                value = (what, float(duration[1].replace(",", "")) * unit)
        if value and value[0] not in found:
            found[value[0]] = _sourced(value[1], path, row.line, " | ".join(row.cells))
    return found


def _claims_by_row(table: Table, path: str) -> list[SeedClaim]:
    seed_column = _seed_column(table)
    score_column = _score_column(table, seed_column) if seed_column is not None else None
    if seed_column is None or score_column is None:
        return []
    claims = []
    for row in table.rows:
        if len(row.cells) <= max(seed_column, score_column):
            continue
        seed, score = _seed_in(row.cells[seed_column]), _CELL_SCORE.match(plain(row.cells[score_column]))
        if seed is not None and score is not None and 0 < float(score[1]) < SCORE_TOP:
            claims.append(
                SeedClaim(
                    seed=seed,
                    label=plain(row.cells[seed_column])[:60],
                    source="README",
                    val_bpb=_sourced(float(score[1]), path, row.line, " | ".join(row.cells)),
                    **_side_values(table, row, path),
                )
            )
    return claims


def _claims_by_column(table: Table, path: str) -> list[SeedClaim]:
    """A table with one column per seed; the most final row of scores counts."""
    seeds = {
        place: int(match[1])
        for place, head in enumerate(table.header.cells)
        if place > 0 and (match := _SEED_WORD.search(plain(head)))
    }
    rows = [
        row
        for row in table.rows
        if _SCORE_COLUMN.search(row.cells[0]) and not _NOT_A_SCORE_COLUMN.search(row.cells[0])
    ]
    if not seeds or not rows:
        return []
    row = max(rows, key=lambda row: (bool(_BPB.search(row.cells[0])), _finality(row.cells[0]), row.line))
    return [
        SeedClaim(
            seed=seed,
            label=plain(table.header.cells[place])[:60],
            source="README",
            val_bpb=_sourced(float(score[1]), path, row.line, " | ".join(row.cells)),
        )
        for place, seed in seeds.items()
        if place < len(row.cells) and (score := _CELL_SCORE.match(plain(row.cells[place])))
    ]


def _claims_in_lines(lines: Sequence[str], path: str) -> list[SeedClaim]:
    """Lines such as "- seed 42: 1.0812": one seed and one score on a line."""
    claims = []
    for number, whole_line in enumerate(lines, start=1):
        line = whole_line[:LINE_LIMIT]
        seeds = _SEED_WORD.findall(line)
        if len(seeds) != 1 or "|" in line:
            continue
        values = [m for m in _NUMBER.finditer(line) if _is_score(line, m, in_score_column=False)]
        if values:
            value = _sourced(float(values[-1]["value"]), path, number, line)
            claims.append(
                SeedClaim(seed=int(seeds[0]), label=f"seed {seeds[0]}", source="README", val_bpb=value)
            )
    return claims


def _one_per_seed(claims: list[SeedClaim]) -> tuple[SeedClaim, ...]:
    """The first claim of each seed; a table that repeats seeds compares variants and counts as its first."""
    chosen: dict[int | None, SeedClaim] = {}
    for claim in claims:
        chosen.setdefault(claim.seed, claim)
    return tuple(chosen.values())[:SEEDS_LIMIT]


def _best_table(tables: Sequence[Table], path: str) -> tuple[SeedClaim, ...]:
    """The first table with three seeds that stand once each, else the one with most seeds."""
    best: tuple[tuple[int, int], tuple[SeedClaim, ...]] | None = None
    for table in tables:
        claims = _claims_by_row(table, path) or _claims_by_column(table, path)
        if not claims:
            continue
        repeated = sum(count > 1 for count in Counter(claim.seed for claim in claims).values())
        unique = _one_per_seed(claims)
        rank = (min(len(unique), 3), -repeated)
        if best is None or rank > best[0]:
            best = (rank, unique)
    return best[1] if best else ()


def read_readme_claims(path: str | None, text: str) -> ReadmeClaims:
    """Scores (bits per byte) in order of their lines, and one claim per seed. Never raises."""
    if path is None:
        return ReadmeClaims(path=None)
    lines = text.split("\n")
    tables = list(find_tables(lines))
    scores = [*_scores_in_text(lines, path), *_scores_in_tables(tables, path)]
    scores.sort(key=lambda score: score.line or 0)
    per_seed = _best_table(tables, path) or _one_per_seed(_claims_in_lines(lines, path))[:20]
    return ReadmeClaims(path=path, scores=tuple(scores[:SCORES_LIMIT]), per_seed=per_seed)
