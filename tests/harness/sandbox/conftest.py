"""Every sandbox this machine can have, and marks on processes that tell whether one outlived its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.sandbox.sandboxes import MAKERS, sandbox_here

if TYPE_CHECKING:
    from pathlib import Path

    from harness.sandbox.request import Sandbox


@pytest.fixture(params=[name for name in MAKERS if name != "none"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return sandbox_here(request.param)


@pytest.fixture(params=list(MAKERS))
def any_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """`none` too: for what holds even without protection."""
    return sandbox_here(request.param)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A writable folder that a sandbox user can reach."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
