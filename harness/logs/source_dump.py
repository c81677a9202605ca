"""Scripts printed into a log, cut out before any grammar sees their f-strings and defaults.

Three layouts occur (870 of 3,006 logs): the source, then a rule of '='; "Source code:" between two
rules; the source alone. The second kind of line count is the log's: a dump keeps its range.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from harness.logs.training_log import SourceDump

if TYPE_CHECKING:
    from harness.logs.text import LogLine

_RULE = re.compile(r"={40,}\s*$")
_TITLE = re.compile(r"(?:={1,200} {0,4})?source code {0,4}:? {0,4}(?:={1,200})?\s*$", re.IGNORECASE)
_OPENING = re.compile(
    r"(?:from __future__ import|import [A-Za-z_]\w*|from [\w.]{1,80} import "
    r"|#!/|\"\"\"|'''|# \S|exec\(|code\s?=)"
)
_CODE = re.compile(
    r"(?:import [A-Za-z_]\w*|from [\w.]{1,80} import |def \w+\(|class \w+|@\w|if __name__|exec\("
    r"|[A-Z_]{3,40} = )"
)
_MAIN_GUARD = re.compile(r"if __name__\s*==")
_ONE_LINER = re.compile(r"(?:import |exec\().*\bexec\(|exec\(\w{0,40}\.?\w{0,40}\(|import \w+.{0,80};")
_LOG_START = re.compile(
    r"(?:logs/\S+\.(?:txt|log)|Running (?:Python|PyTorch)|Hyperparameters:|world_size:\d|seed:\d|step:\d"
    r"|train_loader:|val_loader:|val_bpb:enabled|model_params:\d|\d+/\d+ (?:train|val)_loss"
    # Results, which no line of Python starts with: a "script" that goes on to them ended before.
    r"|stopping_early: |(?:Serialized model|Code size|Total submission size)\b[^\n]{0,80}: \d"
    r"|final_\w{1,80} val_loss:\d)"
)
# Lines looked at to tell a script from prose, and code lines wanted among them.
LOOK_AHEAD = 80
CODE_LINES = 3


def cut_dumps(path: str, lines: list[LogLine]) -> tuple[list[LogLine], list[SourceDump]]:
    """Separate scripts from log lines; both keep their line numbers."""
    outline = _Outline(lines)
    kept: list[LogLine] = []
    dumps: list[SourceDump] = []
    index = 0
    while index < len(lines):
        body = _dump_at(lines, index, outline)
        if body is None:
            kept.append(lines[index])
            index += 1
            continue
        start, end, after = body
        if end > start:
            first, last = lines[start].number, lines[end - 1].number
            text = "\n".join(line.text for line in lines[start:end]) + "\n"
            dumps.append(SourceDump(file=path, first_line=first, last_line=last, text=text))
        index = max(after, index + 1)
    return kept, dumps


class _Outline:
    """Where code and log headers stand, found in one pass so that looking ahead costs no second one."""

    def __init__(self, lines: list[LogLine]) -> None:
        self.code: list[int] = []
        self.one_liners: list[int] = []
        self.breaks: list[int] = []
        quoted = False  # inside a docstring a rule may be an underline
        for index, (_, text) in enumerate(lines):
            if '"""' in text:
                quoted ^= bool(text.count('"""') % 2)
            if _LOG_START.match(text) or (not quoted and _RULE.match(text)):
                self.breaks.append(index)
            elif _CODE.match(text):
                self.code.append(index)
                if _ONE_LINER.match(text):
                    self.one_liners.append(index)

    def script_follows(self, start: int) -> bool:
        """True when enough lines of code stand between `start` and the next header or rule."""
        after = bisect_left(self.breaks, start)
        end = min(start + LOOK_AHEAD, self.breaks[after] if after < len(self.breaks) else start + LOOK_AHEAD)
        if bisect_left(self.code, end) - bisect_left(self.code, start) >= CODE_LINES:
            return True
        return bisect_left(self.one_liners, end) > bisect_left(self.one_liners, start)


def _dump_at(lines: list[LogLine], index: int, outline: _Outline) -> tuple[int, int, int] | None:
    """(start, end, where the log goes on) of a dump that begins at `index`, or None."""
    text = lines[index].text
    if not text or text[0] in " \t0123456789":
        return None
    if text[0] in "sS=" and _TITLE.match(text):
        start = index + 1
        while start < len(lines) and (not lines[start].text.strip() or _RULE.match(lines[start].text)):
            start += 1
        return (start, *_end_of_script(lines, start)) if outline.script_follows(start) else None
    if _OPENING.match(text) and outline.script_follows(index):
        return (index, *_end_of_script(lines, index))
    return None


def _end_of_script(lines: list[LogLine], start: int) -> tuple[int, int]:
    """(end of the script, where the log goes on): a rule, the end of the main guard, or a log header."""
    quoted = False  # inside a docstring a rule may be an underline
    guarded = False
    for index in range(start, len(lines)):
        text = lines[index].text
        if not text:
            continue
        if text[0] == "=" and _RULE.match(text) and not quoted:
            return index, index + 1
        if _LOG_START.match(text):
            return index, index
        if guarded and text[0] not in " \t#)]}" and not _CODE.match(text):
            return index, index
        if _MAIN_GUARD.match(text):
            guarded, quoted = True, False
        elif text.count('"""') % 2:
            quoted = not quoted
    return len(lines), len(lines)
