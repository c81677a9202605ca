"""What a setting becomes in a tiny run, by the pattern of its name.

Rules keep relations, not values: sequence lengths shrink by one factor, widths by another, a table keeps its
tokens per slot, a switch (0, -1) stays a switch. Numbers of layers stay, because other settings name layers.
Population: 1,130 submissions of the challenge, a median of 68 settings read from the environment.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from harness.dynamic.tiny_scale import (
    AVERAGE_DECAY,
    BATCH_SEQUENCES,
    BEYOND,
    CALIBRATION_BATCHES,
    CHUNK,
    DOCUMENTS,
    HEAD_WIDTH,
    LORA_RANK,
    MOST_EPOCHS,
    MOST_INNER_STEPS,
    SEQUENCE,
    STRIDE,
    Scale,
    table_slots,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def _keep(value: float, _: Scale) -> float:
    return value


def _at_most(most: float) -> Callable[[float, Scale], float]:
    return lambda value, _: min(value, most)


def _constant(small: float) -> Callable[[float, Scale], float]:
    return lambda _value, _scale: small


def _sequence(value: float, scale: Scale) -> float:
    return scale.sequence_of(value)


def _stride(value: float, scale: Scale) -> float:
    """As long as a window where windows do not overlap, else a quarter."""
    if value >= scale.sequence or value >= scale.train_sequence:
        return scale.sequence_of(value)
    return STRIDE


def _chunk(value: float, scale: Scale) -> float:
    """Two windows where it holds many, as many tokens as a window where it does, else half of one.

    A document of 2,048 tokens in chunks of 48 would be 43 steps of adaptation, and most of the time.
    """
    if value >= 2 * scale.sequence:
        return CHUNK
    return scale.sequence_of(value) if value >= scale.sequence else SEQUENCE // 2


def _train_tokens(_: float, scale: Scale) -> float:
    return max(scale.micro_steps, BATCH_SEQUENCES) * scale.sequence_of(scale.train_sequence)


def _val_tokens(value: float, scale: Scale) -> float:
    """Tokens, or windows where the number is small."""
    if value < scale.sequence:
        return min(value, BATCH_SEQUENCES)
    return scale.micro_steps * SEQUENCE * BATCH_SEQUENCES


def _width(value: float, scale: Scale) -> float:
    return scale.width_of(value)


def _heads(_: float, scale: Scale) -> float:
    return scale.heads if scale.keeps_width else scale.tiny_heads


def _kv_heads(value: float, scale: Scale) -> float:
    return value if scale.keeps_width else scale.tiny_heads // scale.queries_per_kv


def _head_width(value: float, scale: Scale) -> float:
    return value if scale.keeps_width else HEAD_WIDTH


def _rotary(value: float, scale: Scale) -> float:
    """Rotary dimensions: all of a head, or half of one."""
    if scale.keeps_width:
        return value
    return HEAD_WIDTH if value >= scale.width / scale.heads else min(value, HEAD_WIDTH // 2)


def _elements(value: float, scale: Scale) -> float:
    return max(1, round(value * scale.elements))


def _table(value: float, _: Scale) -> float:
    return table_slots(value)


def _table_bits(value: float, _: Scale) -> float:
    return round(math.log2(table_slots(2**value))) if 8 <= value <= 40 else value


def _embedded_table(value: float, _: Scale) -> float:
    """A table of learned rows is met in training, not filled in evaluation: few rows, all of them used."""
    return min(value, 256)


def _schedule(value: float, scale: Scale) -> float:
    """Steps at which something starts or how long it takes: in the middle of the tiny run at the latest."""
    return min(value, max(1, scale.steps // 2))


_BEGINS = r".*(?:start|begin|switch|activate|enable)\w*_?(?:steps?|iters?)"
_COUNT = r"(?:size|tokens|len|length)"
_STEP_WORDS = r"(?:steps|iters|iterations)"
# The first that fits a name decides; names are in lower case, with underscores.
_RULES_BY_NAME: tuple[tuple[Callable[[float, Scale], float], tuple[str, ...]], ...] = (
    # Hash tables and caches of an evaluation, and tables of learned rows.
    (_embedded_table, (r"(?:\w+_)?(?:bi|tri|en)gram(?:_hash)?_(?:vocab(?:_size)?|buckets|size)",)),
    (_table_bits, (r".*(?:table|hash|bucket|cache|ctx|open).*_bits", r"(?:n_)?hash_?bits")),
    (_keep, (r"cu_.*bucket.*", r".*bucket_(?:size|view).*")),
    (_table, (r".*buckets", r".*(?:ngram|hash|cache|table)_?slots", r".*(?:table|hash|cache)_?size")),
    # An average over thousands of steps would still be the untrained weights after six.
    (_at_most(AVERAGE_DECAY), (r".*(?:ema|polyak)(?:_\w+)?_(?:decay|beta)",)),
    (_elements, (r"(?:\w+_)?(?:keep|pass\w*|float|quant\w*|min|max)(?:_\w+)?_numel",)),
    # Weights that share a scale: every tiny matrix must hold whole groups of them.
    (_at_most(HEAD_WIDTH), (r".*(?:bitnet|ternary)_group_?size",)),
    # Numbers that are no sizes.
    (
        _keep,
        (
            r".*(?:seed|_id|world_size|local_rank|_lr|_decay|_wd|_beta\d?|_alpha|_eps|_std|_init|_bits)",
            r".*(?:momentum|threshold|_frac(?:tion)?|_pct|_ratio|_scale|_sigmas?|_mult|softcap|_clip)",
            r".*(?:gptq|quant|awq|lqer|group|clip|block).*_(?:block_?size|group_?size|group)",
            r"gptq_blocksize|group_?size",
            r".*_(?:backend|ns|newton_schulz|polar)_?(?:steps|iters)|ns_steps|backend_steps",
            r".*(?:seconds|_ms|minutes|_mb|_bytes|timeout|level|port|workers|threads)(?:_.*)?",
            r".*(?:order|min_count|temperature)(?:_.*)?",
        ),
    ),
    # Calibration.
    (_constant(SEQUENCE * CALIBRATION_BATCHES), (r".*calib\w*_?tokens",)),
    (_sequence, (r".*(?:calib|hessian|gptq|ar_).*(?:seq_?len|ctx_?len|length)",)),
    (
        _at_most(CALIBRATION_BATCHES),
        (
            r".*(?:calib|hessian|gptq).*(?:batch|sample|seq|num|steps|iters|n_).*",
            r"n_calib\w*",
            r"(?:num|n|ar|ar_num)_(?:seqs|sequences|samples)",
        ),
    ),
    # Batches.
    (
        _train_tokens,
        (
            r"(?:train_|global_|total_)?batch_?(?:tokens|size_tokens)",
            r"train_batch_(?:size|tokens)|total_batch_size|tokens_per_(?:step|batch)",
        ),
    ),
    (_val_tokens, (r"val_batch_?(?:tokens|size)", r"eval_batch_tokens", r"(?:eval|val)_tokens_per_batch")),
    (
        _at_most(BATCH_SEQUENCES),
        (
            r".*batch_?(?:seqs?|sequences|windows|docs|chunks)",
            r".*(?:eval|ttt|slide|sliding|sw|slot|window).*batch(?:_?size)?",
            r"(?:lora_|doc_|micro_|device_)?batch_?size|.*max_batch",
        ),
    ),
    # Lengths.
    (_stride, (r".*stride(?:_tokens)?",)),
    (_chunk, (rf".*chunk(?:_?{_COUNT})?", r".*segment_(?:size|tokens|len)")),
    (
        _sequence,
        (
            r".*(?:seq_?len(?:gth)?|sequence_length|_seq|ctx_?len|max_?len).*",
            r".*(?:context_?(?:len(?:gth)?|size)|window_?(?:size|len(?:gth)?)|swa_window|block_size).*",
            r".*(?:original_max_position|max_position_embeddings).*",
        ),
    ),
    # Widths.
    (
        _width,
        (
            r"(?:model_|d_|hidden_|n_|embed(?:ding)?_|emb_|base_)?(?:dim|width)|d_?model|n_?embd?",
            r"(?:model_)?hidden_size|embed(?:ding)?_?size|mlp_hidden(?:_dim)?|d_ff|ff_dim|intermediate_size|mlp_dim",
            r".*(?:bigram|trigram|ve|hash|value_embed|latent|bottleneck|gate|engram|adapter|state)\w*_dim",
            r".*(?:inner|kv|q|k|v|proj|lowrank|factor|pos|mem|memory)\w*_dim",
        ),
    ),
    (_heads, (r"(?:n_?|num_)(?:attention_)?(?:q_)?heads?",)),
    (_kv_heads, (r"(?:n_?|num_)(?:kv|key_value)_?heads?",)),
    (_head_width, (r"(?:attn_)?head_?(?:dim|size|width)",)),
    (_rotary, (r".*rope_?dims?", r"rotary_?dims?", r"partial_rope\w*dims?")),
    (_at_most(LORA_RANK), (r".*(?:lora|ttt|adapter).*rank", r".*lora_r")),
    (_at_most(2 * LORA_RANK), (r".*low_?rank\w*", r".*_rank")),
    # Steps and epochs.
    (
        lambda _, scale: scale.steps,
        (
            r"(?:num_)?(?:iterations|iters|max_?steps|train_?(?:steps|iters)|total_?(?:steps|iters)|n_steps)",
            r"num_(?:train_)?(?:steps|iterations|iters)",
        ),
    ),
    (_constant(BEYOND), (r"(?:val|eval|validate|save|ckpt|checkpoint)\w*_(?:every|interval|freq|steps)",)),
    (_keep, (r"(?:train_)?log_(?:every|interval|freq)",)),
    (_at_most(1), (rf"warmup_(?:\w+_)?{_STEP_WORDS}|warmup{_STEP_WORDS}", r".*compile_warmup\w*")),
    (
        _schedule,
        (
            rf".*(?:warmdown|cooldown)_?{_STEP_WORDS}|.*(?:decay|anneal)_(?:steps|iters)",
            r".*warmup.*(?:steps|iters|chunks|iterations)",
            rf"{_BEGINS}|.*_(?:start|at|after)_(?:step|iter)",
        ),
    ),
    (_at_most(1), (r".*(?:every|interval|freq|frequency|period|cadence)",)),
    (_at_most(MOST_EPOCHS), (r".*epochs?",)),
    (_at_most(MOST_INNER_STEPS), (rf".*(?:{_STEP_WORDS}|passes|rounds)",)),
    (_at_most(DOCUMENTS), (r".*(?:prefix|train|suffix|warm|eval|max|num|n)?_?docs",)),
)
_RULES = tuple((re.compile("|".join(patterns)), rule) for rule, patterns in _RULES_BY_NAME)
# Names of parameters and of constants outside of settings are common words: only those that cost time or
# hide what an evaluation does are touched.
_LITERAL_NAMES = re.compile(
    r"(?:n_|num_|ngram_|hash_|table_|cache_)*(?:buckets|table_size|hash_size|table_bits|bucket_bits|hash_bits)"
    r"|\w*batch_seqs|\w*batch_windows|num_seqs|num_sequences|n_seqs|\w*calib\w*(?:batches|samples|seqs|tokens|steps)"
    r"|(?:\w+_)?(?:keep|pass\w*|float|quant\w*|min|max)(?:_\w+)?_numel"
    r"|(?:\w+_)?(?:eval|ttt|lora|slide|sliding|window)_batch(?:_size)?"
    rf"|warmup_(?:\w+_)?{_STEP_WORDS}"
    r"|\w*chunk_tokens|\w*(?:ngram|cache|eval|ttt)_chunk(?:_size)?|\w*calib\w*seq_len|ppm_\w*tokens"
)


def small_value(name: str, value: float, scale: Scale) -> float | None:
    """The tiny run's value of a setting, None where no rule knows the name. 0 and less are switches: kept."""
    plain = name.lower().lstrip("-").replace("-", "_")
    for pattern, rule in _RULES:
        if pattern.fullmatch(plain):
            return value if value <= 0 else rule(value, scale)
    return None


def shrinks_literal(name: str) -> bool:
    """Whether a parameter or a constant outside of a class of settings is overridden by its name."""
    return _LITERAL_NAMES.fullmatch(name.lower()) is not None


def is_sequence_length(name: str) -> bool:
    """Whether the name is one of a window of tokens the model sees."""
    plain = name.lower().lstrip("-").replace("-", "_")
    first = next((rule for pattern, rule in _RULES if pattern.fullmatch(plain)), None)
    return first is _sequence and "calib" not in plain
