"""The configuration that a packed script trains; `python -m reference_model pack` writes this module anew.

As it stands here it is the baseline of the challenge with nothing baked in.
"""

from __future__ import annotations

from reference_model.config import Config

BAKED_CONFIG = Config()

BAKED_SWITCHES: tuple[str, ...] = ()
"""Settings whose other branches the script does not contain, as `group.field`."""
