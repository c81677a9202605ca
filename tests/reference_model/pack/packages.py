"""Small packages that tests pack, and a process that runs the result."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

from reference_model.pack.bundle import Bundle, pack
from reference_model.pack.switches import Switches

if TYPE_CHECKING:
    from pathlib import Path


def packed(
    root: Path, modules: dict[str, str], *, entry: str = "app.start:main", switches: Switches | None = None
) -> Bundle:
    """The bundle of a package `app` made of `modules` (name below `app` -> text)."""
    for name, text in {"__init__": "", **modules}.items():
        path = root.joinpath("app", *name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    chosen = switches if switches is not None else Switches(values={}, groups={})
    return pack(entry, root=root, first_party=("app",), switches=chosen)


def output(text: str, folder: Path) -> str:
    """What the script prints when it runs alone."""
    script = folder / "script.py"
    script.write_text(text)
    command = [sys.executable, "-I", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert not done.stderr, done.stderr
    return done.stdout
