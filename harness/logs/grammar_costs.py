"""What a run spent and counted: named durations and integer counters."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.logs.events import Counter, Duration
from harness.logs.grammar_sizes import size_events
from harness.logs.grammar_training import seconds
from harness.logs.training_log import Timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.finding import Sourced
    from harness.logs.events import Event


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
            (
                r"artifact[-_ ](?:production|creation)|export (?:complete|done|took)"
                r"|post[-_ ]train(?:ing)? (?:total|time)"
            ),
        ),
        (Activity.PREQUANT_TTT, r"pre[-_ ]?quant[-_ ]?(?:adamw[-_ ]?)?ttt|ttt[-_ ]pre[-_ ]?quant|\bpqt\b"),
        (
            Activity.GENERATION,
            (
                r"(?:generat|sampl)\w{0,12}\W.{0,80}(?:seq|token|calib|sample|text)|autoregressive"
                r"|\bar[-_ ]self|self[-_ ]?gen"
            ),
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
    r"budget_?check|reserv|remaining|deadline|\blimit|\bcap\b|estimat|projected|expected|\beta\b"
    r"|compressed\+saved|\[\s{0,6}\d{1,9}/\d|\bstarting\b|\bwill\b|\bmax_|\bb\d{1,9}/\d"
    r"|\b(?:chunk|epoch|batch|step|iter|c)[ :=_]\d"
    r"|\b\d{1,9}/\d{1,9}\b|total_eval|heartbeat|breakdown|:start\b|progress"
)
_SELF_DATA = re.compile(
    r"self[-_ ]?gen|autoregress|generated|\bar[-_ ](?:calib|data|self)|model[-_ ]generated|sampled from"
)
_TRAIN_DATA = re.compile(
    r"train(?:ing)?[-_ ](?:data|set|shards?|batch|loader|tokens|stream)|from (?:the )?train"
    r"|calibration batches"
)
_NO_DATA = re.compile(r"random tokens|no val data|synthetic|dummy|random data")
_DATA_WORDS = re.compile(r"calib|hessian|gptq|generat|warm")

# "beginning TTT eval timer" ... "total_eval_time:506.3s": what is timed between is inside, whatever its name.
_TIMER_STARTS = re.compile(r"\b(?:begin|start)\w{0,6}\b[\w :-]{0,30}\beval\w{0,8}[ _]timer\b")
_TIMER_ENDS = re.compile(r"\btotal[_ ]eval\w{0,8}[_ ]?time\b")

_COUNTER_PREFIX = re.compile(r"\s{0,8}(?:\[)?([A-Za-z][\w.-]{0,60})\]?:")
_COUNTER = re.compile(r"(?<![\w.])([a-z_]\w{0,60})=(\d{1,18})(?![\d.\w])")
COUNTERS_PER_LINE = 60


class Costs:
    """Reads cost lines; remembers what calibration was last said to read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._data: dict[Activity, str] = {}
        self._eval_timer_runs = False

    def watch_eval_timer(self, text: str) -> None:
        """Keep whether the evaluation timer runs: it is announced on a line without numbers."""
        lowered = text[:200].lower()
        if _TIMER_STARTS.search(lowered):
            self._eval_timer_runs = True
        elif _TIMER_ENDS.search(lowered):
            self._eval_timer_runs = False

    def events(self, source: Sourced[str], lowered: str, *, scored: bool, trained: bool) -> Iterator[Event]:
        """Sizes, durations and counters of one line."""
        lowered = lowered[:2000]
        yield from size_events(source, lowered)
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
            value = seconds(printed[1] or printed[3], printed[2] or printed[4])
        elif keyed is not None:
            value = seconds(keyed[2], keyed[1])
        timed = Timed(
            what=activity,
            seconds=source.with_value(value),
            after_stop=False,
            reads_data=self._reads(activity, text),
            inside_eval_timer=self._eval_timer_runs,
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


def _counters(source: Sourced[str], text: str) -> Iterator[Event]:
    prefix = _COUNTER_PREFIX.match(text)
    if prefix is None:
        return
    for count, match in enumerate(_COUNTER.finditer(text, prefix.end())):
        if count >= COUNTERS_PER_LINE:
            return
        yield Counter(key=f"{prefix[1]}.{match[1]}", value=source.with_value(int(match[2])))
