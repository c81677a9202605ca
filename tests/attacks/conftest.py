from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.attacks.whole_runs import Victim


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    """Runs hostile submissions; skips where golf-run itself does not work."""
    if not sys.platform.startswith("linux"):
        pytest.skip("golf-run runs on Linux")
    pytest.importorskip("inotify_simple", reason="golf-run needs the extra run")
    from tests.attacks.whole_runs import Victim

    return Victim(tmp_path / "machine")
