"""Scripts printed into a log, cut out before any grammar sees their f-strings and defaults.

Three layouts occur (870 of 3,006 logs): the source, then a rule of '='; "Source code:" between two
rules; the source alone. The second kind of line count is the log's: a dump keeps its range.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.training_log import SourceDump

if TYPE_CHECKING:
    from harness.log_text import LogLine

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
    r"|train_loader:|val_loader:|val_bpb:enabled|model_params:\d|\d+/\d+ (?:train|val)_loss)"
)
# Lines looked at to tell a script from prose, and code lines wanted among them.
LOOK_AHEAD = 80
CODE_LINES = 4


def cut_dumps(path: str, lines: list[LogLine]) -> tuple[list[LogLine], list[SourceDump]]:
    """Separate scripts from log lines; both keep their line numbers."""
    kept: list[LogLine] = []
    dumps: list[SourceDump] = []
    index = 0
    while index < len(lines):
        body = _dump_at(lines, index)
        if body is None:
            kept.append(lines[index])
            index += 1
            continue
        start, end, after = body
        if end > start:
            text = "\n".join(line.text for line in lines[start:end]) + "\n"
            dumps.append(
                SourceDump(
                    file=path, first_line=lines[start].number, last_line=lines[end - 1].number, text=text
                )
            )
        index = max(after, index + 1)
    return kept, dumps


def _dump_at(lines: list[LogLine], index: int) -> tuple[int, int, int] | None:
    """(start, end, where the log goes on) of a dump that begins at `index`, or None."""
    text = lines[index].text
    if not text or text[0] in " \t":
        return None
    if text[0] in "sS=" and _TITLE.match(text):
        start = index + 1
        while start < len(lines) and (not lines[start].text.strip() or _RULE.match(lines[start].text)):
            start += 1
        return (start, *_end_of_script(lines, start)) if _looks_like_script(lines, start) else None
    if _OPENING.match(text) and _looks_like_script(lines, index):
        return (index, *_end_of_script(lines, index))
    return None


def _looks_like_script(lines: list[LogLine], start: int) -> bool:
    found = 0
    for line in lines[start : start + LOOK_AHEAD]:
        if _LOG_START.match(line.text):
            return False
        if _RULE.match(line.text):
            return False
        if _ONE_LINER.match(line.text):
            return True
        found += _CODE.match(line.text) is not None
        if found >= CODE_LINES:
            return True
    return False


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
