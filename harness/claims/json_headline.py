"""Finds the one score a submission.json claims, under any of the keys people use for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.claims.json_fields import FieldReader
    from harness.claims.json_positions import JsonNode
    from harness.finding import Sourced

    Members = dict[str, JsonNode]

_HEADLINE_KEYS = (
    "val_bpb",
    "mean_val_bpb",
    "val_bpb_mean",
    "val_bpb_3seed_mean",
    "three_seed_mean_bpb",
    "three_seed_mean_val_bpb",
    "mean_bpb",
    "bpb_mean",
    "val_bpb_exact",
    "final_val_bpb",
    "final_bpb",
    "bpb",
    "score",
    "best_val_bpb",
    "best_bpb",
)
# Used only when none of the keys above is there at all: a null val_bpb beside them is a withdrawn score.
_PARTIAL_HEADLINE_KEYS = (
    "ttt_val_bpb",
    "val_bpb_ttt",
    "legal_ttt_val_bpb",
    "sliding_window_val_bpb",
    "val_bpb_sliding_window",
    "val_bpb_sliding",
    "sliding_val_bpb",
    "sliding_bpb_mean",
    "quantized_val_bpb",
    "post_quant_val_bpb",
    "val_bpb_int8_zlib_roundtrip",
    "final_int8_zlib_roundtrip_val_bpb",
    "int8_zlib_val_bpb",
    "int6_zstd_val_bpb",
    "roundtrip_val_bpb",
    "val_bpb_roundtrip",
)
_MEAN_KEYS = (
    "mean",
    "val_bpb_mean",
    "mean_val_bpb",
    "mean_bpb",
    "value",
    "val_bpb",
    "final",
    "headline",
    "avg",
)
_RESULT_PARENTS = ("results", "result", "metrics", "summary", "final", "performance", "scores", "evaluation")


def _headline_in(
    members: Members, keys: tuple[str, ...], fields: FieldReader
) -> tuple[Sourced[float] | None, str]:
    for key in keys:
        node = members.get(key)
        if node is None:
            continue
        if isinstance(node.value, dict):
            inner = node.value
            found, inner_key = _headline_in(inner, _MEAN_KEYS, fields)
            if found is not None:
                return found, f"{key}.{inner_key}"
        elif not isinstance(node.value, list) and (found := fields.bpb(node, key)) is not None:
            return found, key
    return None, ""


def find_headline(members: Members, fields: FieldReader) -> tuple[Sourced[float] | None, str]:
    """The claimed score and the key it stands under; (None, "") when none is claimed."""
    if "val_bpb" in members and members["val_bpb"].value is None:
        fields.note(
            "null-headline", "val_bpb is null: no score is claimed there", members["val_bpb"], "val_bpb"
        )
    found, key = _headline_in(members, _HEADLINE_KEYS, fields)
    if found is not None:
        return found, key
    for parent in _RESULT_PARENTS:
        node = members.get(parent)
        if node is not None and isinstance(node.value, dict):
            found, key = _headline_in(node.value, _HEADLINE_KEYS, fields)
            if found is not None:
                return found, f"{parent}.{key}"
    if any(key in members for key in _HEADLINE_KEYS):
        return None, ""
    found, key = _headline_in(members, _PARTIAL_HEADLINE_KEYS, fields)
    if found is not None:
        return found, key
    return _score_under_loss(members, fields)


def _score_under_loss(members: Members, fields: FieldReader) -> tuple[Sourced[float] | None, str]:
    """A score stored as val_loss (merged #180): below 1.5 nats per token no tokenizer here has a loss."""
    node = members.get("val_loss")
    if node is None or not isinstance(node.value, float) or not 0.5 < node.value < 1.5:
        return None, ""
    fields.note(
        "bpb-in-val-loss",
        f"val_loss {node.value} reads like bits per byte; there is no val_bpb",
        node,
        "val_loss",
    )
    return fields.bpb(node, "val_loss"), "val_loss"
