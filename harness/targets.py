"""What to judge: a folder on disk, a pull request of a clone, or a folder at a revision.

A target is small and picklable, so that a batch can hand it to a worker process, and has an identity that
changes with its content, so that a cached result is never taken for another state.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.submission import FileKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.file_tree import FileTree
    from harness.git.pr_metadata import PullRequestInfo
    from harness.git.pull_request import Clone
    from harness.submission import Origin, PullRequestChanges

# A folder larger than this is judged afresh each time: hashing it would cost more than it saves.
HASHED_FOLDER_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One submission to judge.

    Either `folder` is set (a folder on disk), or the commit `revision` of the clone at hand is judged:
    `entry` forces the submission folder; with `whole_tree` the folder stands for itself (a record on main)
    and is not compared with a base.
    """

    folder: Path | None = None
    revision: str | None = None
    pr: int | None = None
    entry: str | None = None
    whole_tree: bool = False
    info: PullRequestInfo | None = None

    @property
    def label(self) -> str:
        """How people name it: the folder, "#1959", or the revision and folder."""
        if self.folder is not None:
            return str(self.folder)
        if self.whole_tree:
            return f"{self.entry}"
        if self.pr is not None:
            return f"#{self.pr}"
        return f"{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTarget:
    """A target with its files at hand."""

    tree: FileTree
    origin: Origin | None
    changes: PullRequestChanges | None


def open_target(target: Target, clone: Clone | None, core_files: Sequence[str] = ()) -> OpenedTarget:
    """Find the files. Raises `SubmissionError` or `SetupError` with a message for people.

    A pull request without a record folder is nothing to judge, unless it edits a training script of the
    repository's root (`core_files`): then somebody may have put a submission there, and the rules about a
    submission's form say what is missing.
    """
    if target.folder is not None:
        from harness.folder_tree import FolderTree

        return OpenedTarget(tree=FolderTree(target.folder), origin=None, changes=None)
    if clone is None:
        raise SetupError(f"{target.label} needs a git clone: name it with --repo DIR")
    from harness.git.pull_request import NotARecordsSubmission

    try:
        found = clone.open(target)
    except NotARecordsSubmission as error:
        changes = error.submission.changes
        if changes is None or not any(change.path in core_files for change in changes.changes):
            raise
        found = error.submission
    return OpenedTarget(tree=found.tree, origin=found.origin, changes=found.changes)


def _folder_digest(folder: Path) -> str | None:
    from harness.folder_tree import FolderTree

    tree = FolderTree(folder)
    digest = hashlib.sha256()
    entries = tree.entries()
    if sum(entry.size_bytes or 0 for entry in entries) > HASHED_FOLDER_BYTES:
        return None
    for entry in entries:
        digest.update(
            f"{entry.path}\0{entry.kind.value}\0{entry.size_bytes}\0{entry.target}\0".encode(errors="replace")
        )
        if entry.kind is FileKind.FILE:
            digest.update(tree.read(entry.path, HASHED_FOLDER_BYTES))
    return digest.hexdigest()


def content_key(target: Target, clone: Clone | None) -> str | None:
    """An identity of the target's content; None when it cannot be had cheaply (then nothing is cached).

    In git the commit and the main commit it is compared with are the content.
    """
    if target.folder is not None:
        digest = _folder_digest(target.folder)
        return None if digest is None else f"folder:{target.folder.resolve()}:{digest}"
    if clone is None:
        return None
    commit = clone.commit_of(target)
    if commit is None:
        return None
    facts = [commit, clone.main_commit, target.pr, target.entry, target.whole_tree]
    facts.append(repr(target.info))
    return "git:" + json.dumps(facts)
