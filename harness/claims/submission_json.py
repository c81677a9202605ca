"""Reads a submission.json into one frozen object, whatever the spelling of its fields.

There is no schema: 1,805 files hold over 1,800 different top-level keys. Every variant of a field ends in
one attribute; every defect is a `JsonProblem` with its line. A file that is not valid JSON is read up to
the defect, has `parsed` False, and one "recovered" problem names the fields that come from such a reading.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from harness.claims.json_fields import FieldReader, is_placeholder
from harness.claims.json_headline import find_headline
from harness.claims.json_positions import JsonNode, read_json
from harness.claims.json_seed_keys import seed_of
from harness.claims.json_seeds import find_seed_claims
from harness.submission import JsonProblem, SubmissionJson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.claims.json_positions import JsonDocument
    from harness.finding import Sourced
    from harness.submission import SeedClaim

    Members = dict[str, JsonNode]

_LOSS_KEYS = ("val_loss", "mean_val_loss", "val_loss_mean", "val_loss_nats", "final_val_loss", "mean_loss")
_STD_KEYS = (
    "val_bpb_std",
    "std_val_bpb",
    "std_bpb",
    "bpb_std",
    "three_seed_std_bpb",
    "val_bpb_3seed_std",
    "three_seed_std_val_bpb",
    "val_bpb_sample_std",
    "val_bpb_std_sample",
    "std",
)
_TOTAL = re.compile(
    r"(?:max_|mean_|total_)*(?:bytes_total|total_bytes|artifact_bytes|artifact_size_bytes|submission_bytes"
    r"|submission_size_bytes|total_submission_bytes|total_submission_size_bytes|bytes_artifact|artifact_total_bytes"
    r"|artifact_size|compressed_size_bytes|submission_size_\w+_bytes)(?:_max|_mean|_worst|_exact|_3seed_mean|_avg)?\Z"
)
_CODE = re.compile(
    r"(?:max_)?(?:bytes_code|code_bytes|code_size_bytes|code_size|bytes_code_compressed)(?:_max|_mean)?\Z"
)
_MODEL = re.compile(
    r"(?:max_)?(?:bytes_model\w*|model_bytes\w*|model_size_bytes|compressed_model_bytes|model_bytes_compressed"
    r"|quant_payload_bytes|quantized_model_bytes)\Z"
)
_TRAIN = re.compile(
    r"(?:max_|mean_)?(?:wallclock_(?:seconds|s|ms)|train(?:ing)?_(?:time|wallclock|seconds)\w*|train_(?:s|ms))\Z"
)
_EVAL = re.compile(r"(?:max_|mean_|total_)?eval(?:uation)?_(?:(?:time|seconds|wallclock)\w*|s|ms)\Z")
_STEPS = re.compile(
    r"(?:step_stop|steps|train_steps|training_steps|steps_completed|num_steps|total_steps)(?:_mean|_max)?\Z"
)
_NOT_A_CLAIM = re.compile(
    r"cap|limit|budget|delta|margin|headroom|note|step_avg|status|warm|(?<!z)std|reason|_pass|under|method"
)
_HARDWARE_KEYS = (
    "hardware",
    "gpu_config",
    "training_hardware",
    "gpu",
    "gpu_type",
    "platform",
    "gpus",
    "compute",
)
_TRACK_KEYS = (
    "track",
    "submission_track",
    "submission_type",
    "submission_kind",
    "record_type",
    "kind",
    "category",
)


def _find(members: Members, pattern: re.Pattern[str]) -> Iterator[tuple[str, JsonNode]]:
    """Keys of a kind: plain ones first, then maxima, then means; nulls last."""

    def rank(item: tuple[str, JsonNode]) -> tuple[bool, int]:
        order = 2 if "mean" in item[0] or "avg" in item[0] else 1 if "max" in item[0] else 0
        return item[1].value is None, order

    found = [
        (k, n) for k, n in members.items() if pattern.match(k.lower()) and not _NOT_A_CLAIM.search(k.lower())
    ]
    yield from sorted(found, key=rank)


def _largest(
    members: Members,
    pattern: re.Pattern[str],
    read: Callable[[JsonNode, str], Sourced[Any] | None],
) -> Sourced[Any] | None:
    """The first key of a kind that holds a value; of one value per seed, the largest."""
    for key, node in _find(members, pattern):
        if isinstance(node.value, (dict, list)):
            parts = [
                item
                for name, item in node.members()
                if isinstance(item.value, (int, float)) and (isinstance(node.value, list) or seed_of(name))
            ][:200]
            values = [value for part in parts if (value := read(part, key)) is not None]
            if values:
                return max(values, key=lambda value: float(value.value))
        elif (found := read(node, key)) is not None:
            return found
    return None


def _people(members: Members, fields: FieldReader) -> tuple[Sourced[str] | None, Sourced[str] | None]:
    """Author and GitHub id; of a list of authors all names, and the first id."""
    names, ids = (
        ("author", "authors", "name"),
        ("github_id", "github", "github_username", "github_handle", "handle"),
    )
    github = fields.first_text(members, ids)
    author = fields.first_text(members, ("author",))
    if author is not None:
        return author, github
    node = members.get("author") or members.get("authors")
    if node is None:
        return None, github
    people = [item for _, item in node.members()] if isinstance(node.value, list) else [node]
    found: list[str] = []
    for person in people[:20]:
        if isinstance(person.value, str):
            found.append(person.value)
        elif isinstance(person.value, dict):
            named = fields.first_text(person.value, (*names, *ids))
            github = github or fields.first_text(person.value, ids)
            found += [named.value] if named else []
    return (fields.text_at(node, ", ".join(found)) if found else None), github


def _hardware(members: Members, fields: FieldReader) -> Sourced[str] | None:
    for key in _HARDWARE_KEYS:
        node = members.get(key)
        if node is None:
            continue
        if isinstance(node.value, (dict, list)):
            parts = [
                str(item.value) for _, item in node.members() if isinstance(item.value, (str, int, float))
            ]
            if parts:
                return fields.text_at(node, ", ".join(parts[:10]))
        elif (found := fields.text(node, key)) is not None:
            return found
    return None


def _track(members: Members, fields: FieldReader) -> Sourced[str] | None:
    for key in _TRACK_KEYS:
        node = members.get(key)
        if node is None or not isinstance(node.value, str) or not node.value.strip():
            continue
        if key == "track" or re.search(r"record|unlimited|10.?min", node.value, re.IGNORECASE):
            return fields.text_at(node, node.value)
    flag = members.get("non_record")
    return fields.text_at(flag, "non-record") if flag is not None and flag.value is True else None


def _seeds(
    members: Members, per_seed: tuple[SeedClaim, ...], fields: FieldReader
) -> tuple[Sourced[int], ...]:
    found: dict[int, Sourced[int]] = {}
    for key in ("seeds", "seeds_run", "seed_list", "seed"):
        node = members.get(key)
        if node is None or (key == "seed" and found):
            continue
        pairs: list[tuple[int | None, JsonNode]]
        if isinstance(node.value, dict):
            pairs = [(named[0], item) for name, item in node.members() if (named := seed_of(name))]
        elif isinstance(node.value, list):
            items = [item for _, item in node.members()]
            pairs = [(_seed_number(item), item) for item in items]
        else:
            # "seeds": 3 is a count, "seed": 3 a seed.
            pairs = [(_seed_number(node), node)] if key == "seed" else []
        for seed, item in pairs[:200]:
            if seed is not None:
                found.setdefault(seed, cast("Sourced[int]", fields.sourced(item, seed)))
    for claim in per_seed:
        if claim.seed is not None and claim.val_bpb is not None:
            found.setdefault(claim.seed, claim.val_bpb.with_value(claim.seed))
    return tuple(found.values())


def _seed_number(node: JsonNode) -> int | None:
    value = node.value
    if isinstance(value, dict):
        return _seed_number(value["seed"]) if "seed" in value else None
    if isinstance(value, str):
        named = seed_of(value)
        return named[0] if named else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        return value
    return None


def _note_placeholders(node: JsonNode, fields: FieldReader, key: str = "") -> None:
    if isinstance(node.value, str):
        if is_placeholder(node.value[:2000]):
            fields.note("placeholder", f"{key} is a placeholder: {node.value[:60]!r}", node, key)
        return
    for name, member in node.members():
        _note_placeholders(member, fields, name if isinstance(node.value, dict) else key)


def _compliance(members: Members, fields: FieldReader) -> dict[str, Sourced[bool]]:
    node = members.get("compliance")
    if node is None or not isinstance(node.value, dict):
        return {}
    return {
        key: cast("Sourced[bool]", fields.sourced(item, item.value))
        for key, item in node.value.items()
        if isinstance(item.value, bool)
    }


def _read_members(path: str, root: JsonNode, document: JsonDocument, *, parsed: bool) -> SubmissionJson:
    members = cast("Members", root.value)
    fields = FieldReader(path, document)
    headline, headline_key = find_headline(members, fields)
    per_seed = find_seed_claims(members, headline.value if headline else None, fields)
    loss = next((key for key in _LOSS_KEYS if key in members), None) if headline_key != "val_loss" else None
    std = next((key for key in _STD_KEYS if key in members), None)
    author, github = _people(members, fields)
    found = SubmissionJson(
        path=path,
        present=True,
        parsed=parsed,
        headline=headline,
        headline_key=headline_key,
        val_loss=fields.loss(members[loss], loss) if loss and _is_scalar(members[loss]) else None,
        stated_std=(
            fields.number(members[std], std, 20.0, "a standard deviation", zero=True)
            if std and _is_scalar(members[std])
            else None
        ),
        name=fields.first_text(members, ("name", "title", "run_name", "submission_name", "model_name")),
        author=author,
        github_id=github,
        date=fields.first_text(members, ("date", "submission_date", "created", "created_at", "timestamp")),
        track=_track(members, fields),
        total_bytes=_largest(members, _TOTAL, fields.size),
        code_bytes=_largest(members, _CODE, fields.size),
        model_bytes=_largest(members, _MODEL, fields.size),
        train_seconds=_largest(members, _TRAIN, fields.seconds),
        eval_seconds=_largest(members, _EVAL, fields.seconds),
        steps=_largest(members, _STEPS, fields.steps),
        hardware=_hardware(members, fields),
        seeds=_seeds(members, per_seed, fields),
        per_seed=per_seed,
        compliance=_compliance(members, fields),
        raw=cast("dict[str, Any]", root.plain()),
    )
    _note_placeholders(root, fields)
    problems = [*document.problems, *fields.problems]
    if not parsed:
        problems.append(_recovered(found))
    return replace(found, problems=tuple(dict.fromkeys(problems)))


def _is_scalar(node: JsonNode) -> bool:
    return not isinstance(node.value, (dict, list))


def _recovered(found: SubmissionJson) -> JsonProblem:
    names = ("headline", "per_seed", "total_bytes", "author", "github_id", "name", "date", "track")
    read = [name for name in names if getattr(found, name)]
    what = ", ".join(read) if read else "nothing"
    return JsonProblem(kind="recovered", message=f"read from a broken file, up to the defect: {what}")


def read_submission_json(path: str | None, data: bytes | None) -> SubmissionJson:
    """Read the file; `path` None means there is none, `data` None that it could not be read.

    Never raises. All sizes are bytes, times seconds, scores bits per byte.
    """
    if path is None:
        return SubmissionJson(path="submission.json", present=False, parsed=False)
    if data is None:
        problem = JsonProblem(kind="unreadable", message="the file could not be read")
        return SubmissionJson(path=path, present=True, parsed=False, problems=(problem,))
    document = read_json(data)
    root = document.root
    if root is None:
        return SubmissionJson(path=path, present=True, parsed=False, problems=document.problems)
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "a single value"
        problem = JsonProblem(
            kind="not-an-object", message=f"holds {kind}; it must be one object {{...}}", line=root.line
        )
        problems = (*document.problems, problem)
        return SubmissionJson(path=path, present=True, parsed=False, problems=problems)
    return _read_members(path, root, document, parsed=document.valid)
