"""The artifact between the two steps: copied once, byte by byte counted, compared again when it was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import SetupError, SubmissionError
from harness.runs.run_record import Artifact, SealedFile
from harness.sandbox.sealed_files import UnsafeResultError, seal_copy, sealed_digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LARGEST_FILE = 1 << 30  # far above any cap: what is over the cap is sealed too, and told


class NoArtifactError(SubmissionError):
    """Training left something else than the files it names; `reason` is one short word for the record."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def seal_artifact(
    work: Path, names: Sequence[str], folder: Path, *, code_bytes: int, cap_bytes: int
) -> Artifact:
    """Copy the named files of `work` to the new `folder`; every process that could write there is dead.

    Raises `NoArtifactError` for files that are missing, links, special files or have other names as well,
    `SetupError` when our disk fails.
    """
    try:
        folder.mkdir()
        folder.chmod(0o755)  # whatever our umask: the evaluation reads it as another user
    except OSError as error:
        raise SetupError(f"cannot make {folder}: {error.strerror}. Free space there.") from error
    files = []
    for name in names:
        try:
            sealed = seal_copy(work, name, _LARGEST_FILE, folder / name)
            (folder / name).chmod(0o444)
        except UnsafeResultError as error:
            is_missing = not (work / name).is_symlink() and not (work / name).exists()
            reason = "no-artifact" if is_missing else "unsafe-artifact"
            raise NoArtifactError(reason, f"the artifact cannot be sealed: {error}") from error
        files.append(SealedFile(name=name, size=sealed.size_bytes, sha256=sealed.sha256))
    return Artifact(
        files=tuple(files),
        model_bytes=sum(file.size for file in files),
        code_bytes=code_bytes,
        cap_bytes=cap_bytes,
    )


def changed_since_seal(folder: Path, artifact: Artifact) -> str:
    """What in `folder` is not what was sealed; empty when all of it is."""
    present = {path.name for path in folder.iterdir()}
    sealed = {file.name: file for file in artifact.files}
    if extra := sorted(present - sealed.keys()):
        return f"{extra[0]} was put beside the sealed artifact"
    for name, file in sealed.items():
        try:
            now = sealed_digest(folder, name, _LARGEST_FILE)
        except UnsafeResultError as error:
            return f"the sealed artifact was changed: {error}"
        if now.sha256 != file.sha256:
            return (
                f"{name} was changed after it was sealed (sha256 {file.sha256[:12]}, now {now.sha256[:12]})"
            )
    return ""
