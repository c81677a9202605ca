"""Lines with a validation score: which pass, what kind, how long, how many digits.

Patterns read lower-cased text; labels keep the original letters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.logs.events import Event, Fact, Score, Step, Stop
from harness.logs.grammar_training import seconds
from harness.logs.training_log import EvalPass, PassKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.finding import Sourced

# Columns looked at; a line with more than this many scores is a dump of something else.
REACH = 4_000
MOST_SCORES_PER_LINE = 16
LABEL_CHARACTERS = 120
# The worst printable score: 8 bits per byte is a uniform guess, untrained models print up to 13.
HIGHEST_BPB = 100.0

# The name of a score ends in "bpb": val_bpb, mix_bpb, "Quantized BPB", val_bpb_exact, "BPB (no XSA)".
_BPB = re.compile(
    r"(?<![a-z0-9])((?:[a-z0-9]{1,24}[_-]){0,5}?(?:bpb|bits[ _-]per[ _-]byte)(?:_[a-z0-9]{1,16}){0,3})"
    r"(?:\s{0,4}\([^()\n]{0,40}\))?['\"`*]{0,3}\s{0,24}(?:[:=|]|is|->|→)?\s{0,24}[`*~]{0,3}"
    r"(\d{1,3}\.(\d{1,17}))(?![\d%])"
)
_LOSS = re.compile(
    r"(?<![a-z0-9])(?:(?:[a-z0-9]{1,24}_){0,4}?val(?:idation)?_?loss(?:_[a-z0-9]{1,16}){0,2}"
    r"|val[ _]nll|vloss|vl)"
    r"['\"]?\s{0,8}[:=]?\s{0,8}(\d{1,4}\.(\d{1,17}))"
)
_PLAIN_LOSS = re.compile(r"(?<!\w)(?:loss|nll|nats)['\"]?\s{0,4}[:=]\s{0,4}(\d{1,4}\.(\d{1,17}))")
_UNIT = r"(ms|seconds|secs?|s|min|m)(?![\w/=:.])"
_TIME = re.compile(
    r"(?:\b(?:total_)?(?:eval_time|eval_seconds|eval_s|eval|elapsed|time|t|wall|wallclock|duration|seconds)"
    r"\s{0,2}[:=]\s{0,2}|\b(?:in|took|after)\s|\(\s?)(\d{1,9}(?:\.\d{1,9})?)\s?" + _UNIT
)
_TIME_WITH_UNIT_IN_KEY = re.compile(
    r"\b(?:eval_time|eval|elapsed|time|duration)_(ms|s|sec|seconds)\s{0,2}[:=]\s{0,2}(\d{1,9}(?:\.\d{1,9})?)"
)
_TOTAL_EVAL = re.compile(
    r"(?:[\w-]{1,30}[: ]\s?)?(total_eval_time|total_eval|total eval(?:uation)? time"
    r"|eval(?:uation)?[ _]time(?:[ _]total)?|final_eval_time|eval_(?:wall_)?(?:seconds|elapsed))"
    r"(?:_?(ms|s|sec|seconds))?(?:\s?\((ms|s|sec|seconds)\))?"
    r"['\"]?\s{0,12}[:=]\s{0,12}(\d{1,9}(?:\.\d{1,9})?)\s?(ms|seconds|secs?|s|min|m)?(?![\w/])"
)
_BLOCK_TIME = re.compile(
    r"(?:(?:ttt|slot|eval|evaluation|elapsed)?[ _]?(?:time|elapsed|seconds)(?:_(s|ms|seconds))?)"
    r"['\"]?\s{0,12}[:=]\s{0,12}(\d{1,9}(?:\.\d{1,9})?)\s?(ms|seconds|secs?|s|min|m)?(?![\w/])"
)
_STEP = re.compile(r"\bstep\s?[:=_]?\s?(\d{1,9})\b")

# A counted pass of the baseline family, whatever parameters its line prints.
_HEADLINE = re.compile(r"(?:final|legal|quantized|submission)\w*(?:\s|$)")
# Running values inside a pass: "[3/9]", "chunk 3/9", "b3/9", "12.5%)", "running_bpb".
_PROGRESS = re.compile(
    r"\[\s{0,6}\d[\d.]{0,12}\s?[/%]|\bb\d{1,9}/\d|\brb:|\d\s?%\s?[|)\]]"
    r"|\bc(?:hunk)?[ :=_]{0,2}\d{1,9}\s?/\s?\d|\b(?:running|cum|cumulative|batch|chunk|sample)_?(?:bpb|val)"
    r"|\brun_bpb|\bso far\b|\bprogress\b|\beta\b"
    r"|\b(?:chunk|window|batch|doc|epoch|trial|grid|block|shard)s?[ :=_#]{1,2}\d"
)
_COUNT_OF = re.compile(r"\d{1,12}\s?/\s?\d{1,12}")
# Values printed for comparison that were never the counted score of 1,310 seed claims, save five PRs'.
_DIAGNOSTIC = re.compile(
    r"diagnostic|\bdiag\b|_diag\b|pre[-_ ]?quant|post[-_ ]?prequant|\braw\b|\braw_|baseline|\bmean\b|\bmean_"
    r"|average of|\bstd\b|delta|improve|\bgain|\bgap\b|_gap\b|\bdiff|degradation|penalty|\btarget\b|\bsota\b"
    r"|leaderboard|reference|previous|\bworst|\bvs\b|compared|post[-_ ]?(?:ema|swa)\b|^(?:ema|swa)(?:[_ :]|$)"
    r"|\busing (?:ema|swa)|\bfp32\b|\bbf16\b|\bfp16\b|unquantized|non[-_ ]?quant|\bbefore\b|_before\b"
    r"|pre[-_ ]?(?:ttt|ema|gptq|export|compress|codebook|slot|swa|avg)|train_bpb|teacher|oracle|ceiling"
    r"|threshold|expected|\bsaving|contribution|_search\b|search:|sweep|ablation|candidate|rerefine|\bprobe"
    r"|neural_only|nn_only"
    r"|best_ckpt|snapshot|checkpoint|[δ]"
)
# A tag in brackets that calls the line a diagnostic, wherever on it the tag stands.
_DIAGNOSTIC_TAG = re.compile(
    r"[\[(<](?:[^\[\]()<>\n]{0,24}[ :_-])?(?:diag(?:nostics?)?|debug|pre[-_ ]?quant\w{0,10}|not counted)"
    r"(?:[ :_-][^\[\]()<>\n]{0,24})?[\])>]"
)
# "seed 42 ..." heads a line of a summary over several runs.
_SEED_SUMMARY = re.compile(r"seeds?[ :=_#]{0,2}\d")


class Scores:
    """Reads score lines; remembers whether the line before was a score."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._after_score = False

    def events(self, source: Sourced[str], lowered: str, trained: Sequence[Event]) -> Iterator[Event]:
        """Score events of one line, or the evaluation time where it stands on a line of its own."""
        has_score = "bpb" in lowered or "bits" in lowered
        if "eval" in lowered or (self._after_score and not has_score):
            yield from self._times(source, lowered, has_score)
        if not has_score:
            return
        found = list(_BPB.finditer(lowered, 0, REACH))[:MOST_SCORES_PER_LINE]
        if not found or any(isinstance(event, Stop) for event in trained):
            return
        step = next((event.step for event in trained if isinstance(event, Step)), None)
        self._after_score = step is None
        yield from _scores(source, lowered, found, step)

    def _times(self, source: Sourced[str], lowered: str, has_score: bool) -> Iterator[Event]:
        text = lowered.lstrip(" \t-*|#>'\"")
        total = _TOTAL_EVAL.match(text, 0, 300)
        if total is not None:
            unit = total[5] or total[2] or total[3] or "s"
            value = str(seconds(total[4], unit))
            is_total = "total" in total[1]
            if is_total or not has_score:
                name = "total_eval_seconds" if is_total else "eval_seconds"
                yield Fact(name=name, value=source.with_value(value))
        elif self._after_score and not has_score:
            block = _BLOCK_TIME.match(text, 0, 100)
            if block is not None and (block[1] or block[3]):
                value = str(seconds(block[2], block[3] or block[1]))
                yield Fact(name="eval_seconds", value=source.with_value(value), rank=1)


def _scores(source: Sourced[str], text: str, found: list[re.Match[str]], step: int | None) -> Iterator[Score]:
    losses = list(_LOSS.finditer(text, 0, REACH)) or list(_PLAIN_LOSS.finditer(text, 0, REACH))
    first = min([found[0].start(), *(loss.start() for loss in losses[:1])])
    prefix = source.value[:first].strip(" \t:|=-*#>,([{\"'")[-LABEL_CHARACTERS:]
    time = _printed_seconds(text, found[0].start())
    for index, match in enumerate(found):
        name = match[1]
        value = float(match[2])
        if not 0.0 < value < HIGHEST_BPB:
            continue
        plain = name == "val_bpb" or (name == "bpb" and prefix)
        label = prefix if plain else f"{prefix} {source.value[match.start(1) : match.end(1)]}".strip()
        loss = _loss_of(match, found, losses, index)
        yield Score(
            line=source.line or 0,
            score=EvalPass(
                label=label,
                kind=_kind(text, label.lower(), step),
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
    return losses[0] if len(found) == 1 and len(losses) == 1 else None


def _printed_seconds(text: str, score_at: int) -> float | None:
    """The duration on an evaluation line, seconds; one after the score wins over one before it."""
    times = list(_TIME.finditer(text, 0, REACH))
    if times:
        time = next((time for time in times if time.start() >= score_at), times[0])
        return seconds(time[1], time[2])
    keyed = _TIME_WITH_UNIT_IN_KEY.search(text, 0, REACH)
    return seconds(keyed[2], keyed[1]) if keyed else None


def _printed_step(text: str) -> int | None:
    step = _STEP.search(text, 0, 400)
    return int(step[1]) if step else None


def _kind(text: str, label: str, step: int | None) -> PassKind:
    if step is not None:
        return PassKind.IN_TRAINING
    if _DIAGNOSTIC.search(label) or _DIAGNOSTIC_TAG.search(text, 0, 600) or _SEED_SUMMARY.match(label):
        return PassKind.DIAGNOSTIC
    if _HEADLINE.match(label) and not _COUNT_OF.search(label):
        return PassKind.FINAL
    if _COUNT_OF.search(label) or _PROGRESS.search(text, 0, 600):
        return PassKind.PROGRESS
    if _STEP.search(label):
        return PassKind.IN_TRAINING
    return PassKind.FINAL
