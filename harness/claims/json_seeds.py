"""Finds what a submission.json claims per seed, in any of the layouts people use.

Layouts: an object keyed by seed (of objects or of numbers), a list of objects with a "seed" member,
top-level "seed_42" objects, flat "val_bpb_seed42" keys, and lists parallel to "seeds".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from harness.claims.json_seed_keys import BPB_KEYS, field_named, seed_of
from harness.submission import SeedClaim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.claims.json_fields import FieldReader
    from harness.claims.json_positions import JsonNode
    from harness.finding import Sourced

    Members = Mapping[str, JsonNode]

# Seeds read; the most anyone claimed is 6.
ROWS_LIMIT = 64

_FLAT_KEY = re.compile(r"(.+?)_seed_?([0-9]{1,10})\Z|seed_?([0-9]{1,10})_(.+)\Z", re.IGNORECASE)
_PARALLEL_SUFFIX = re.compile(r"_?(?:per_|by_)?seeds?\Z|_list\Z|_all\Z|s\Z")
_PARALLEL_PREFIX = re.compile(r"\A(?:per_)?seeds?_(?!results)")
# Containers that hold other people's or discarded numbers, never the claim.
_ASIDE = re.compile(
    r"baseline|control|ablat|sweep|pre_?fix|diagnos|compar|previous|attempt|refer|parent|proxy|superseded"
    r"|original|legacy|invalid|old_|smoke|extra|history|grid",
    re.IGNORECASE,
)
_CONTAINERS = (
    "seed_results",
    "results_per_seed",
    "per_seed_results",
    "per_seed",
    "results_by_seed",
    "seeds",
    "three_seed_results",
    "seed_runs",
    "results",
    "runs",
)
_PARENTS = (
    "results",
    "metrics",
    "evaluation",
    "eval",
    "result",
    "metadata",
    "validation",
    "summary",
    "scores",
)


@dataclass(slots=True)
class _Row:
    """All members known about one seed, nested ones joined with '_'."""

    seed: int | None
    label: str
    group: str = ""
    members: dict[str, JsonNode] = field(default_factory=dict)


def _flat(node: JsonNode, prefix: str = "") -> Iterator[tuple[str, JsonNode]]:
    """Members, with one level of nested objects joined: {"eval": {"time_s": 1}} gives eval_time_s."""
    if isinstance(node.value, dict):
        for key, member in node.value.items():
            if isinstance(member.value, dict) and not prefix:
                yield from _flat(member, f"{key}_")
            else:
                yield f"{prefix}{key}", member


def _whole(node: JsonNode | None) -> int | None:
    value = node.value if node else None
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_number(node: JsonNode) -> bool:
    return isinstance(node.value, (int, float, str)) and not isinstance(node.value, bool)


def _rows_of_object(name: str, node: JsonNode) -> list[_Row]:
    rows = []
    for key, member in node.members():
        named = seed_of(key)
        if named is None or _ASIDE.search(key):
            continue
        row = _Row(seed=named[0], label=key[:60], group=named[1])
        if isinstance(member.value, dict):
            row.members.update(_flat(member))
        elif _is_number(member):
            row.members["val_bpb" if field_named(name) is None else name] = member
        rows.append(row)
        if len(rows) == ROWS_LIMIT:
            break
    return rows


def _rows_of_list(node: JsonNode) -> list[_Row]:
    rows = []
    for _, member in islice(node.members(), ROWS_LIMIT):
        if isinstance(member.value, dict) and "seed" in member.value:
            seed = _whole(member.value["seed"])
            rows.append(_Row(seed=seed, label=str(seed), members=dict(_flat(member))))
    return rows


def _rows(name: str, node: JsonNode) -> list[_Row]:
    return _rows_of_list(node) if isinstance(node.value, list) else _rows_of_object(name, node)


def _flat_objects(node: JsonNode) -> list[tuple[str, JsonNode]]:
    if not isinstance(node.value, dict):
        return []
    return [
        (key, item)
        for key, item in node.value.items()
        if isinstance(item.value, dict) and seed_of(key) is None
    ]


def _candidates(members: Members) -> Iterator[tuple[str, JsonNode]]:
    """Containers that may hold rows, best first: known names, then any *seed*/*bpb* object, then nested."""
    known = [name for name in _CONTAINERS if name in members]
    yield from ((name, members[name]) for name in known)
    others = [n for n in members if n not in known and re.search(r"seed|val_bpb|bpb", n, re.IGNORECASE)]
    for name in known:
        # {"variant": {"seed_42": ...}}: every variant is a container of its own.
        yield from ((inner, node) for inner, node in _flat_objects(members[name]))
    for name in others:
        if field_named(name) == "val_bpb" or "seed" in name.lower():
            yield name, members[name]
    for parent in _PARENTS:
        inner = members[parent].value if parent in members else None
        if isinstance(inner, dict):
            for name in (*_CONTAINERS, "val_bpb", "bpb"):
                if name in inner:
                    yield name, inner[name]


def _top_level_rows(members: Members) -> list[_Row]:
    """Rows from "seed_42": {...} and from flat "val_bpb_seed42" keys."""
    rows: dict[int, _Row] = {}
    for key, node in members.items():
        if re.fullmatch(r"seed_?[0-9]{1,10}", key, re.IGNORECASE):
            seed = int(re.sub(r"\D", "", key))
            row = rows.setdefault(seed, _Row(seed=seed, label=key))
            row.members.update(_flat(node) if isinstance(node.value, dict) else [("val_bpb", node)])
            continue
        match = _FLAT_KEY.match(key)
        if match and _is_number(node):
            name, seed = (match[1], int(match[2])) if match[1] else (match[4], int(match[3]))
            if field_named(name):
                rows.setdefault(seed, _Row(seed=seed, label=f"seed {seed}")).members[name] = node
    return list(rows.values())


def _seed_list(members: Members) -> list[int | None]:
    for key in ("seeds", "seeds_run", "seed_list", "validation_seeds"):
        node = members.get(key)
        if node is not None and isinstance(node.value, list) and len(node.value) <= ROWS_LIMIT:
            return [_whole(item) for item in node.value]
    return [_whole(members["seed"])] if "seed" in members and _whole(members["seed"]) is not None else []


def _parallel_name(key: str) -> str:
    """What a list of one value per seed is about: "val_bpb_seeds" and "seed_bpbs" are scores."""
    return _PARALLEL_SUFFIX.sub("", _PARALLEL_PREFIX.sub("", key.lower())) or key


def _parallel_rows(members: Members) -> list[_Row]:
    """Rows from lists with one number per seed, in the order of "seeds" (unnamed seeds when it is absent)."""
    seeds = _seed_list(members)
    for key, node in members.items():
        items = node.value
        if not isinstance(items, list) or not 1 <= len(items) <= ROWS_LIMIT or _ASIDE.search(key):
            continue
        about = key if field_named(key) else _parallel_name(key)
        if key in _CONTAINERS and all(isinstance(item.value, float) for item in items):
            about = "val_bpb"  # "seeds": [1.0329, 1.0334] holds the scores themselves
        if field_named(about) != "val_bpb" or not all(_is_number(item) for item in items):
            continue
        names = seeds if len(seeds) == len(items) else [None] * len(items)
        return [
            _Row(seed=seed, label=str(seed if seed is not None else place + 1), members={about: item})
            for place, (seed, item) in enumerate(zip(names, items, strict=True))
        ]
    return []


def _add_side_columns(rows: list[_Row], members: Members) -> None:
    """Add what stands in maps and lists beside the scores: "artifact_bytes": {"42": ...}."""
    by_seed = {row.seed: row for row in rows if row.seed is not None}
    seeds = _seed_list(members)
    for key, node in members.items():
        about = next((n for n in (key, _parallel_name(key)) if field_named(n) not in (None, "val_bpb")), None)
        if about is None or not isinstance(node.value, (dict, list)) or _ASIDE.search(key):
            continue
        if isinstance(node.value, dict):
            pairs = [(named[0], item) for k, item in node.members() if (named := seed_of(k))]
        elif len(node.value) == len(seeds):
            pairs = [(s, item) for s, item in zip(seeds, node.value, strict=True) if s is not None]
        else:
            continue
        for seed, item in pairs:
            if seed in by_seed and _is_number(item):
                by_seed[seed].members.setdefault(about, item)


def _score_keys(rows: list[_Row]) -> list[str]:
    """Keys that can be the score, the likeliest first."""
    present = dict.fromkeys(key for row in rows for key in row.members if field_named(key) == "val_bpb")
    ranked = [key for key in BPB_KEYS if key in present]
    return ranked + [key for key in present if key not in ranked]


def _mean_of(rows: list[_Row], key: str) -> float | None:
    values = [row.members[key].value for row in rows if key in row.members]
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool) and 0 < v <= 20]
    return sum(numbers) / len(numbers) if numbers else None


def _score_key(rows: list[_Row], headline: float | None) -> str | None:
    """The key whose values are the claim: val_bpb; without one, the key whose mean is the headline."""
    keys = [key for key in _score_keys(rows) if _mean_of(rows, key) is not None]
    if not keys:
        return None
    if {"val_bpb", "val_bpb_exact"} & set(keys) or headline is None:
        exact, plain = _mean_of(rows, "val_bpb_exact"), _mean_of(rows, "val_bpb")
        if exact is not None and plain is not None and abs(exact - plain) > 1e-3:
            return "val_bpb"
        return keys[0]
    near = min(keys, key=lambda key: abs((_mean_of(rows, key) or 0.0) - headline))
    return near if abs((_mean_of(rows, near) or 0.0) - headline) <= 1e-3 else keys[0]


def _one_group(rows: list[_Row], headline: float | None) -> list[_Row]:
    """Of several variants in one container (slot_seed42, baseline_seed42), the one nearest the headline."""
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    if len(groups) < 2:
        return rows

    def distance(name: str) -> float:
        key = _score_key(groups[name], headline)
        mean = _mean_of(groups[name], key) if key else None
        return abs(mean - headline) if mean is not None and headline is not None else float("inf")

    return groups[min(groups, key=distance)]


def _claim(row: _Row, score_key: str | None, fields: FieldReader) -> SeedClaim:
    readers: dict[str, Callable[[JsonNode, str], Sourced[Any] | None]] = {
        "val_loss": fields.loss,
        "total_bytes": fields.size,
        "model_bytes": fields.size,
        "code_bytes": fields.size,
        "steps": fields.steps,
        "train_seconds": fields.seconds,
        "eval_seconds": fields.seconds,
        "eval_part": fields.seconds,
    }
    values: dict[str, Any] = {}
    for key, node in row.members.items():
        attribute = field_named(key)
        if attribute in readers and values.get(attribute) is None:
            values[attribute] = readers[attribute](node, key)
    if score_key in row.members:
        values["val_bpb"] = fields.bpb(row.members[score_key], score_key)
    part = values.pop("eval_part", None)
    values["eval_seconds"] = values.get("eval_seconds") or part
    return SeedClaim(seed=row.seed, label=row.label, source="submission.json", **values)


def _unique(claims: list[SeedClaim]) -> tuple[SeedClaim, ...]:
    """One claim per seed: the plainest label first ("42" before "42_reproduction")."""
    chosen: dict[object, SeedClaim] = {}
    for place, claim in enumerate(claims):
        key: object = claim.seed if claim.seed is not None else ("unnamed", place)
        if key not in chosen or (chosen[key].val_bpb is None and claim.val_bpb is not None):
            chosen[key] = claim
    return tuple(chosen.values())


def find_seed_claims(members: Members, headline: float | None, fields: FieldReader) -> tuple[SeedClaim, ...]:
    """What the document claims per seed; the first layout that holds a usable score counts."""
    layouts = [_rows(name, node) for name, node in _candidates(members) if not _ASIDE.search(name)]
    layouts.insert(min(1, len(layouts)), _top_level_rows(members))
    layouts.append(_parallel_rows(members))
    without_score: tuple[SeedClaim, ...] = ()
    for found in layouts:
        rows = _one_group(found, headline)
        if not rows:
            continue
        _add_side_columns(rows, members)
        score_key = _score_key(rows, headline)
        if score_key is not None:
            return _unique([_claim(row, score_key, fields) for row in rows])
        if not without_score:
            keys = _score_keys(rows)
            without_score = _unique([_claim(row, keys[0] if keys else None, fields) for row in rows])
    return without_score
