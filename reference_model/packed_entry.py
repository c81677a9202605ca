"""Where a packed `train_gpt.py` starts: its baked-in configuration under the environment's settings.

`script_entry` says which variables steer it. A variable that asks for a technique whose code was left out of
the script is refused before anything else happens.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from reference_model.baked_configuration import BAKED_CONFIG, BAKED_SWITCHES
from reference_model.config import ConfigError
from reference_model.config_overrides import configured
from reference_model.exit_status import exit_status_of
from reference_model.script_entry import run_script

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reference_model.config import Config


def main() -> int:
    """Run the script; returns its exit status."""
    try:
        refuse_other_switches(BAKED_CONFIG, BAKED_SWITCHES, os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return exit_status_of(error)
    return run_script(BAKED_CONFIG, Path(__file__).read_text(encoding="utf-8"))


def refuse_other_switches(baked: Config, switches: Sequence[str], environ: Mapping[str, str]) -> None:
    """Raise ConfigError where the environment asks for a branch that the script does not hold.

    `switches` are `group.field`. Of numbers and lists only "zero or empty" is baked in, of others the value.
    """
    config = configured(baked, environ=environ)
    for path in switches:
        group, _, name = path.partition(".")
        old, new = getattr(getattr(baked, group), name), getattr(getattr(config, group), name)
        if (old is not new) if isinstance(old, Enum) else (bool(old) is not bool(new)):
            fields = {each.name: each for each in dataclasses.fields(getattr(baked, group))}
            told = [str(getattr(value, "value", value)) for value in (new, old)]
            raise ConfigError(
                f"{fields[name].metadata['env']} asks for {path} = {told[0]}; this script was packed with "
                f"{told[1]} and does not hold the other code. Unset it, or pack again with --set {path}=..."
            )
