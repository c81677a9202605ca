"""The files a script would find when it runs: those of its submission, and what it wrote itself."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from harness.code.folded_values import FOLDER, CannotFoldError, Value, bounded, join


@dataclass(slots=True)
class FoldedFiles:
    """Nothing is read from a disk: `files` maps paths of the submission to bytes, None when not at hand.

    `read`, `wanted` (known, but not at hand) and `absent` list what the script asked for; `written` what it
    wrote, by path.
    """

    script: str
    files: dict[str, bytes | None]
    read: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    written: dict[str, Value] = field(default_factory=dict)

    def _in_submission(self, path: str) -> str | None:
        """The file of the submission a run would find under this path."""
        relative = path.removeprefix(FOLDER + "/")
        beside = join(posixpath.dirname(self.script), relative)
        for candidate in (relative, beside):
            if candidate in self.files:
                return candidate
        matches = [known for known in self.files if relative.endswith("/" + known)]
        return max(matches, key=len, default=None)

    def exists(self, path: str) -> bool:
        """True when a run would find the file; raises `CannotFoldError` when that is not certain."""
        if self.written_at(path) is not None or self._in_submission(path) is not None:
            return True
        raise CannotFoldError("whether a file exists")

    def written_at(self, path: str) -> Value | None:
        """What the script wrote under this path."""
        return self.written.get(join(path))

    def contents(self, path: str, mode: str) -> Value:
        """What reading a file gives: what the script wrote there, or the submission's own file."""
        written = self.written_at(path)
        if written is not None:
            return written
        known = self._in_submission(path)
        if known is None:
            self.absent.append(path.removeprefix(FOLDER + "/"))
            raise CannotFoldError(f"{path.removeprefix(FOLDER + '/')} is not in the folder")
        self.read.append(known)
        data = self.files[known]
        if data is None:
            self.wanted.append(known)
            raise CannotFoldError(f"{known} was not read")
        raw: str | bytes = data if "b" in mode else data.decode("utf-8", "replace")
        return Value(bounded(raw), ("file",))

    def write(self, path: str, value: Value) -> None:
        """Keep what the script writes; nothing reaches a disk."""
        self.written[join(path)] = value
