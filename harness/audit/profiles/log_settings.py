"""What a log says about the settings of its run, and its lines as witnesses.

Settings are dumps the log reader knows, the command line a log shows, and any `name: value` in any layout
whose name the script itself reads from the environment. Only numbers and truth values count as attributes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.audit.profiles.launches import is_known, launches_in
from harness.audit.profiles.shell_commands import Shell
from harness.audit.run_profile import LONGEST_LOG_LINE, MOST_LOG_LINES, Setting
from harness.finding import Sourced
from harness.logs.grammar_training import plain_step
from harness.logs.text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.audit.profiles.launches import Launch
    from harness.logs.text import LogLine
    from harness.logs.training_log import Run

LOG_BYTES = 24 * 2**20  # as the reader of logs takes in
_SAME_SHAPE = 3  # lines kept that differ in their numbers only: the first two and the last one
_LONGEST_SCANNED = 8_000

# A name of the script's own input: what it looks up in the environment or takes as an option, and what it
# keeps such a value as.
_INPUT_NAME = re.compile(
    r"""(?:environ(?:\.get)?|getenv|env\w{0,20}|add_argument)\s{0,4}[(\[]\s{0,8}['"](?:--)?([A-Za-z][\w-]{1,60})['"]"""
    r"""|['"]([A-Z][A-Z0-9]{0,30}_[A-Z0-9_]{1,60})['"]"""
    r"""|(?:^|[\s;])([A-Za-z_]\w{1,60})\s?(?::\s?\w{1,20}\s?)?=[^=\n;]{0,60}(?:environ|getenv)"""
)
# A value ends its line or stands before another pair: "full_gptq: 66 layers" is a sentence, no setting.
_PAIR = re.compile(
    r"""(?<![\w./-])['"]?([A-Za-z_]\w{2,60})['"]?\s{0,30}(?:[:=|]|\s\|)\s{0,30}['"]?"""
    r"""(-?\d{1,18}(?:\.\d{0,18})?(?:[eE][-+]?\d{1,3})?|True|False|true|false)"""
    r"""(?=['"]?\s{0,30}(?:,(?!\d)|[;|)}\]]|$|[A-Za-z_]\w{1,60}\s?[:=]))"""
)
_PLAIN_VALUE = re.compile(r"-?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,3})?|[Tt]rue|[Ff]alse")
# Facts of the machine, not of the configuration: another number of GPUs has its own.
_MACHINE = frozenset(
    {
        "rank", "local_rank", "global_rank", "node_rank", "world_size", "local_world_size", "distributed",
        "master_process", "is_main_process", "is_master", "main_process", "device", "grad_accum_steps",
        "num_gpus", "n_gpus", "gpus", "nproc_per_node", "master_port", "omp_num_threads", "seed_everything",
    }
)  # fmt: skip
_COMMAND_LINE = re.compile(
    r"(?:^|[\s:$+>'\"])((?:[A-Za-z_]\w{0,60}=\S{0,300}\s+){0,200}(?:env\s+)?(?:torchrun|python[\d.]*)\s.+)$"
)
_DIGITS = re.compile(r"\d+")


@dataclass(slots=True)
class LogFacts:
    """Settings and witness lines of one run in a log."""

    environment: dict[str, Setting] = field(default_factory=dict)
    attributes: dict[str, Setting] = field(default_factory=dict)
    launch: Launch | None = None
    lines: tuple[tuple[int, str], ...] = ()


def input_names(texts: Iterable[str]) -> frozenset[str]:
    """The names the scripts take as input, in lower case and with underscores."""
    found = (name for text in texts for names in _INPUT_NAME.findall(text) for name in names if name)
    return frozenset(name.lower().replace("-", "_") for name in found)


def read_log_lines(path: str, data: bytes) -> tuple[LogLine, ...]:
    """The log's lines as the log reader sees them: no prefixes, no script dumps."""
    return read_text(path, data, len(data)).lines


def facts_of(run: Run, lines: Sequence[LogLine], entry: str, inputs: frozenset[str]) -> LogFacts:
    """What the run's part of the log says; `lines` may be empty when the file is not at hand."""
    facts = LogFacts()
    for key, value in run.hyperparameters.items():
        if key.lower() in inputs:
            _take(facts, key, value.value, run.file, value.line or run.first_line)
    witness: list[tuple[int, str]] = []
    found: dict[str, dict[str, int]] = {}
    shapes: dict[str, int] = {}
    for line in lines:
        text = line.text.rstrip()
        if not text.strip():
            continue
        witness.append((line.number, text[:LONGEST_LOG_LINE]))
        if plain_step(Sourced(text, run.file, line.number, "")) is not None:
            continue  # a step prints no settings; as a witness a few of thousands stay
        shape = _DIGITS.sub("0", text[:LONGEST_LOG_LINE])
        shapes[shape] = shapes.get(shape, 0) + 1
        if shapes[shape] > _SAME_SHAPE:
            continue  # progress lines: their first values show whether a name changes
        _scan(found, text[:_LONGEST_SCANNED], line.number, inputs)
        if facts.launch is None and ".py" in text and ("torchrun" in text or "python" in text):
            facts.launch = _launch_shown(run.file, line, entry)
    for key, values in found.items():
        # A name printed with several values changes while the script runs: it is no setting.
        if len(values) == 1 and key not in facts.attributes and key not in facts.environment:
            value_text, number = next(iter(values.items()))
            _take(facts, key, value_text, run.file, number)
    facts.lines = distinct_lines(witness)
    return facts


def lines_of_run(lines: Sequence[LogLine], run: Run, runs: Sequence[Run]) -> list[LogLine]:
    """The lines of a run: from the end of the run before it in the file to the start of the next one."""
    before = max((one.last_line for one in runs if one.last_line < run.first_line), default=0)
    after = min((one.first_line for one in runs if one.first_line > run.last_line), default=None)
    return [line for line in lines if line.number > before and (after is None or line.number < after)]


def distinct_lines(lines: Iterable[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    """Distinct lines, at most `MOST_LOG_LINES`; of those alike but for numbers the first two and the last."""
    shapes: dict[str, list[tuple[int, str]]] = {}
    for number, text in lines:
        known = shapes.setdefault(_DIGITS.sub("0", text), [])
        if len(known) < _SAME_SHAPE:
            known.append((number, text))
        else:
            known[-1] = (number, text)
    kept = sorted((line for group in shapes.values() for line in group), key=lambda line: line[0])
    seen: set[str] = set()
    distinct = []
    for number, text in kept:
        if text not in seen:
            seen.add(text)
            distinct.append((number, text))
    if len(distinct) > MOST_LOG_LINES:
        half = MOST_LOG_LINES // 2  # results stand at the end, settings at the start
        distinct = distinct[:half] + distinct[-half:]
    return tuple(distinct)


def _take(facts: LogFacts, key: str, value: str, file: str, line: int) -> None:
    """A printed setting: capitals name the environment, anything else an attribute."""
    value = value.strip().strip("'\"")
    if key.lower() in _MACHINE or not is_known(value):
        return
    setting = Setting(value=value, source=f"{file}:{line}", file=file, line=line)
    if _PLAIN_VALUE.fullmatch(value) is None:
        return
    if key.isupper():
        facts.environment.setdefault(key, setting)
    else:
        facts.attributes.setdefault(key, setting)


def _scan(found: dict[str, dict[str, int]], text: str, number: int, inputs: frozenset[str]) -> None:
    for match in _PAIR.finditer(text):
        key = match[1]
        if key.lower() in inputs:
            values = found.setdefault(key, {})
            if len(values) < 2:
                values.setdefault(match[2], number)


def _launch_shown(file: str, line: LogLine, entry: str) -> Launch | None:
    """The command a log shows (`+ A=1 torchrun ... train_gpt.py`)."""
    match = _COMMAND_LINE.search(line.text[:_LONGEST_SCANNED])
    if match is None:
        return None
    shell = Shell(file=file, first_line=line.number)
    shell.read(match[1])
    launches = launches_in(shell.commands, entry)
    return launches[0] if len(launches) == 1 else None
