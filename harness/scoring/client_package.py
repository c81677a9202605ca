"""Writes `golf_scoring`, the package through which a submission hands in its scores, into a folder.

It is put on PYTHONPATH of an evaluation: the submission needs nothing of this repository.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import SetupError

PACKAGE = "golf_scoring"
_MODULES = ("client.py", "wire.py")
_INIT = '''"""The submission's end of an evaluation whose score the evaluator computes; see `client`."""

from .client import Scoring, ScoringError, open_scoring

__all__ = ["Scoring", "ScoringError", "open_scoring"]
'''


def write_client_package(folder: Path) -> Path:
    """Make `folder`/golf_scoring; returns `folder`. Raises `SetupError` when it cannot be written."""
    package = folder / PACKAGE
    here = Path(__file__).resolve().parent
    try:
        package.mkdir(parents=True)
        for name in _MODULES:
            shutil.copyfile(here / name, package / name)
        (package / "__init__.py").write_text(_INIT, encoding="utf-8")
        for path in (folder, package, *package.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)  # whatever our umask: another user imports it
    except OSError as error:
        raise SetupError(
            f"{package}: the scoring client cannot be written ({error.strerror}); free space there"
        ) from error
    return folder
