"""Chooses the script a submission is judged by, from the names and texts of its Python files.

Of 2,518 folders in 1,845 pull requests 2,221 hold a train_gpt.py at the top, 102 exactly one other script,
44 several, 19 only nested ones; the rest hold none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRY_NAME = "train_gpt.py"

# What a training script has and a helper has not; each counts one.
_TRAINING_FACTS = {
    "imports torch or mlx": re.compile(r"^\s*(?:import|from)\s+(?:torch|mlx)\b|[,;]\s*torch\b", re.MULTILINE),
    "has a main guard": re.compile(r"__name__\s*==\s*['\"]__main__['\"]"),
    "reads its settings": re.compile(r"\bargparse\b|os\.environ"),
    "logs its own size": re.compile(r"__file__.{0,200}(?:read|stat)|[Cc]ode size", re.DOTALL),
    "steps an optimizer": re.compile(r"\.step\(|optimizer", re.IGNORECASE),
    "scores bits per byte": re.compile(r"val_bpb|bpb\b"),
    "unpacks itself": re.compile(r"\bexec\(.{0,80}(?:decompress|decode)", re.DOTALL),
}
# Packed rows name the wrapper so and leave the readable scripts beside it.
_PACKED_NAME = "submission.py"
_RUNS_TEXT = re.compile(r"\bexec\(")
_SIDE_SCRIPT = re.compile(
    r"^(?:prepare|download|tokenize|build|make|pack|plot|analy[sz]e|test|conftest|setup|smoke|check|verify|"
    r"bench|sweep|run_sweep|export|convert|launch|modal|eval)(?:[_\d]|\.|$)|_test\.py$",
    re.IGNORECASE,
)
_SIDE_PENALTY = 6
_IMPORTED_PENALTY = 10
# A lead smaller than this over the second candidate is worth a person's look.
_CLEAR_LEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A Python file that might be the entry. `text` is "" when it could not be read."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The entry's path (None: there is none), why it was chosen, and what is wrong with the choice."""

    path: str | None
    why: str
    problem: str = ""  # "" | no-script | ambiguous-entry | empty-entry
    message: str = ""


def choose_entry(scripts: Sequence[Script], other_paths: Sequence[str] = ()) -> Choice:
    """The entry among the folder's Python files; `other_paths` only serve the explanation of an absence."""
    if not scripts:
        return _no_script(other_paths)
    filled = [script for script in scripts if script.text.strip()]
    named = [script for script in scripts if script.path == ENTRY_NAME] or [
        script for script in scripts if script.path.lower() == ENTRY_NAME
    ]
    if named and named[0] in filled:
        return Choice(path=named[0].path, why=f"{named[0].path} at the top of the folder")
    if named:
        return _instead_of_empty(named[0], filled)
    if not filled:
        return _empty(scripts[0])
    return _by_place(filled)


def _empty(script: Script) -> Choice:
    return Choice(
        path=script.path,
        why=f"{script.path}, which holds nothing but white space",
        problem="empty-entry",
        message=f"{script.path} holds no code, so nothing can be said about what was run; commit the script.",
    )


def _instead_of_empty(empty: Script, filled: Sequence[Script]) -> Choice:
    if not filled:
        return _empty(empty)
    instead = _by_place(filled)
    return Choice(
        path=instead.path,
        why=f"{instead.path} in place of the empty {empty.path}: {instead.why}",
        problem="empty-entry",
        message=f"{empty.path} holds no code; {instead.path} was read in its place. "
        f"Commit the script that was run as {ENTRY_NAME}.",
    )


def _by_place(filled: Sequence[Script]) -> Choice:
    top = [script for script in filled if "/" not in script.path]
    if len(top) == 1:
        return Choice(path=top[0].path, why=f"{top[0].path} is the only script at the top of the folder")
    if top:
        return _ranked(top, "at the top of the folder")
    nested = [script for script in filled if PurePosixPath(script.path).name.lower() == ENTRY_NAME]
    shallowest = min((script.path.count("/") for script in nested), default=0)
    nested = [script for script in nested if script.path.count("/") == shallowest]
    if len(nested) == 1:
        return Choice(path=nested[0].path, why=f"{nested[0].path} is the only {ENTRY_NAME}, in a subfolder")
    if nested:
        return _ranked(nested, f"named {ENTRY_NAME} in subfolders")
    if len(filled) == 1:
        return Choice(path=filled[0].path, why=f"{filled[0].path} is the only script of the folder")
    return _ranked(filled, "in subfolders")


def _ranked(scripts: Sequence[Script], where: str) -> Choice:
    wrapped = [one for one in scripts if one.path == _PACKED_NAME and _RUNS_TEXT.search(one.text)]
    if wrapped and len(wrapped[0].text) < min(len(one.text) for one in scripts if one is not wrapped[0]):
        return Choice(path=_PACKED_NAME, why=f"{_PACKED_NAME} {where} unpacks and runs the others")
    scored = sorted(
        ((_score(script, scripts), script.path, script) for script in scripts),
        key=lambda one: (-one[0], -len(one[2].text), one[1]),
    )
    (best, path, script), (second, runner_up, _) = scored[:2]
    facts = ", ".join(training_facts(script.text)) or "none of the marks of a training script"
    why = f"{path} of {len(scripts)} scripts {where}: {facts}"
    if best - second >= _CLEAR_LEAD:
        return Choice(path=path, why=why)
    return Choice(
        path=path,
        why=why,
        problem="ambiguous-entry",
        message=f"{len(scripts)} scripts {where} and no {ENTRY_NAME}: {path} was read, {runner_up} looks as "
        f"much like the training script. Name the script that was run {ENTRY_NAME}.",
    )


def training_facts(text: str) -> tuple[str, ...]:
    """The marks of a training script that a text shows, in words."""
    return tuple(name for name, pattern in _TRAINING_FACTS.items() if pattern.search(text))


def _score(script: Script, scripts: Sequence[Script]) -> int:
    name = PurePosixPath(script.path).name
    stem = PurePosixPath(script.path).stem
    score = len(training_facts(script.text))
    if name.lower().startswith("train"):
        score += 3
    if stem.lower() in {"train_gpt", "submission", "train", "main"}:
        score += 2
    if "mlx" in stem.lower():
        score -= 1  # beside a CUDA script it is the local copy
    if _SIDE_SCRIPT.search(name):
        score -= _SIDE_PENALTY
    if any(_imports(other.text, stem) for other in scripts if other is not script):
        score -= _IMPORTED_PENALTY
    return score


def _imports(text: str, stem: str) -> bool:
    return bool(
        re.search(
            rf"^\s*(?:from\s+\.?{re.escape(stem)}\s+import|import\s+{re.escape(stem)}\b)", text, re.MULTILINE
        )
    )


def _no_script(other_paths: Sequence[str]) -> Choice:
    notebooks = [path for path in other_paths if path.lower().endswith(".ipynb")]
    shell = [path for path in other_paths if path.lower().endswith(".sh")]
    if notebooks:
        seen = (
            f"only {'a notebook' if len(notebooks) == 1 else f'{len(notebooks)} notebooks'} ({notebooks[0]})"
        )
    elif shell:
        seen = f"only shell scripts ({shell[0]})"
    else:
        seen = f"no Python file among {len(other_paths):,} files"
    return Choice(
        path=None,
        why=seen,
        problem="no-script",
        message=f"the folder holds {seen}; the code that was run must be in it. Commit it as {ENTRY_NAME}.",
    )
