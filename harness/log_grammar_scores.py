"""Lines with a validation score: which pass, what kind, how long, how many digits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.log_events import Event, Fact, Score, Step, Stop
from harness.log_grammar_training import UNIT_SECONDS
from harness.training_log import EvalPass, PassKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.finding import Sourced

# The name of a score ends in "bpb" ("val_bpb", "mix_bpb", "Quantized BPB", "val_bpb_exact").
_BPB = re.compile(
    r"(?<![A-Za-z0-9])((?:[A-Za-z0-9]{1,24}[_-]){0,5}?(?:bpb|bits[ _-]per[ _-]byte)(?:_[A-Za-z0-9]{1,16}){0,3})"
    r"(?:\s?\([^()\n]{0,40}\))?['\"`*]{0,3}\s{0,24}(?:[:=|]|is|->|→)?\s{0,24}[`*~≈]{0,3}(\d{1,3}\.(\d{1,17}))(?![\d%])",
    re.IGNORECASE,
)
_LOSS = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:[A-Za-z0-9]{1,24}_){0,4}?val_?loss(?:_[A-Za-z0-9]{1,16}){0,2}|val[ _]nll|vloss)['\"]?\s{0,8}[:=]?\s{0,8}(\d{1,4}\.(\d{1,17}))",
    re.IGNORECASE,
)
_PLAIN_LOSS = re.compile(
    r"(?<![\w])(?:loss|nll|nats)['\"]?\s{0,4}[:=]\s{0,4}(\d{1,4}\.(\d{1,17}))", re.IGNORECASE
)
_TIME = re.compile(
    r"(?:\b(?:total_)?(?:eval_time|eval_seconds|eval_s|eval|elapsed|time|took|t|wall|wallclock|duration|seconds)\s{0,2}[:=]?\s{0,2}|\bin\s|\(\s?)"
    r"(\d{1,9}(?:\.\d{1,9})?)\s{0,2}(ms|seconds|secs?|s|min|m)(?![\w/])",
    re.IGNORECASE,
)
_TIME_KEY_UNIT = re.compile(
    r"\b(?:eval_time|eval|elapsed|time|duration)_(ms|s|sec|seconds)\s{0,2}[:=]\s{0,2}(\d{1,9}(?:\.\d{1,9})?)",
    re.IGNORECASE,
)
_TOTAL_EVAL = re.compile(
    r"\b(total_eval_time|total_eval|total eval(?:uation)? time|eval(?:uation)?[ _]time(?:[ _]total)?|final_eval_time"
    r"|eval_(?:wall_)?(?:seconds|elapsed))(?:_?(ms|s|sec|seconds))?(?:\s?\((ms|s|sec|seconds)\))?\s{0,12}[:=]\s{0,12}(\d{1,9}(?:\.\d{1,9})?)\s?(ms|seconds|secs?|s|min|m)?(?![\w/])",
    re.IGNORECASE,
)
_STEP = re.compile(r"\bstep\s?[:=]?\s?(\d{1,9})\b", re.IGNORECASE)

# Running values inside a pass.
_PROGRESS = re.compile(
    r"\[\s{0,6}\d{1,9}\s?/\s?\d{1,9}|\bc(?:hunk)?s?[ :=_]{0,2}\d{1,9}\s?/\s?\d|\bb\d{1,9}/\d|\brb:|\d\s?%\||\b(?:batch|doc|docs|window|windows"
    r"|tokens?|seq|seqs|epoch|ep|phase|pos|block|shard|segment|progress|file|scored)(?:es)?[ :=_#]{0,3}\d{1,12}\s?/\s?\d|\(\s?\d{1,3}(?:\.\d{1,3})?\s?%\s?[),]"
    r"|\brunning_?(?:bpb|val)|_chunk\b|\bcumulative\b|\bcum_?bpb|\bso far\b|\b(?:chunk|window|batch|doc|epoch|trial|grid|alpha|lr)[ :=_#]{1,2}\d|\bprogress\b|\d\s?%\s?[|)\]]"
    r"|^\s{0,8}\d{1,9}\s?/\s?\d{1,9}\b|\bETA\b",
    re.IGNORECASE,
)
# Values that are printed for comparison and were never the counted score (evidence: 1,310 seed claims).
_DIAGNOSTIC = re.compile(
    r"diagnostic|pre[-_ ]?quant|post[-_ ]?prequant|\braw\b|raw_|baseline|\bmean\b|mean_|average of|\bstd\b|delta|Δ|improve|gain|\bgap\b|_gap"
    r"|\bdiff|degradation|penalty|target|sota|leaderboard|record\b|merged|\bbest so|reference|previous|\bvs\.? |compared|(?<![a-z])post[-_ ]?(?:ema|swa)\b|\bfp32\b|\bbf16\b|\bfp16\b"
    r"|unquantized|non[-_ ]?quant|before[-_ ]|pre[-_ ]?(?:ttt|ema|gptq|export|compress|slot|swa)|train_bpb|teacher|oracle|ceiling|\bbudget\b|threshold|expected|claim|saving|contribution|cost",
    re.IGNORECASE,
)
_NOT_DIAGNOSTIC = re.compile(r"pre[-_ ]?quant[-_ ]?ttt[-_ ]?(?:final|result)", re.IGNORECASE)
LABEL_CHARACTERS = 120


class Scores:
    """Reads score lines; remembers whether training has stopped."""

    def __init__(self, file: str) -> None:
        self.file = file

    def events(self, source: Sourced[str], trained: Sequence[Event]) -> Iterator[Event]:
        """Score events of one line, or the total evaluation time."""
        text = source.value
        lowered = text.lower()
        if "eval" in lowered:
            total = _TOTAL_EVAL.search(text, 0, 600)
            if total is not None:
                unit = total[5] or total[2] or total[3] or "s"
                value = str(float(total[4]) * UNIT_SECONDS[unit.lower()])
                name = "total_eval_seconds" if "total" in total[1].lower() else "eval_seconds"
                if name == "total_eval_seconds" or "bpb" not in lowered:
                    yield Fact(name=name, value=source.with_value(value))
        if "bpb" not in lowered and "per" not in lowered:
            return
        found = list(_BPB.finditer(text, 0, 4000))
        if not found or any(isinstance(event, Stop) for event in trained):
            return
        step = next((event.step for event in trained if isinstance(event, Step)), None)
        yield from _scores(source, text, found, step)


def _scores(source: Sourced[str], text: str, found: list[re.Match[str]], step: int | None) -> Iterator[Score]:
    losses = list(_LOSS.finditer(text, 0, 4000)) or list(_PLAIN_LOSS.finditer(text, 0, 4000))
    first = min([found[0].start(), *(loss.start() for loss in losses[:1])])
    prefix = text[:first].strip(" \t:|=-*#>,([{\"'")[-LABEL_CHARACTERS:]
    time = printed_seconds(text, found)
    for index, match in enumerate(found):
        name = match[1].lower()
        value = float(match[2])
        if not 0.0 < value < 100.0:
            continue
        own_label = (
            prefix if name == "val_bpb" or (name == "bpb" and prefix) else f"{prefix} {match[1]}".strip()
        )
        loss = _loss_of(match, found, losses, index)
        yield Score(
            line=source.line or 0,
            score=EvalPass(
                label=own_label,
                kind=_kind(text, own_label, name, step),
                val_bpb=source.with_value(value),
                val_loss=source.with_value(float(loss[1])) if loss else None,
                seconds=source.with_value(time) if time is not None else None,
                step=step if step is not None else _printed_step(text),
                digits=len(match[3]),
                loss_digits=len(loss[2]) if loss else 0,
            ),
        )


def _loss_of(
    match: re.Match[str], found: list[re.Match[str]], losses: list[re.Match[str]], index: int
) -> re.Match[str] | None:
    """The loss printed beside a score: the nearest before it, else the only one of the line."""
    floor = found[index - 1].end() if index else 0
    before = [loss for loss in losses if floor <= loss.start() < match.start()]
    if before:
        return before[-1]
    if len(found) == 1 and len(losses) == 1:
        return losses[0]
    return None


def printed_seconds(text: str, found: list[re.Match[str]]) -> float | None:
    """The duration on an evaluation line, seconds; the one after the score wins over one before it."""
    times = list(_TIME.finditer(text, 0, 4000))
    if times:
        after = [time for time in times if time.start() >= found[0].start()]
        time = (after or times)[0]
        return float(time[1]) * UNIT_SECONDS[time[2].lower()]
    keyed = _TIME_KEY_UNIT.search(text, 0, 4000)
    return float(keyed[2]) * UNIT_SECONDS[keyed[1].lower()] if keyed else None


def _printed_step(text: str) -> int | None:
    step = _STEP.search(text, 0, 400)
    return int(step[1]) if step else None


def _kind(text: str, label: str, name: str, step: int | None) -> PassKind:
    if step is not None:
        return PassKind.IN_TRAINING
    if _PROGRESS.search(text, 0, 600) and "exact" not in label:
        return PassKind.PROGRESS
    if _DIAGNOSTIC.search(label) or _DIAGNOSTIC.search(name):
        return PassKind.DIAGNOSTIC
    return PassKind.FINAL
