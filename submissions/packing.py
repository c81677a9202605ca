"""The `train_gpt.py` of a demo folder: our packer, with the imports of a ruled-out folder led elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reference_model.pack.baked import BAKED_MODULE, baked_text
from reference_model.pack.bundle import Baked, pack
from reference_model.pack.program import ENTRY, FIRST_PARTY
from reference_model.pack.source_edits import PackError
from reference_model.pack.switches import switches_of

if TYPE_CHECKING:
    from submissions.demo_folders import DemoFolder, Redirect

ROOT = Path(__file__).resolve().parent.parent

# A script that scores in the legal order can hand its scores in as it goes.
_PROTOCOL = """\
# How golf-run trains and evaluates this submission: two steps, each in a sandbox of its own.
# The evaluator hands out the validation tokens and computes the score.
artifact = ["final_model.ptz"]
scoring = true

[train]
command = ["train_gpt.py"]
env = { TRAIN_ONLY = "1" }

[evaluate]
command = ["train_gpt.py"]
env = { EVAL_ONLY = "{artifact}/final_model.ptz" }
"""


def packed_script(folder: DemoFolder) -> str:
    """The script in plain form; raises PackError when a module cannot be bundled."""
    config = folder.config
    opening = (
        f"{folder.title}: trains and scores at demonstration size.\n\n"
        + (f"RULED OUT, kept to test audits. {folder.breaks}\n\n" if folder.breaks else "")
        + "Written by `python -m submissions.build`; change the modules it was made of, not this file.\n"
    )
    return pack(
        ENTRY,
        root=ROOT,
        first_party=(*FIRST_PARTY, __package__),
        switches=switches_of(config),
        baked=Baked(module=BAKED_MODULE, text_for=lambda switches: baked_text(config, switches)),
        opening=opening,
        texts=_redirected_modules(folder.redirects),
    ).text


def protocol_text(folder: DemoFolder) -> str:
    """The folder's golf_run.toml; empty for one that is ruled out: it has no order to score in."""
    return "" if folder.breaks else _PROTOCOL


def _redirected_modules(redirects: tuple[Redirect, ...]) -> dict[str, str]:
    """Texts of the importing modules, with one import statement of each changed."""
    texts: dict[str, str] = {}
    for each in redirects:
        path = ROOT.joinpath(*each.importer.split(".")).with_suffix(".py")
        text = texts.get(each.importer) or path.read_text(encoding="utf-8")
        module, _, function = each.stand_in.partition(":")
        old = f"from {each.module} import {each.name}\n"
        if text.count(old) != 1:
            raise PackError(
                f"{each.importer} holds {text.count(old)} lines {old.strip()!r}, where one is to be led to "
                f"{each.stand_in}; adapt the redirect in submissions/demo_folders.py"
            )
        texts[each.importer] = text.replace(old, f"from {module} import {function} as {each.name}\n")
    return texts
