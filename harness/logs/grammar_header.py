"""Header lines: seed, machine, software, data, model and hyperparameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.logs.events import Fact, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.finding import Sourced
    from harness.logs.events import Event

# Key word, name, rank, pattern: a pattern is tried only on lines with its key word; the lower rank wins.
_FACTS: dict[str, list[tuple[str, int, re.Pattern[str]]]] = {}
for _word, _name, _rank, _pattern in (
    ("seed", "seed", 0, r"^\s*(?:SEED|random_seed)\s*[:=]\s*(\d{1,10})\s*$"),
    (
        "seed",
        "seed",
        1,
        (
            r"^[\s=#*>\[-]{0,120}(?:(?:running|run|training|starting|start|begin)\s{1,4})?(?:with\s{1,4})?"
            r"seed[\s:=#]{1,8}(\d{1,10})(?=[\s=#*\])/,:-]|$)"
        ),
    ),
    ("seed", "seed", 2, r"(?:^|[\s,{'\"(])SEED['\"]?\s{0,4}[:=]\s{0,4}(\d{1,10})\b"),
    ("ws:", "seed", 2, r"\bws:\d+ ga:\d+ s:(\d+)"),
    ("world", "world_size", 0, r"\bworld[_ ]size['\"]?\s{0,4}[:=]\s{0,4}(\d{1,5})\b"),
    ("ws:", "world_size", 1, r"\bws:(\d{1,5})\b"),
    ("nproc", "world_size", 2, r"--nproc[_-]per[_-]node[= ](\d{1,5})\b"),
    ("gpus", "world_size", 3, r"\b(?:num_gpus|n_gpus|gpus)['\"]?\s{0,4}[:=]\s{0,4}(\d{1,3})\b"),
    (
        "torch",
        "torch_version",
        0,
        r"(?:Running )?(?:PyTorch|torch(?:_version)?)[ :=v]{1,3}(\d+\.\d+[\w.+]{0,40})",
    ),
    ("python", "python_version", 0, r"\bPython[ :=v]{1,3}(\d+\.\d+\.\d+)"),
    (
        "wallclock",
        "wallclock_cap_seconds",
        0,
        r"\bmax_wallclock(?:_seconds|_s)?['\"]?\s{0,4}[:=]\s{0,4}(\d{1,7}(?:\.\d+)?)",
    ),
    (
        "gptq",
        "gptq_reserve_seconds",
        0,
        r"\bgptq_reserve(?:_seconds|_s)?\s{0,4}[:=]\s{0,4}(\d{1,5}(?:\.\d+)?)(?:\s{0,2}s\b|\s*$)",
    ),
    ("gptq", "gptq_reserve_seconds", 0, r"\bgptq_reserve_ms\s{0,4}[:=]\s{0,4}(\d{1,7}(?:\.\d+)?ms)"),
    ("gptq", "gptq_reserve_seconds", 1, r"\bgptq:\s?reserving\s{0,4}(\d{1,7}(?:\.\d+)?\s?m?s)"),
    ("shard", "train_shards", 0, r"\btrain_shards\s{0,4}[:=]\s{0,4}(\d{1,7})\b"),
    ("shard", "train_shards", 1, r"\b(?:num_|n_)?(?:train(?:ing)? )?shards\s{0,4}[:=]\s{0,4}(\d{1,7})\b"),
    ("shard", "train_shards", 1, r"\bshards?\s{0,4}[:=]?\s{0,4}(\d{1,6})\s?/\s?\d{1,6}"),
    ("token", "val_tokens", 0, r"\bval(?:idation)?[_ ]tokens\s{0,4}[:=]\s{0,4}(\d[\d,_]{0,15})\b"),
    ("val_loader", "val_tokens", 1, r"\bval_loader:.{0,400}?\btokens:(\d{1,12})\b"),
    ("device", "processor", 0, r"^device\s?[:=]\s?(cpu\b.{0,120}?)\s*$"),
    ("train_files", "data_path", 0, r"\btrain_files\s{0,4}[:=]\s{0,4}'?([^\s,']{1,400})"),
    ("data", "data_path", 1, r"\bdatasets_dir\s{0,4}[:=]\s{0,4}'?([^\s,']{1,400})"),
    ("val_loader", "data_path", 2, r"\bval_loader:.{0,80}?\bpattern=([^\s,']{1,400})"),
    ("data", "data_path", 3, r"\bdata_(?:path|dir)\s{0,4}[:=]\s{0,4}'?([^\s,']{1,400})"),
    ("data", "data_path", 4, r"\btrain_loader:dataset:(\S{1,200})"),
    ("param", "model_params", 0, r"\bmodel_param(?:eter)?s\s{0,4}[:=]\s{0,4}(\d[\d,_]{0,15})\b"),
    (
        "param",
        "model_params",
        1,
        r"(?:^|\btotal |\bnum_|\bn_|\bmodel )param(?:eter)?s?\s{0,4}[:=]\s{0,4}(\d[\d,_]{3,15})\b",
    ),
    (
        "memory",
        "peak_memory_mib",
        0,
        r"\bpeak (?:gpu )?memory(?: allocated)?:\s{0,4}(\d{1,8})(?:\.\d+)? ?MiB",
    ),
    (
        "logs/",
        "run_id",
        0,
        r"^\s{0,8}(?:logfile\s{0,4}[:=]\s{0,4})?(?:\S{0,200}/)?logs?/([\w.-]{1,200})\.(?:txt|log)\s{0,8}$",
    ),
    ("run_id", "run_id", 1, r"\brun_id['\"]?\s{0,4}[:=]\s{0,4}['\"]?([\w./-]{1,200})"),
    ("torch", "started_at", 0, r"^[WIE](\d{4} \d\d:\d\d:\d\d(?:\.\d+)?).{0,120}torch/"),
    (
        " 20",
        "started_at",
        1,
        (
            r"^(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) "
            r"((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d+ \d\d:\d\d:\d\d(?: \w+)? \d{4})"
        ),
    ),
    (
        "started",
        "started_at",
        2,
        r"\bstarted(?:_at| on)?\b[^\d]{0,20}(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)",
    ),
):
    _FACTS.setdefault(_word, []).append((_name, _rank, re.compile(_pattern, re.IGNORECASE)))
# No key word begins with another one, so that one pass finds them all.
_KEY_WORDS = re.compile("|".join(re.escape(word) for word in _FACTS) + r"|gpu(?!s)|device|^\|")
_GPU_ROW = re.compile(
    r"\|\s+(\d{1,3})\s+(\S.{0,60}?)\s+(?:On|Off|N/A)\s+\|\s+[0-9A-Fa-f]{2,8}:[0-9A-Fa-f:.]{4,16}"
)
_GPU_NAME = re.compile(
    r"\b(?:NVIDIA )?(?:H100|H200|A100|A800|H800|B200|GH200|RTX|L40S?|A6000|4090|5090)[\w -]{0,40}"
)
_GPU_NAMED = re.compile(
    r"\b(?:gpu(?:_name)?|device(?:_name)?|cuda device)\s*[:=]\s*(\S.{0,60})", re.IGNORECASE
)

_BLOCK_START = re.compile(r"(?:[-=\s]*)Hyperparameters(?:\s*:|\s*-+)?[-=\s]*$", re.IGNORECASE)
_BLOCK_LINE = re.compile(r"\s{1,8}([A-Za-z_][\w.]{0,80})\s*[:=]\s?(.{0,2000})$")
_CALL = re.compile(r"(?:hyperparameters|hparams|namespace|config|args)\s{0,2}[:=]?\s{0,2}([({])")
_PAIR = re.compile(
    r"""['"]?([A-Za-z_]\w{0,80})['"]?\s{0,2}[:=]\s{0,2}('[^']{0,400}'|"[^"]{0,400}"|[^\s,(){}]{1,400})"""
)
_PAIRS_LINE = re.compile(r"(?:[A-Za-z_]\w{0,60}[:=][^\s:=]{1,200}(?:\s+|$)){2,}$")
MOST_SETTINGS_PER_LINE = 600


class Header:
    """Reads header lines; remembers being inside a hyperparameter block."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.in_block = False

    def leave_block(self) -> None:
        """A line without any known word ends the block."""
        self.in_block = False

    def events(self, source: Sourced[str], lowered: str) -> Iterator[Event]:
        """Facts and settings of one line."""
        text = source.value
        yield from self._settings(source, text, lowered)
        words = set(_KEY_WORDS.findall(lowered))
        for word in words:
            for name, rank, pattern in _FACTS.get(word, ()):
                match = pattern.search(text)
                if match is not None:
                    # "seed 42: val_bpb ..." is a line of a summary and starts no run.
                    lowest = 2 if name == "seed" and "bpb" in lowered else 0
                    yield Fact(name=name, value=source.with_value(match[1]), rank=max(rank, lowest))
        if words & {"|", "gpu", "gpus", "device"}:
            yield from self._gpu(source, text)

    def _gpu(self, source: Sourced[str], text: str) -> Iterator[Event]:
        if text[0] == "|":
            row = _GPU_ROW.match(text)
            if row is not None:
                yield Fact(name="gpu_row", value=source.with_value(row[1]))
                yield Fact(name="gpu_name", value=source.with_value(row[2]))
        else:
            named = _GPU_NAMED.search(text)
            model = _GPU_NAME.search(named[1]) if named else None
            if model is not None:
                yield Fact(name="gpu_name", value=source.with_value(model[0].strip()), rank=1)

    def _settings(self, source: Sourced[str], text: str, lowered: str) -> Iterator[Event]:
        if len(text) < 200 and _BLOCK_START.match(text):
            self.in_block = True
            return
        if self.in_block:
            line = _BLOCK_LINE.match(text)
            if line is not None:
                yield Setting(key=line[1], value=source.with_value(line[2].strip()), in_dump=True)
                return
            if not text.startswith("==="):
                self.in_block = False
            if text.count("=") > 5 and not text.startswith("==="):
                yield from _pairs(source, text, in_dump=True)
                return
        call = _CALL.search(lowered, 0, 120) if "(" in text or "{" in text else None
        if call is not None or (text[0] == "{" and '":' in text):
            yield from _pairs(source, text[call.end() if call else 1 :], in_dump=True)
        elif _PAIRS_LINE.match(text, 0, 1000):
            yield from _pairs(source, text[:1000], in_dump=False)


def _pairs(source: Sourced[str], text: str, *, in_dump: bool) -> Iterator[Event]:
    for count, match in enumerate(_PAIR.finditer(text)):
        if count >= MOST_SETTINGS_PER_LINE:
            return
        yield Setting(key=match[1], value=source.with_value(match[2].strip("'\"")), in_dump=in_dump)
