from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.attacks.dynamic.audited_runs import AuditedMachine


@pytest.fixture
def audited(tmp_path: Path) -> AuditedMachine:
    """Makes the first run of an audit; skips where the dynamic audit itself does not work."""
    if not sys.platform.startswith("linux"):
        pytest.skip("sandboxes are of Linux")
    pytest.importorskip("torch", reason="the dynamic audit needs the extra model")
    from tests.attacks.dynamic.audited_runs import AuditedMachine

    return AuditedMachine(tmp_path / "machine")
