"""Turns a commit into the submission it claims: what it changes, and which folder is meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.errors import SetupError, SubmissionError
from harness.git.added_lines import AddedLines
from harness.git.folder_choice import RECORDS, choose_folder, forced_folder
from harness.git.objects import CHANGES_AT_MOST
from harness.git.pr_metadata import with_pr_metadata
from harness.git.tree import GitTree
from harness.submission import Origin, PathChange, PullRequestChanges
from harness.wording import count_of, listed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.git.folder_candidates import FolderCandidates
    from harness.git.history import MainLine
    from harness.git.objects import Commit, Difference, ObjectReader
    from harness.git.pr_metadata import PullRequestInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestSubmission:
    """One submission found in a clone. `changes` is None for a folder of main: nothing is compared."""

    tree: GitTree
    origin: Origin
    changes: PullRequestChanges | None


class NotARecordsSubmission(SubmissionError):  # noqa: N818 - reads as what it says
    """The commit adds no record folder of its own, and does not edit just one.

    `submission` holds what it changes instead, as a tree of the changed files from the repository root:
    rules about the shape of a pull request can still be applied to it.
    """

    def __init__(self, message: str, submission: PullRequestSubmission) -> None:
        super().__init__(message)
        self.submission = submission


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReader:
    """Finds what a commit claims, against the main of the same clone."""

    path: Path
    reader: ObjectReader
    main: MainLine
    folders: FolderCandidates
    is_shallow: bool

    def submission(
        self,
        head: Commit,
        ref: str,
        *,
        number: int | None = None,
        entry: str | None = None,
        info: PullRequestInfo | None = None,
    ) -> PullRequestSubmission:
        """The submission a commit claims; `entry` forces its folder ("" = the changed files themselves).

        Raises `NotARecordsSubmission` when it changes no record folder, `SubmissionError` when the forced
        folder does not exist, `SetupError` when the clone lacks what is needed.
        """
        base = self._base(head, ref)
        differences = self._differences(base, head, ref)
        origin = with_pr_metadata(self._origin(head, ref, number, base), info)
        changes = self._changes(differences)
        if entry is not None and not entry.strip("/"):
            return self._changed_files(head, origin, changes, differences)
        candidates = self.folders.of(differences, base, head, number)
        if entry is not None:
            choice = forced_folder(entry.strip("/"), candidates)
        else:
            try:
                choice = choose_folder(candidates, origin.title)
            except SubmissionError as why:
                found = self._changed_files(head, origin, changes, differences)
                raise _not_a_record(str(why), origin, found) from None
        if base is None:
            choice = replace(
                choice, why=f"{choice.why}; shares no history with main: all files count as added"
            )
        return PullRequestSubmission(
            tree=self.tree(head, choice.path),
            origin=replace(origin, entry=choice.path),
            changes=replace(
                changes,
                other_folders=choice.others,
                why_this_folder=choice.why,
                ambiguous_folder=choice.ambiguous,
            ),
        )

    def _base(self, head: Commit, ref: str) -> Commit | None:
        sha = self.main.base_of(head.sha)
        if sha is None and self.is_shallow:
            raise SetupError(
                f"{self.path} is a shallow clone that ends before {ref} left main: what it changes cannot "
                "be told. Run `git fetch --unshallow` in it."
            )
        return self.reader.commit(sha) if sha is not None else None

    def _differences(self, base: Commit | None, head: Commit, ref: str) -> tuple[Difference, ...]:
        found = []
        for difference in self.reader.differences(base.tree if base else None, head.tree):
            found.append(difference)
            if len(found) > CHANGES_AT_MOST:
                raise SubmissionError(
                    f"{ref} changes more than {CHANGES_AT_MOST:,} paths; a submission is one new folder. "
                    "Rebase it onto main."
                )
        return tuple(sorted(found, key=lambda each: each.path))

    def _origin(self, head: Commit, ref: str, number: int | None, base: Commit | None) -> Origin:
        merge = self.main.of_pull_request(number) if number is not None else None
        return Origin(
            source="git",
            path=str(self.path),
            entry="",
            commit=head.sha,
            pr=number,
            ref=ref,
            base=base.sha if base else None,
            title=merge.title if merge else None,
            author=merge.author if merge else None,
            commit_date=head.date,
        )

    def _changed_files(
        self,
        head: Commit,
        origin: Origin,
        changes: PullRequestChanges,
        differences: tuple[Difference, ...],
    ) -> PullRequestSubmission:
        """The changed files as if they were a submission at the repository root."""
        files = {each.path: each.new for each in differences if each.new is not None}
        return PullRequestSubmission(
            tree=GitTree(self.reader, commit=head.sha, entry="", tree=head.tree, only=files),
            origin=origin,
            changes=replace(changes, why_this_folder="no record folder: the changed files themselves"),
        )

    def _changes(self, differences: Iterable[Difference]) -> PullRequestChanges:
        lines = AddedLines(self.reader)
        changes = tuple(
            PathChange(path=each.path, status=each.status, kind=each.kind, added_lines=lines.of(each))
            for each in differences
        )
        outside = tuple(change for change in changes if not change.path.startswith(f"{RECORDS}/"))
        return PullRequestChanges(changes=changes, outside_records=outside)

    def tree(self, commit: Commit, folder: str) -> GitTree:
        """A folder of a commit. Raises `SubmissionError` when the commit has no such folder."""
        found = self.reader.find(commit.tree, folder)
        if found is None or not found.is_tree:
            raise SubmissionError(f"commit {commit.sha[:9]} has no folder {folder!r}")
        return GitTree(self.reader, commit=commit.sha, entry=folder, tree=found.sha)


def _not_a_record(why: str, origin: Origin, found: PullRequestSubmission) -> NotARecordsSubmission:
    touched = [change.path for change in found.changes.changes] if found.changes else []
    what = (
        f"it changes {count_of(len(touched), 'path')}: {listed(touched, 5)}"
        if touched
        else "it changes nothing"
    )
    name = f"pull request #{origin.pr}" if origin.pr is not None else f"{origin.ref}"
    return NotARecordsSubmission(
        f"{name} ({(origin.commit or '')[:9]}) is not a records submission: {why}; {what}. A submission is "
        "one new folder records/<track>/<YYYY-MM-DD_name> with README.md, submission.json, script and logs.",
        found,
    )
