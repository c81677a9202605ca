"""Resolves pull requests, commits and accepted records of a local git clone to submission folders.

Objects only: nothing is checked out, no hook runs, nothing is fetched or written. The clone's owner is
trusted as far as git trusts it; what lies in its commits is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.added_lines import AddedLines
from harness.clone_access import open_access
from harness.errors import SetupError, SubmissionError
from harness.folder_candidates import FolderCandidates
from harness.folder_choice import RECORDS, choose_folder, forced_folder, record_folders
from harness.git_history import MainLine
from harness.git_objects import CHANGES_AT_MOST, ObjectReader
from harness.git_tree import GitTree
from harness.submission import Origin, PathChange, PullRequestChanges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from harness.clone_access import CloneAccess
    from harness.git_history import Merge
    from harness.git_objects import Commit, Difference

# Where `git fetch` leaves pull requests: GitHub's own refs first, mirrors of them, common local names.
_PULL_REFS = (
    re.compile(r"refs/pull/(\d{1,9})/head"),
    re.compile(r"refs/remotes/[^/]+/(?:pull|pr)/(\d{1,9})(?:/head)?"),
    re.compile(r"refs/heads/(?:pull|pr)/(\d{1,9})(?:/head)?"),
)
# A remote's main before a local one: unpushed commits on it are the submission, not what it competes with.
_MAIN_REFS = tuple(
    f"refs/{place}/{name}"
    for place in ("remotes/upstream", "remotes/origin", "heads")
    for name in ("main", "master")
)
FETCH_PULLS = "git fetch origin 'refs/pull/*/head:refs/pull/*/head'"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestSubmission:
    """One submission found in a clone. `changes` is None for a folder of main: nothing is compared."""

    tree: GitTree
    origin: Origin
    changes: PullRequestChanges | None


class NotARecordsSubmission(SubmissionError):  # noqa: N818 - reads as what it says
    """The commit adds or edits no record folder.

    `submission` holds what it changes instead, as a tree of the changed files from the repository root:
    rules about the shape of a pull request can still be applied to it.
    """

    def __init__(self, message: str, submission: PullRequestSubmission) -> None:
        super().__init__(message)
        self.submission = submission


class Clone:
    """A local clone, open for reading. Use as a context manager, or `close` it, to end git's processes."""

    def __init__(self, access: CloneAccess) -> None:
        self.path = access.path
        self._access = access
        self._reader = ObjectReader(access.repo, access.shallow)
        self._pulls = _pull_refs(access.refs)
        self._main: MainLine | None = None
        self._candidates: FolderCandidates | None = None

    def __enter__(self) -> Clone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End git's processes; a later read starts them again."""
        self._access.close()

    def pull_requests(self) -> tuple[int, ...]:
        """Numbers of all pull requests whose head is in the clone, ascending.

        Raises `SetupError` when there is none.
        """
        if not self._pulls:
            raise SetupError(f"{self.path} holds no pull request heads. Run `{FETCH_PULLS}` in it.")
        return tuple(sorted(self._pulls))

    def pull_request(self, number: int, entry: str | None = None) -> PullRequestSubmission:
        """The submission of one pull request; `entry` forces its folder.

        Raises `SetupError` when its head is not in the clone, `NotARecordsSubmission` when it changes no
        record folder, `SubmissionError` when the forced folder does not exist.
        """
        if number not in self._pulls:
            held = self.pull_requests()
            raise SetupError(
                f"{self.path} does not hold pull request #{number:,} ({len(held):,} held, #{held[0]} to "
                f"#{held[-1]}). Run `git fetch origin refs/pull/{number}/head:refs/pull/{number}/head` in it."
            )
        ref, sha = self._pulls[number]
        return self._submission(self._commit(sha, ref), ref, number, entry)

    def at(self, rev: str, entry: str | None = None, pr: int | None = None) -> PullRequestSubmission:
        """The submission at a commit or ref, its folder chosen as for a pull request, or forced by `entry`.

        Raises as `pull_request` does.
        """
        return self._submission(self._commit(self._access.commit_named(rev), rev), rev, pr, entry)

    def records(self, rev: str = "main") -> tuple[PullRequestSubmission, ...]:
        """Every folder under records/ at a revision, sorted, with the pull request that brought it.

        Raises `SubmissionError` when there is none.
        """
        ref = rev
        if rev == "main" and not self._access.has("main"):
            ref = self.main.tip
        commit = self._commit(self._access.commit_named(ref), rev)
        items = dict(self.folders.record_items(commit.tree))
        folders = record_folders(items)
        if not folders:
            raise SubmissionError(f"{self.path} at {rev} ({commit.sha[:9]}) has no folder under {RECORDS}/")
        brought = self.folders.brought_by(commit.sha)
        return tuple(self._record(commit, rev, folder, brought.get(folder)) for folder in folders)

    @property
    def main(self) -> MainLine:
        """The branch that pull requests are compared with: a remote's main or master, a local one, HEAD."""
        if self._main is None:
            refs = self._access.refs
            tip = next((refs[ref] for ref in _MAIN_REFS if ref in refs), None)
            self._main = MainLine(self._reader, tip or self._access.commit_named("HEAD"))
        return self._main

    @property
    def folders(self) -> FolderCandidates:
        """Facts about the folders of main and of all pull requests, gathered once."""
        if self._candidates is None:
            heads = {number: sha for number, (_, sha) in self._pulls.items()}
            self._candidates = FolderCandidates(self._reader, self.main, heads)
        return self._candidates

    def _commit(self, sha: str, ref: str) -> Commit:
        try:
            return self._reader.commit(sha)
        except SetupError as error:
            raise SetupError(f"{ref}: {error}") from error

    def _record(self, commit: Commit, rev: str, folder: str, merge: Merge | None) -> PullRequestSubmission:
        origin = Origin(
            source="git",
            path=str(self.path),
            entry=folder,
            commit=commit.sha,
            ref=rev,
            pr=merge.pr if merge else None,
            base=merge.before if merge else None,
            title=merge.title if merge else None,
            author=merge.author if merge else None,
            commit_date=merge.date if merge else commit.date,
        )
        return PullRequestSubmission(tree=self._tree(commit, folder), origin=origin, changes=None)

    def _tree(self, commit: Commit, folder: str) -> GitTree:
        found = self._reader.find(commit.tree, folder)
        if found is None or not found.is_tree:
            raise SubmissionError(f"commit {commit.sha[:9]} has no folder {folder!r}")
        return GitTree(self._reader, commit=commit.sha, entry=folder, tree=found.sha)

    def _submission(
        self, head: Commit, ref: str, number: int | None, entry: str | None
    ) -> PullRequestSubmission:
        base = self._base(head, ref)
        differences = self._differences(base, head, ref)
        origin = self._origin(head, ref, number, base)
        changes = self._changes(differences)
        candidates = self.folders.of(differences, base, head, number)
        if entry is not None:
            choice = forced_folder(entry.strip("/"), candidates)
        elif not candidates:
            raise self._no_folder(head, origin, changes, differences)
        else:
            choice = choose_folder(candidates, origin.title)
        if base is None:
            choice = replace(
                choice, why=f"{choice.why}; shares no history with main: all files count as added"
            )
        return PullRequestSubmission(
            tree=self._tree(head, choice.path),
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
        if sha is None and self._access.shallow:
            raise SetupError(
                f"{self.path} is a shallow clone that ends before {ref} left main: what it changes cannot be "
                f"told. Run `git fetch --unshallow` in it."
            )
        return self._reader.commit(sha) if sha is not None else None

    def _differences(self, base: Commit | None, head: Commit, ref: str) -> tuple[Difference, ...]:
        found = []
        for difference in self._reader.differences(base.tree if base else None, head.tree):
            found.append(difference)
            if len(found) > CHANGES_AT_MOST:
                raise SubmissionError(
                    f"{ref} changes more than {CHANGES_AT_MOST:,} paths; a submission is one new folder. "
                    f"Rebase it onto main."
                )
        return tuple(found)

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

    def _no_folder(
        self,
        head: Commit,
        origin: Origin,
        changes: PullRequestChanges,
        differences: tuple[Difference, ...],
    ) -> NotARecordsSubmission:
        touched = [change.path for change in changes.changes]
        shown = ", ".join(touched[:5]) + (f" and {len(touched) - 5:,} more" if len(touched) > 5 else "")
        what = f"it changes {len(touched):,} path(s): {shown}" if touched else "it changes nothing"
        why = "adds no folder under records/"
        files = {each.path: each.new for each in differences if each.new is not None}
        tree = GitTree(self._reader, commit=head.sha, entry="", tree=head.tree, only=files)
        return NotARecordsSubmission(
            f"{origin.ref} ({head.sha[:9]}) is not a records submission: {what}. A submission is one new folder "
            f"records/<track>/<YYYY-MM-DD_name> with README.md, submission.json, a train script and its logs.",
            PullRequestSubmission(tree=tree, origin=origin, changes=replace(changes, why_this_folder=why)),
        )

    def _changes(self, differences: Iterable[Difference]) -> PullRequestChanges:
        lines = AddedLines(self._reader)
        changes = tuple(
            PathChange(path=each.path, status=each.status, kind=each.kind, added_lines=lines.of(each))
            for each in differences
        )
        outside = tuple(change for change in changes if not change.path.startswith(f"{RECORDS}/"))
        return PullRequestChanges(changes=changes, outside_records=outside)


def _pull_refs(refs: Mapping[str, str]) -> dict[int, tuple[str, str]]:
    """Ref and commit of every pull request head; GitHub's own ref wins over copies of it."""
    found: dict[int, tuple[str, str]] = {}
    for pattern in _PULL_REFS:
        for ref, sha in refs.items():
            if match := pattern.fullmatch(ref):
                found.setdefault(int(match[1]), (ref, sha))
    return found


def open_clone(path: Path) -> Clone:
    """Open a local clone: a working tree, a bare clone, a linked worktree, or a mere git directory.

    Raises `SetupError` when there is none, git is missing, or git refuses it (foreign owner, damage).
    """
    return Clone(open_access(path))
