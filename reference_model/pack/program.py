"""The trainer of a configuration as one script, in the form asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import reference_model
from reference_model.pack.baked import BAKED_MODULE, baked_text
from reference_model.pack.bundle import Baked, Bundle, pack
from reference_model.pack.minify import minified
from reference_model.pack.self_extracting import self_extracting
from reference_model.pack.switches import switches_of

if TYPE_CHECKING:
    from reference_model.config import Config

ENTRY = "reference_model.packed_entry:main"
FIRST_PARTY = ("reference_model", "harness")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedProgram:
    """The text of `train_gpt.py` and what it was made of."""

    text: str
    bundle: Bundle

    @property
    def code_bytes(self) -> int:
        """What the file counts as code."""
        return len(self.text.encode())


def packed_program(config: Config, *, minify: bool = False, extracts_itself: bool = False) -> PackedProgram:
    """The script that trains `config`; raises PackError when a module cannot be bundled."""
    root = Path(reference_model.__file__).parent.parent
    opening = (
        f"Trains the {config.name} configuration of golf-harness on its own: torch, numpy, sentencepiece.\n\n"
        "Written by `python -m reference_model pack`; change the modules it was made of, not this file.\n"
    )

    bundle = pack(
        ENTRY,
        root=root,
        first_party=FIRST_PARTY,
        switches=switches_of(config),
        baked=Baked(module=BAKED_MODULE, text_for=lambda switches: baked_text(config, switches)),
        opening=opening,
    )
    text = minified(bundle.text) if minify else bundle.text
    return PackedProgram(text=self_extracting(text) if extracts_itself else text, bundle=bundle)
