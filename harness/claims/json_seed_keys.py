"""What the keys of a per-seed result mean: which of them is a score, a size, a time; which seed one names."""

from __future__ import annotations

import re

_SEED_KEY = re.compile(r"(?:(.*?)[_ -]?seed[_ -]?)?([0-9]{1,10})(?:[_ -]([A-Za-z].*))?\Z", re.IGNORECASE)

# Scores of one seed, the most final first. The first of a group that is there counts.
BPB_KEYS = (
    "val_bpb_exact",
    "val_bpb",
    "final_val_bpb",
    "final_bpb",
    "bpb",
    "mean_val_bpb",
    "score",
    "ppm_mixer_val_bpb",
    "post_ttt_val_bpb",
    "post_ttt_bpb",
    "quantized_ttt_bpb",
    "ttt_phased_bpb",
    "val_bpb_quantized_ttt_phased",
    "legal_ttt_val_bpb",
    "legal_ttt_bpb",
    "ttt_val_bpb",
    "val_bpb_ttt",
    "ttt_bpb",
    "ttt_sliding_window_bpb",
    "sliding_window_bpb_exact",
    "sliding_window_val_bpb",
    "sliding_window_bpb",
    "val_bpb_sliding_window",
    "val_bpb_sliding",
    "sliding_val_bpb",
    "sliding_bpb",
    "quantized_val_bpb",
    "quantized_bpb",
    "val_bpb_quantized",
    "post_quant_val_bpb",
    "post_quant_bpb",
    "roundtrip_val_bpb",
    "val_bpb_roundtrip",
    "roundtrip_bpb",
)
_NOT_A_SCORE = re.compile(
    r"delta|gain|diff|improv|recover|baseline|control|pre_?quant|pre_?ttt|ema|(?<!z)std|variance|min_|max_|_note"
)
_FIELDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "skip",
        re.compile(r"cap|limit|budget|margin|headroom|reserve|avg|delta|uncompressed|raw|eval_bytes|_note"),
    ),
    ("val_loss", re.compile(r"(?:mean_|final_|sliding_)?val_loss(?:_nats|_exact)?\Z|loss\Z")),
    (
        "code_bytes",
        re.compile(r"(?:bytes_code|code(?:_size)?(?:_compressed)?(?:_bytes)?|compressed_code_bytes)\Z"),
    ),
    (
        "model_bytes",
        re.compile(
            r"bytes_model\w*\Z|(?:compressed_)?model_(?:\w+_)?bytes\Z|weights_bytes\Z|quant_payload_bytes\Z"
        ),
    ),
    (
        "total_bytes",
        re.compile(
            r"(?:total_)?(?:artifact|submission)(?:_size)?_bytes(?:_total)?\Z|bytes_total\Z|total_bytes\Z|bytes\Z"
            r"|size_bytes\Z|bytes_artifact\Z|artifact_size\Z"
        ),
    ),
    ("steps", re.compile(r"(?:num_|train_|training_|stop_)?steps?(?:_stop|_completed|_reached|_total)?\Z")),
    ("skip", re.compile(r"per_step|warm|compile|status|reason|_pass|under|method|type")),
    ("eval_seconds", re.compile(r"(?:total_)?eval(?:uation)?_(?:(?:time|wallclock|seconds)\w*|ms|s)\Z")),
    ("eval_part", re.compile(r"(?:ttt|sliding|slot)_(?:eval_)?(?:time|seconds|ms)\w*\Z")),
    (
        "train_seconds",
        re.compile(
            r"(?:train|training)_(?:(?:time|wallclock|seconds)\w*|ms|s)\Z|wallclock(?:_seconds|_s|_ms)?\Z"
        ),
    ),
)


def field_named(key: str) -> str | None:
    """Which attribute of `SeedClaim` a key is about; None when it is none of them."""
    name = key.lower()
    if "bpb" in name or "bpp" in name or name == "score":
        return None if _NOT_A_SCORE.search(name) else "val_bpb"
    for attribute, pattern in _FIELDS:
        search = pattern.search if attribute == "skip" else pattern.match
        if search(name):
            return None if attribute == "skip" else attribute
    return None


def seed_of(key: str) -> tuple[int, str] | None:
    """The seed a key names and what stands around it: "slot_seed42" is (42, "slot")."""
    match = _SEED_KEY.match(key)
    return (int(match.group(2)), match.group(1) or "") if match else None
