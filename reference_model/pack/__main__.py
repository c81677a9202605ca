"""`python -m reference_model.pack`, the same as `python -m reference_model pack`."""

from __future__ import annotations

import sys

from reference_model.pack.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
