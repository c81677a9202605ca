"""Header lines: seed, machine, software, data, model and hyperparameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.log_events import Fact, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.finding import Sourced
    from harness.log_events import Event

# name, rank (lower wins), pattern. A pattern is tried only on lines that hold its key word.
_FACTS: tuple[tuple[str, int, str, re.Pattern[str]], ...] = tuple(
    (name, rank, word, re.compile(pattern, re.IGNORECASE))
    for name, rank, word, pattern in (
        ("seed", 0, "seed", r"^\s*(?:SEED|random_seed)\s*[:=]\s*(\d{1,10})\s*$"),
        ("seed", 1, "seed", r"^[\s=#*>\[-]*(?:(?:running|run|training|starting|start|begin)\s+)?(?:with\s+)?"
                            r"seed[\s:=#]+(\d{1,10})(?=[\s=#*\])/,:-]|$)"),
        ("seed", 2, "seed", r"(?:^|[\s,{'\"(])SEED['\"]?\s*[:=]\s*(\d{1,10})\b"),
        ("seed", 2, "ws:", r"\bws:\d+ ga:\d+ s:(\d+)"),
        ("world_size", 0, "world", r"\bworld[_ ]size\s*[:=]\s*(\d{1,5})\b"),
        ("world_size", 1, "ws:", r"\bws:(\d{1,5})\b"),
        ("world_size", 2, "nproc", r"--nproc[_-]per[_-]node[= ](\d{1,5})\b"),
        ("world_size", 3, "gpus", r"\b(?:num_gpus|n_gpus|gpus)\s*[:=]\s*(\d{1,3})\b"),
        ("torch_version", 0, "torch", r"(?:Running )?(?:PyTorch|torch(?:_version)?)[ :=v]{1,3}(\d+\.\d+[\w.+]*)"),
        ("python_version", 0, "python", r"\bPython[ :=v]{1,3}(\d+\.\d+\.\d+)"),
        ("wallclock_cap_seconds", 0, "wallclock", r"\bmax_wallclock(?:_seconds|_s)?\s*[:=]\s*(\d{1,7}(?:\.\d+)?)"),
        ("gptq_reserve_seconds", 0, "gptq", r"\bgptq_reserve(?:_seconds|_s)?\s*[:=]\s*(\d{1,5}(?:\.\d+)?)\s*(?:s\b|$)"),
        ("gptq_reserve_seconds", 0, "gptq", r"\bgptq_reserve_(?:ms)\s*[:=]\s*(\d{1,7}(?:\.\d+)?ms|\d{1,7}(?:\.\d+)?)"),
        ("gptq_reserve_seconds", 1, "gptq", r"\bgptq:\s?reserving\s*(\d{1,7}(?:\.\d+)?\s?m?s)"),
        ("train_shards", 0, "shard", r"\btrain_shards\s*[:=]\s*(\d{1,7})\b"),
        ("train_shards", 1, "shard", r"\b(?:num_|n_)?(?:train(?:ing)? )?shards\s*[:=]\s*(\d{1,7})\b"),
        ("val_tokens", 0, "token", r"\bval(?:idation)?[_ ]tokens\s*[:=]\s*(\d[\d,_]{0,15})\b"),
        ("val_tokens", 1, "val_loader", r"\bval_loader:.{0,400}?\btokens:(\d{1,12})\b"),
        ("data_path", 0, "train_files", r"\btrain_files\s*[:=]\s*'?([^\s,']{1,400})"),
        ("data_path", 1, "datasets_dir", r"\bdatasets_dir\s*[:=]\s*'?([^\s,']{1,400})"),
        ("data_path", 2, "val_loader", r"\bval_loader:.{0,80}?\bpattern=([^\s,']{1,400})"),
        ("data_path", 3, "data", r"\bdata_(?:path|dir)\s*[:=]\s*'?([^\s,']{1,400})"),
        ("data_path", 4, "dataset", r"\btrain_loader:dataset:(\S{1,200})"),
        ("model_params", 0, "model_param", r"\bmodel_param(?:eter)?s\s*[:=]\s*(\d[\d,_]{0,15})\b"),
        ("model_params", 1, "param", r"(?:^|\btotal |\bnum_|\bn_|\bmodel )param(?:eter)?s?\s*[:=]\s*(\d[\d,_]{3,15})\b"),
        ("peak_memory_mib", 0, "memory", r"\bpeak (?:gpu )?memory(?: allocated)?:\s*(\d{1,8})(?:\.\d+)? ?MiB"),
        ("run_id", 0, "logs/", r"^\s*(?:logfile\s*[:=]\s*)?(?:\S{0,200}/)?logs?/([\w.-]{1,200})\.(?:txt|log)\s*$"),
        ("run_id", 1, "run_id", r"\brun_id\s*[:=]\s*'?([\w./-]{1,200})"),
        ("started_at", 0, "torch", r"^[WIE](\d{4} \d\d:\d\d:\d\d(?:\.\d+)?).{0,120}torch/"),
        ("started_at", 1, " 20", r"^(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) ((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
                               r" +\d+ \d\d:\d\d:\d\d(?: \w+)? \d{4})"),
        ("started_at", 2, "started", r"\bstart(?:ed)?(?:_at|ed on|ed)?\b[^\d]{0,20}(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)"),
    )
)  # fmt: skip
_KEY_WORDS = re.compile(
    "|".join(sorted({re.escape(word) for _, _, word, _ in _FACTS} - {r"\ 20"}))
    + r"|gpu|device|^(?:sun|mon|tue|wed|thu|fri|sat) |^\\|"
)
_SHARDS_OF = re.compile(r"\bshards?\s*[:=]?\s*(\d{1,6})\s?/\s?(\d{1,6})", re.IGNORECASE)
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
_CALL = re.compile(
    r"(?:\w{0,40}(?:Hyperparameters|Namespace|Config|Args)|args|config)\s{0,2}[:=]?\s{0,2}([({])",
    re.IGNORECASE,
)
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
        yield from self._settings(source, text)
        if not _KEY_WORDS.search(lowered):
            return
        for name, rank, word, pattern in _FACTS:
            if word in lowered:
                match = pattern.search(text)
                if match is not None:
                    yield Fact(name=name, value=source.with_value(match[1]), rank=rank)
        if "shard" in lowered:
            match = _SHARDS_OF.search(text)
            if match is not None:
                yield Fact(name="train_shards", value=source.with_value(match[1]), rank=1)
        yield from self._gpu(source, text, lowered)

    def _gpu(self, source: Sourced[str], text: str, lowered: str) -> Iterator[Event]:
        if text[0] == "|":
            row = _GPU_ROW.match(text)
            if row is not None:
                yield Fact(name="gpu_row", value=source.with_value(row[1]))
                yield Fact(name="gpu_name", value=source.with_value(row[2]))
        elif "gpu" in lowered or "device" in lowered:
            named = _GPU_NAMED.search(text)
            model = _GPU_NAME.search(named[1]) if named else None
            if model is not None:
                yield Fact(name="gpu_name", value=source.with_value(model[0].strip()), rank=1)

    def _settings(self, source: Sourced[str], text: str) -> Iterator[Event]:
        if _BLOCK_START.match(text):
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
        call = _CALL.search(text, 0, 120) if "(" in text or "{" in text else None
        if call is not None or (text[0] == "{" and '":' in text):
            yield from _pairs(source, text[call.end() if call else 1 :], in_dump=True)
        elif _PAIRS_LINE.match(text, 0, 1000):
            yield from _pairs(source, text[:1000], in_dump=False)


def _pairs(source: Sourced[str], text: str, *, in_dump: bool) -> Iterator[Event]:
    for count, match in enumerate(_PAIR.finditer(text)):
        if count >= MOST_SETTINGS_PER_LINE:
            return
        yield Setting(key=match[1], value=source.with_value(match[2].strip("'\"")), in_dump=in_dump)
