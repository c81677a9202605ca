"""Removes what an untrusted command left, however deep, closed or strangely named it is.

For folders of runs whose processes are all dead: nothing here guards against somebody who goes on writing.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(root: Path) -> None:
    """Remove the folder `root` with everything in it; links are removed, not followed. None there is fine.

    Raises `OSError` where something cannot be removed.
    """
    with suppress(FileNotFoundError):
        try:
            shutil.rmtree(root)
        except (OSError, RecursionError):
            _remove_level_by_level(root)


def _remove_level_by_level(root: Path) -> None:
    """Each folder found is moved right below `root` before it is looked into: no path is ever long."""
    mark, moved = secrets.token_hex(8), 0
    top = os.open(root, _FOLDER)
    try:
        pending = ["."]
        while pending:
            name = pending.pop()
            folder = os.open(name, _FOLDER, dir_fd=top)
            try:
                os.fchmod(folder, 0o700)
                with os.scandir(folder) as entries:
                    found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
                for inner, is_folder in found:
                    if not is_folder:
                        os.unlink(inner, dir_fd=folder)
                    else:
                        os.chmod(inner, 0o700, dir_fd=folder)
                        moved += 1
                        os.rename(inner, f"{mark}{moved}", src_dir_fd=folder, dst_dir_fd=top)
                        pending.append(f"{mark}{moved}")
            finally:
                os.close(folder)
            if name != ".":
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    root.rmdir()
