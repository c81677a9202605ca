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
    (activity, re.compile(pattern))
    for activity, pattern in (
        (
            Activity.TOTAL,
            r"\btotal[-_ ](?:time|elapsed|wall|runtime)|elapsed[-_ ]total|phase:total|script_total",
        ),
        (
            Activity.ARTIFACT,
            r"artifact[-_ ](?:production|creation)|export (?:complete|done|took)|post[-_ ]train(?:ing)? (?:total|time)",
        ),
        (Activity.PREQUANT_TTT, r"pre[-_ ]?quant[-_ ]?(?:adamw[-_ ]?)?ttt|ttt[-_ ]pre[-_ ]?quant|\bpqt\b"),
        (
            Activity.GENERATION,
            r"(?:generat|sampl)\w{0,12}\W.{0,80}(?:seq|token|calib|sample|text)|autoregressive|\bar[-_ ]self|self[-_ ]?gen",
        ),
        (Activity.CALIBRATION, r"hessian|calib"),
        (
            Activity.NGRAM,
            r"n-?gram|\bhints?\b|_hints?\b|token_cache|bigram (?:table|count)|suffix|packed_cache",
        ),
        (
            Activity.DECOMPRESSION,
            r"decompress|deserial|dequant|load(?:ed|ing)? (?:quant|artifact|model|checkpoint)",
        ),
        (Activity.WARMUP, r"warm(?:ing)?[-_ ]?up|compil"),
        (Activity.QUANTISATION, r"gptq|quantiz|quantis|awq|prun|lqer|lattice|rounding"),
        (Activity.COMPRESSION, r"compress|lrzip|brotli|lzma|zstd|serializ|serialis|\bxz\b|pack(?:ed|ing)"),
        (Activity.AVERAGING, r"\b(?:swa|ema|soup|lawa|averag\w{0,6})\b"),
        (Activity.TTT, r"\bttt|test[-_ ]time|\bslot|\badapt"),
        (Activity.DATA, r"tokeniz|download|data[-_ ]?load|load(?:ed|ing) (?:data|val|train|shards)"),
    )
)
_UNIT = r"(ms|seconds|secs?|s|min|m)(?![\w/=:])"
_DURATION = re.compile(
    r"(?:\b(?:in|took|after|elapsed|time|done|duration|wall|wallclock|completed?|finished|overhead)\b"
    r"\s?[:=]?\s{0,3}\(?\s?|_(?:s|sec|seconds|time|elapsed|wallclock|warmup)\s?[:=]\s?|\(\s?|\bt\s?[:=]\s?)"
    r"(\d{1,9}(?:\.\d{1,9})?)\s?" + _UNIT + r"|[:=]\s?(\d{1,9}(?:\.\d{1,9})?)" + _UNIT
)
_UNIT_IN_KEY = re.compile(r"\w_(ms|s|sec|seconds)\s?[:=]\s?(\d{1,9}(?:\.\d{1,9})?)(?![\w/.])")
# Budgets, forecasts and running totals name seconds that this line's activity did not take.
_NOT_SPENT = re.compile(
    r"budget_?check|reserv|remaining|deadline|\blimit|\bcap\b|estimat|projected|expected|\beta\b|compressed\+saved"
    r"|\[\s{0,6}\d{1,9}/\d|\bstarting\b|\bwill\b|\bmax_|\bb\d{1,9}/\d|\b(?:chunk|epoch|batch|step|iter|c)[ :=_]\d"
    r"|\b\d{1,9}/\d{1,9}\b|total_eval|heartbeat|breakdown|:start\b|progress"
)
_SELF_DATA = re.compile(
    r"self[-_ ]?gen|autoregress|generated|\bar[-_ ](?:calib|data|self)|model[-_ ]generated|sampled from"
)
_TRAIN_DATA = re.compile(
    r"train(?:ing)?[-_ ](?:data|set|shards?|batch|loader|tokens|stream)|from (?:the )?train|calibration batches"
)
_NO_DATA = re.compile(r"random tokens|no val data|synthetic|dummy|random data")
_DATA_WORDS = re.compile(r"calib|hessian|gptq|generat|warm")

_NUMBER = r"(\d{1,3}(?:[,_]\d{3}){1,4}|\d{3,13})(?![\d.]|\s?(?:[mk]i?b\b|ms|tok))"
_SIZES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern + _NUMBER))
    for what, pattern in (
        ("total", r"\btotal submission(?: size)?\s{0,3}([^:=\n]{0,80}?)\s{0,3}[:=]\s{0,6}"),
        ("total", r"\b(?:budget|total)()\s?[:=]\s{0,2}(?=[\d,_]{6,13}\s?(?:/\s?\d{7,9}|bytes|b\b|\())"),
        (
            "total",
            r"(?<!\w)((?:\w{1,20}[ _+/-]){0,4}?)(?:total[ _]?(?:submission[ _]?|artifact[ _]?|file[ _]?)?(?:bytes|size)"
            r"|bytes_total|submission[ _](?:size|bytes)|artifact[ _](?:size|bytes|total)|total[ _]artifact|artifact)"
            r"(?:[ _](?:bytes|size))?(?:\s?\([^()\n]{0,24}\))?['\"]?\s{0,12}[:=]\s{0,12}",
        ),
        ("code", r"\bcode size\s{0,3}([^:=\n]{0,60}?)\s{0,3}[:=]\s{0,6}"),
        (
            "code",
            r"(?<!\w)()(?:code[ _]bytes|bytes_code|code[ _]?size|code|code snapshot size|script[ _](?:size|bytes))"
            r"['\"]?\s{0,12}[:=]\s{0,12}",
        ),
        ("model", r"\bserialized[ _]model[ _]{0,3}([^:=\n]{0,80}?)\s{0,3}[:=]\s{0,6}"),
        (
            "model",
            r"(?<!\w)((?:\w{1,20}[ _+/-]){0,3}?)(?:model[ _](?:size|bytes)|bytes_model|compressed[ _](?:model|size|bytes)"
            r"|(?:model|weights|blob)[ _]?(?:compressed|blob)?[ _](?:bytes|size)|\bmodel(?=\s?[:=]\s?\d{6,9}\b)"
            r"|\b(?:int\d|mixed)[\w+-]{0,40}(?=:\s?\d{6,9} bytes))(?:[ _]\w{1,12})?['\"]?\s{0,12}[:=]\s{0,12}",
        ),
    )
)
_SIZE_WORDS = re.compile(r"size|bytes|budget|code|total|artifact|serialized|\bb\b")

_COUNTER_PREFIX = re.compile(r"\s{0,8}(?:\[)?([A-Za-z][\w.-]{0,60})\]?:")
_COUNTER = re.compile(r"(?<![\w.])([a-z_]\w{0,60})=(\d{1,18})(?![\d.\w])")
COUNTERS_PER_LINE = 60


class Costs:
    """Reads cost lines; remembers what calibration was last said to read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._data: dict[Activity, str] = {}

    def events(self, source: Sourced[str], lowered: str, *, scored: bool, trained: bool) -> Iterator[Event]:
        """Sizes, durations and counters of one line."""
        lowered = lowered[:2000]
        if _SIZE_WORDS.search(lowered):
            yield from _sizes(source, lowered)
        if trained:
            return
        if "=" in lowered:
            yield from _counters(source, source.value[:2000])
        if not scored:
            yield from self._durations(source, lowered)

    def _durations(self, source: Sourced[str], text: str) -> Iterator[Event]:
        if _DATA_WORDS.search(text):
            self._note_data(text)
        printed = _DURATION.search(text)
        keyed = None if printed else _UNIT_IN_KEY.search(text)
        if printed is None and keyed is None:
            return
        activity = next((name for name, words in _ACTIVITIES if words.search(text)), None)
        if activity is None or _NOT_SPENT.search(text):
            return
        if printed is not None:
            value = float(printed[1] or printed[3]) * UNIT_SECONDS[printed[2] or printed[4]]
        elif keyed is not None:
            value = float(keyed[2]) * UNIT_SECONDS[keyed[1]]
        timed = Timed(
            what=activity,
            seconds=source.with_value(value),
            after_stop=False,
            reads_data=self._reads(activity, text),
        )
        yield Duration(line=source.line or 0, timed=timed)

    def _note_data(self, text: str) -> None:
        """Keep what the log says about the data of the activity that it announces."""
        said = _said(text)
        if said:
            kind = Activity.WARMUP if "warm" in text else Activity.CALIBRATION
            self._data[kind] = said

    def _reads(self, activity: Activity, text: str) -> str:
        """What the activity reads, as far as this or an earlier line says."""
        if activity in {Activity.COMPRESSION, Activity.DECOMPRESSION}:
            return "none"
        if activity is Activity.GENERATION:
            return "self-generated"
        return _said(text) or self._data.get(activity, "unknown")


def _said(text: str) -> str:
    if _NO_DATA.search(text):
        return "none"
    if _SELF_DATA.search(text):
        return "self-generated"
    return "train" if _TRAIN_DATA.search(text) else ""


def _sizes(source: Sourced[str], text: str) -> Iterator[Event]:
    seen: set[str] = set()
    total: int | None = None
    for what, pattern in _SIZES:
        if what in seen:
            continue
        match = pattern.search(text)
        if match is None:
            continue
        value = int(match[2].replace(",", "").replace("_", ""))
        if what == "model" and value == total:
            continue  # "Total submission size int8+zlib: N bytes" names the codec, not a model size
        seen.add(what)
        total = value if what == "total" else total
        label = source.value[match.start(1) : match.end(1)].strip(" _-:()")
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
