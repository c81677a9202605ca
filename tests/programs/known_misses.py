"""Twins the audit does not judge as expected today, with the reason; each is tested to be missed still.

A twin that is judged rightly fails its test until its line here is deleted.
"""

from __future__ import annotations

KNOWN_MISSES: dict[str, str] = {
    "a-copy-learns-from-validation-and-is-thrown-away": (
        "cleared by the rules of order; val-full asks about the first tokens, which only the copy reads"
    ),
    "a-carried-adapter-meets-documents-it-has-read": (
        "ttt-multi-epoch asks about it, as the loop meets the same documents again"
    ),
    "trains-on-everything-scored-so-far": (
        "a range that grows with the chunk is taken for one that reaches later chunks"
    ),
    "a-delta-learns-from-scored-windows-as-it-stands": (
        "a person is asked about every delta, also one fitted to scored windows"
    ),
    "whole-distributions-of-a-dictionary-as-they-stand": (
        "what the dictionary stores is not followed into the score"
    ),
    "the-cache-is-used-only-where-it-helps": ("the rules of its breach pass it"),
    "the-mixing-weight-depends-on-the-model-loss-of-the-target": (
        "the rules of its breach pass it; accused by ngram-key-target"
    ),
    "the-dictionary-learns-the-target-before-it-is-scored": (
        "the rules of its breach stay undecided; accused by ngram-key-target"
    ),
    "the-joint-table-alone-boosts-the-target": ("the rules of its breach stay undecided"),
    "the-better-of-model-and-table-is-taken-per-token": (
        "the rules of its breach pass it; accused by ngram-target-gate"
    ),
    "the-hashed-table-is-filled-before-its-own-window-is-scored": ("the rules of its breach stay undecided"),
    "the-key-of-the-torch-table-includes-the-target": ("the rules of its breach pass it"),
    "the-torch-table-learns-the-window-before-scoring-it": (
        "the rules of its breach stay undecided; accused by ngram-key-target"
    ),
    "a-byte-model-is-mixed-with-the-token-probability-spread-over-its-bytes": (
        "the rules of its breach pass it"
    ),
    "the-hint-is-used-only-if-the-target-starts-a-word": (
        "the rules of its breach pass it; accused by bytes-leading-space"
    ),
    "the-hint-is-used-only-where-it-hits": ("the rules of its breach pass it"),
    "the-hint-memory-learns-the-target-before-it-is-asked": ("the rules of its breach stay undecided"),
    "calibrates-on-training-data-inside-a-reserve": (
        "not cleared: the code is not followed to the calibration"
    ),
    "calibrates-on-tokens-the-model-generated": ("not cleared: the code is not followed to the calibration"),
    "scores-through-native-code": (
        "c1-causal says which call cannot be read and stays unchecked; it asks nobody"
    ),
}
