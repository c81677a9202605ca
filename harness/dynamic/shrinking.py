"""Makes a run small: the value each setting gets, over those of the claimed run.

What the script does is kept, how much of it is not. See `knob_rules` for the values.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.dynamic.claimed_settings import claimed_words, number_of
from harness.dynamic.knob_rules import (
    is_sequence_length,
    shrinks_literal,
    small_value,
)
from harness.dynamic.script_knobs import KnobKind
from harness.dynamic.tiny_scale import MICRO_STEPS, STEPS, Scale

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.dynamic.script_knobs import Knob, ScriptKnobs
    from harness.dynamic.tiny_vocabulary import VocabularyKey

Value = int | float | str | bool

RUN_NAME = "audit"
_TRAIN_FILES = re.compile(r"(?i)-{0,2}train_(?:files|pattern|data|shards_glob|glob|bin)")
_VAL_FILES = re.compile(r"(?i)-{0,2}(?:val|valid|validation)_(?:files|pattern|data|glob|bin)")
_VAL_BYTES = re.compile(r"(?i)-{0,2}val_bytes_(?:files|pattern|glob)")
_DATASET_NAME = re.compile(
    r"(?i)-{0,2}(?:data_?(?:set)?s?_?(?:path|folder|root|dir)|data_?dir|dataset|input_bin|data)"
)
_TOKENIZER_NAME = re.compile(
    r"(?i)-{0,2}(?:tokenizer_?(?:path|file|model)?|sp_?model(?:_path)?|spm_?(?:path|model)?)"
)
_LOOKS_LIKE_DATA = re.compile(r"fineweb|/data\b|data/|\.model$")
_RUN_NAMES = re.compile(r"(?i)-{0,2}(?:run_?id|run_?name|exp_?name|experiment_?name)")
_SIZES = re.compile(r"(?i)-{0,2}(?:vocab[-_]?size|n_?vocab)")
_WIDTH = re.compile(r"(?i)-{0,2}(?:model_dim|d_model|n_embd|hidden_size|dim|model_width)")
_HEADS = re.compile(r"(?i)-{0,2}(?:num_heads|n_heads?|num_attention_heads)")
_KV_HEADS = re.compile(r"(?i)-{0,2}(?:num_kv_heads|n_kv_heads?|num_key_value_heads)")
_TRAIN_SEQUENCE = re.compile(r"(?i)-{0,2}(?:train_)?(?:seq_?len(?:gth)?|block_size|context_length)")
_LENGTHS_IN_TEXT = re.compile(r"(?<![\w.])\d{3,5}(?![\w.])")
_SCHEDULE = re.compile(r"(?i).*(?:seq|schedule|curriculum|stages).*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Where a script finds its data inside the sandbox: absolute paths."""

    root: str
    dataset: str
    tokenizer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrinkChoice:
    """What a step of the retry ladder asks for."""

    kept: frozenset[str] = frozenset()
    """Settings, in lower case, that stay as the claimed run or the script has them."""
    dropped: frozenset[str] = frozenset()
    """Settings of the claimed run, in lower case, that the script's own defaults replace."""
    at_least: Mapping[str, int] = field(default_factory=dict)
    """The smallest value of a setting, by its name in lower case: the script refuses smaller ones."""
    keeps_width: bool = False
    keeps_limits: bool = False
    """Whether limits on the elements of a tensor stay as written."""
    steps: int = STEPS
    without_claim: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """What a tiny run is started with. `notes` say in words what was changed or left out."""

    environment: Mapping[str, str]
    argv: tuple[str, ...] = ()
    literals: Mapping[str, Value] = field(default_factory=dict)
    local_literals: Mapping[str, Value] = field(default_factory=dict)
    """Of constants that functions bind."""
    steps: int = STEPS
    """Training steps the run is to take."""
    micro_steps: int = MICRO_STEPS
    """Passes of each."""
    element_scale: float = 1.0
    """What written limits on the elements of a tensor are multiplied by."""
    notes: tuple[str, ...] = ()


def shrink(
    knobs: ScriptKnobs,
    claimed: Mapping[str, str],
    data: DataSettings,
    vocabulary: VocabularyKey,
    *,
    argv: tuple[str, ...] = (),
    choice: ShrinkChoice | None = None,
) -> Shrink:
    """Small values for every setting a rule knows; `claimed` and `argv` are the claimed run's."""
    choice = choice or ShrinkChoice()
    claimed = {
        name: value
        for name, value in claimed.items()
        if not choice.without_claim and name.lower() not in choice.dropped
    }
    scale = replace(
        scale_of(knobs, claimed),
        keeps_width=choice.keeps_width,
        keeps_limits=choice.keeps_limits,
        steps=choice.steps,
    )
    shrinking = _Shrinking(knobs, scale, data, vocabulary, choice)
    of_ranks = {
        knob.name: knob.value
        for knob in knobs.of(KnobKind.ENVIRONMENT)
        if knob.of_ranks and knob.value is not None and knob.name not in claimed
    }
    shrinking.notes += [f"{name}={value}, as by default on eight ranks" for name, value in of_ranks.items()]
    environment = {**of_ranks, **claimed}
    for knob in knobs.of(KnobKind.ENVIRONMENT):
        small = shrinking.small(knob, claimed.get(knob.name, knob.value))
        if small is not None:
            environment[knob.name] = str(small)
    words = _small_words(shrinking, knobs, () if choice.without_claim else claimed_words(argv))
    has_settings = bool(environment) or bool(words)
    literals: dict[str, Value] = {}
    for knob in knobs.of(KnobKind.CLASS, KnobKind.MODULE, KnobKind.PARAMETER):
        is_setting = knob.kind is KnobKind.CLASS or (
            knob.kind is KnobKind.MODULE and knob.name.isupper() and not has_settings
        )
        if not (is_setting or shrinks_literal(knob.name) or shrinking.is_data(knob)):
            continue
        small = shrinking.small(knob, knob.value)
        if small is not None and str(small) != knob.value:
            literals.setdefault(knob.name, small)
    in_functions: dict[str, Value] = {}
    for knob in knobs.of(KnobKind.LOCAL):
        small = shrinking.small(knob, knob.value) if shrinks_literal(knob.name) else None
        if small is not None:
            in_functions.setdefault(knob.name, small)
    return Shrink(
        environment=environment,
        argv=words,
        literals=literals,
        local_literals=in_functions,
        steps=choice.steps,
        micro_steps=scale.micro_steps,
        element_scale=scale.elements,
        notes=tuple(shrinking.notes),
    )


def scale_of(knobs: ScriptKnobs, claimed: Mapping[str, str]) -> Scale:
    """The sizes of the claimed run; where nothing says them, those of the challenge's own script."""
    values: dict[str, float] = {}
    for knob in knobs.of(KnobKind.MODULE, KnobKind.CLASS, KnobKind.OPTION, KnobKind.ENVIRONMENT):
        number = number_of(claimed.get(knob.name, knob.value))
        if number is not None and number > 0:
            values[knob.name] = number
    lengths = [value for name, value in values.items() if is_sequence_length(name) and 32 <= value <= 65_536]
    usual = Scale()
    return Scale(
        sequence=max(lengths, default=usual.sequence),
        train_sequence=_named(values, _TRAIN_SEQUENCE, max(lengths, default=usual.train_sequence)),
        width=_named(values, _WIDTH, usual.width),
        heads=_named(values, _HEADS, usual.heads),
        kv_heads=_named(values, _KV_HEADS, _named(values, _HEADS, usual.kv_heads)),
        micro_steps=1 if knobs.has_micro_batches else MICRO_STEPS,
    )


def _named(values: Mapping[str, float], pattern: re.Pattern[str], otherwise: float) -> float:
    found = [value for name, value in values.items() if pattern.fullmatch(name)]
    return found[-1] if found else otherwise


@dataclass(slots=True)
class _Shrinking:
    knobs: ScriptKnobs
    scale: Scale
    data: DataSettings
    vocabulary: VocabularyKey
    choice: ShrinkChoice
    notes: list[str] = field(default_factory=list)

    def small(self, knob: Knob, value: str | None) -> Value | None:
        """The tiny value of a setting whose full value is `value`; None to leave it alone."""
        place = self._place(knob)
        if place is not None:
            return place
        if _RUN_NAMES.fullmatch(knob.name):
            return RUN_NAME
        if _SIZES.fullmatch(knob.name):
            return self.vocabulary.size
        if knob.name.lower() in self.choice.kept or value is None:
            return None
        number = number_of(value)
        if number is None:
            return self._small_schedule(knob.name, value)
        small = small_value(knob.name, number, self.scale)
        if small is not None:
            least = self.choice.at_least.get(knob.name.lower(), self.knobs.least_of(knob) or small)
            small = max(small, min(number, least))
        if small is None or small == number:
            return None
        if small == int(small) and (knob.type != "float" or knob.kind is KnobKind.ENVIRONMENT):
            return int(small)
        return small

    def is_data(self, knob: Knob) -> bool:
        """Whether a constant names the data or the tokenizer."""
        return self._place(knob) is not None

    def _place(self, knob: Knob) -> str | None:
        """Where the data is, for a setting that says so; a constant must look like a place itself."""
        name, value = knob.name, knob.value or ""
        if knob.kind in {KnobKind.PARAMETER, KnobKind.LOCAL}:
            return None
        is_constant = knob.kind in {KnobKind.CLASS, KnobKind.MODULE}
        if is_constant and _LOOKS_LIKE_DATA.search(value) is None:
            return None
        if _VAL_BYTES.fullmatch(name):
            return f"{self.data.dataset}/fineweb_val_bytes_*.bin"
        if _TRAIN_FILES.fullmatch(name):
            return f"{self.data.dataset}/fineweb_train_*.bin"
        if _VAL_FILES.fullmatch(name):
            return f"{self.data.dataset}/fineweb_val_[0-9]*.bin"  # not the byte counts beside them
        if _TOKENIZER_NAME.fullmatch(name):
            return self.data.tokenizer
        if _DATASET_NAME.fullmatch(name):
            is_root = re.fullmatch(r"(?i)-{0,2}data_?(?:dir|root)", name) and "fineweb" not in value
            return f"{self.data.root}/" if is_root else self.data.dataset
        return None

    def _small_schedule(self, name: str, value: str) -> str | None:
        """Lengths inside of a schedule ("0.1:1024,0.9:2048") shrink as lengths do, to powers of two: a batch
        holds whole windows of each.
        """
        if not _SCHEDULE.fullmatch(name) or not _LENGTHS_IN_TEXT.search(value):
            return None

        def small_length(match: re.Match[str]) -> str:
            return str(2 ** round(math.log2(self.scale.sequence_of(int(match[0])))))

        small = _LENGTHS_IN_TEXT.sub(small_length, value)
        return small if small != value else None


def _small_words(shrinking: _Shrinking, knobs: ScriptKnobs, words: tuple[str, ...]) -> tuple[str, ...]:
    """The claimed run's command line with small values, then the options it leaves at their defaults."""
    options = {knob.name: knob for knob in knobs.of(KnobKind.OPTION)}
    given: dict[str, str | None] = {}
    rest: list[str] = []
    at = 0
    while at < len(words):
        name, has_value, value = words[at].partition("=")
        if name in options and not has_value and at + 1 < len(words):
            given[name] = words[at + 1]
            at += 1
        elif name in options and has_value:
            given[name] = value
        else:
            rest.append(words[at])
        at += 1
    for name, knob in options.items():
        small = shrinking.small(knob, given.get(name) or knob.value)
        value_kept = given.get(name)
        if small is not None:
            rest += [name, str(small)]
        elif value_kept is not None:
            rest += [name, value_kept]
    return tuple(rest)
