"""What a run cost: named durations, printed sizes and integer counters."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.log_events import Counter, Duration, Size
from harness.log_grammar_training import UNIT_SECONDS
from harness.training_log import SizeLine, Timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.finding import Sourced
    from harness.log_events import Event


class Activity(StrEnum):
    """The names of `Timed.what`."""

    CALIBRATION = "calibration"  # Hessian collection, activation statistics
    GENERATION = "self-generation"  # sequences sampled from the model for calibration
    QUANTISATION = "quantisation"  # GPTQ and friends, pruning
    COMPRESSION = "compression"
    DECOMPRESSION = "decompression"  # also deserialisation
    WARMUP = "warm-up"  # compile warm-up
    PREQUANT_TTT = "prequant-ttt"  # training on validation data before quantisation
    NGRAM = "ngram-precompute"  # n-gram tables or hints
    TTT = "test-time-training"
    ARTIFACT = "artifact-production"  # everything from stop to artifact
    AVERAGING = "weight-averaging"
    DATA = "data-loading"
    TOTAL = "total"  # the whole process


# The first kind whose words stand on the line wins; order matters.
_ACTIVITIES: tuple[tuple[Activity, re.Pattern[str]], ...] = tuple(
    (activity, re.compile(pattern, re.IGNORECASE))
    for activity, pattern in (
        (Activity.ARTIFACT, r"artifact[ _]production|artifact[ _]creation|export (?:complete|done|took)|post[-_ ]train(?:ing)? (?:total|time)"),
        (Activity.PREQUANT_TTT, r"pre[-_ ]?quant[-_ ]?(?:adamw[-_ ]?)?ttt|ttt[-_ ]pre[-_ ]?quant|pqt\b"),
        (Activity.GENERATION, r"(?:generat|sampl|self[-_ ]?gen)\w*\W.{0,80}(?:seq|token|calib|sample|text)|autoregressive|ar[-_ ]self|self[-_ ]?gen"),
        (Activity.CALIBRATION, r"hessian|calib"),
        (Activity.NGRAM, r"n-?gram|hint|token_cache|bigram (?:table|count)|suffix"),
        (Activity.DECOMPRESSION, r"decompress|deserial|dequant|load(?:ed|ing)? (?:quant|artifact|model|checkpoint)"),
        (Activity.WARMUP, r"warm(?:ing)?[-_ ]?up|compil"),
        (Activity.QUANTISATION, r"gptq|quantiz|quantis|awq|prun|lqer|lattice|rounding"),
        (Activity.COMPRESSION, r"compress|lrzip|brotli|lzma|zstd|serializ|serialis|\bxz\b|pack(?:ed|ing)"),
        (Activity.AVERAGING, r"\b(?:swa|ema|soup|lawa|averag\w*)\b"),
        (Activity.TTT, r"\bttt\w*|test[-_ ]time|\bslot\w*|adapt"),
        (Activity.DATA, r"tokeniz|download|data[-_ ]?load|load(?:ed|ing) (?:data|val|train|shards)"),
        (Activity.TOTAL, r"total[-_ ](?:time|elapsed|wall|runtime)|elapsed[-_ ]total"),
    )
)  # fmt: skip
_DURATION = re.compile(
    r"(?:\b(?:in|took|after|elapsed|time|done|duration|wall|wallclock|completed?|finished|t|total_elapsed|overhead)\b\s?[:=]?\s{0,3}\(?\s?|\(\s?|[:=]\s?"
    r"|_(?:s|sec|seconds|time)\s?[:=]\s?)(\d{1,9}(?:\.\d{1,9})?)\s?(ms|seconds|secs?|s|min|m)(?![\w/])",
    re.IGNORECASE,
)
_KEYED_SECONDS = re.compile(
    r"\w_(ms|s|sec|seconds)\s?[:=]\s?(\d{1,9}(?:\.\d{1,9})?)(?![\w/.])", re.IGNORECASE
)
_NOT_SPENT = re.compile(
    r"budget_?check|reserv|remaining|deadline|limit|cap\b|estimat|projected|expected|\beta\b|compressed\+saved|\[\s{0,6}\d+/\d+|\btok/s.{0,10}$"
    r"|\bstarting\b|\bwill\b|max_|ttt_chunk|\bb\d+/\d|chunk[ :=]\d",
    re.IGNORECASE,
)
_SELF_DATA = re.compile(
    r"self[-_ ]?gen|autoregress|generated|\bar[-_ ](?:calib|data|self)|model[-_ ]generated|sampled from",
    re.IGNORECASE,
)
_TRAIN_DATA = re.compile(
    r"train(?:ing)?[-_ ](?:data|set|shards?|batch|loader|tokens|stream)|calibration (?:data|batches|tokens)|from (?:the )?train",
    re.IGNORECASE,
)
_NO_DATA = re.compile(r"random tokens|no val data|synthetic|dummy|random data", re.IGNORECASE)

_INTEGER = r"(\d{1,3}(?:[,_]\d{3}){1,4}|\d{3,13})"
_SIZES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern, re.IGNORECASE))
    for what, pattern in (
        ("total", r"\bTotal submission(?: size)?\s{0,3}([^:=\n]{0,80}?)\s{0,3}[:=]\s{0,6}" + _INTEGER),
        ("total", r"\bbudget:\s{0,2}()" + _INTEGER + r"\s?/\s?\d{7,9}"),
        ("total", r"(?<![\w])((?:\w{1,20}[ _+/-]){0,4})(?:total[ _]?(?:submission[ _]|artifact[ _])?(?:bytes|size)|bytes_total"
                  r"|submission[ _](?:size|bytes)|artifact[ _](?:size|bytes|total)|total[ _]artifact|artifact|total)"
                  r"(?:[ _]?\(?(?:bytes|model ?\+ ?code|code ?\+ ?model|model\+code)\)?)?\s{0,12}[:=]\s{0,12}" + _INTEGER + r"(?![\d.]|\s?(?:MB|MiB|KB|ms|tok))"),
        ("code", r"\bCode size\s{0,3}([^:=\n]{0,60}?)\s{0,3}[:=]\s{0,6}" + _INTEGER),
        ("code", r"(?<![\w])()(?:code[ _]bytes|bytes_code|code[ _]?size|code|script[ _](?:size|bytes))\s{0,6}[:=]\s{0,6}" + _INTEGER + r"(?![\d.])"),
        ("model", r"\bSerialized model\s{0,3}([^:=\n]{0,80}?)\s{0,3}[:=]\s{0,6}" + _INTEGER),
        ("model", r"(?<![\w])((?:\w{1,20}[ _+/-]){0,3})(?:model[ _](?:size|bytes)|bytes_model|compressed[ _](?:model|size|bytes)"
                  r"|(?:model|weights|blob)[ _]?(?:compressed|blob)?[ _]?(?:bytes|size))(?:[ _]?\w{0,12})?\s{0,6}[:=]\s{0,6}" + _INTEGER + r"(?![\d.]|\s?(?:MB|MiB|KB))"),
    )
)  # fmt: skip
_SIZE_WORDS = ("size", "bytes", "budget", "code", "total", "artifact", "serialized")

_COUNTER_PREFIX = re.compile(r"\s{0,8}(?:\[)?([A-Za-z][\w.-]{0,60})\]?:")
_COUNTER = re.compile(r"(?<![\w.])([A-Za-z_]\w{0,60})=(\d{1,18})(?![\d.\w])")
COUNTERS_PER_LINE = 60


class Costs:
    """Reads cost lines; remembers what calibration was last said to read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._calibration_reads = "unknown"

    def events(self, source: Sourced[str], scored: bool, trained: bool) -> Iterator[Event]:
        """Sizes, durations and counters of one line."""
        text = source.value[:2000]
        lowered = text.lower()
        if any(word in lowered for word in _SIZE_WORDS):
            yield from _sizes(source, text)
        if trained:
            return
        if "=" in text:
            yield from _counters(source, text)
        if not scored:
            yield from self._durations(source, text)

    def _durations(self, source: Sourced[str], text: str) -> Iterator[Event]:
        activity = next((name for name, words in _ACTIVITIES if words.search(text)), None)
        if activity is None:
            return
        reads = self._reads(activity, text)
        if _NOT_SPENT.search(text):
            return
        printed = list(_DURATION.finditer(text))
        if printed:
            value = float(printed[-1][1]) * UNIT_SECONDS[printed[-1][2].lower()]
        else:
            keyed = _KEYED_SECONDS.search(text)
            if keyed is None:
                return
            value = float(keyed[2]) * UNIT_SECONDS[keyed[1].lower()]
        timed = Timed(what=activity, seconds=source.with_value(value), after_stop=False, reads_data=reads)
        yield Duration(line=source.line or 0, timed=timed)

    def _reads(self, activity: Activity, text: str) -> str:
        """What the activity reads, as far as this or an earlier line says."""
        said = ""
        if _NO_DATA.search(text):
            said = "none"
        elif _SELF_DATA.search(text):
            said = "self-generated"
        elif _TRAIN_DATA.search(text):
            said = "train"
        if activity in {Activity.CALIBRATION, Activity.GENERATION, Activity.QUANTISATION}:
            self._calibration_reads = said or self._calibration_reads
        if activity is Activity.CALIBRATION:
            return said or self._calibration_reads
        if activity in {Activity.COMPRESSION, Activity.DECOMPRESSION}:
            return "none"
        return said or "unknown"


def _sizes(source: Sourced[str], text: str) -> Iterator[Event]:
    seen: set[str] = set()
    for what, pattern in _SIZES:
        if what in seen:
            continue
        match = pattern.search(text)
        if match is None:
            continue
        seen.add(what)
        value = int(match[2].replace(",", "").replace("_", ""))
        label = (match[1] or "").strip(" _-:()")
        yield Size(
            line=source.line or 0, size=SizeLine(what=what, label=label, size_bytes=source.with_value(value))
        )


def _counters(source: Sourced[str], text: str) -> Iterator[Event]:
    prefix = _COUNTER_PREFIX.match(text)
    if prefix is None:
        return
    for count, match in enumerate(_COUNTER.finditer(text, prefix.end())):
        if count >= COUNTERS_PER_LINE:
            return
        yield Counter(key=f"{prefix[1]}.{match[1]}", value=source.with_value(int(match[2])))
