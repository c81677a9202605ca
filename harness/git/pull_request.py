"""Resolves pull requests, commits and accepted records of a local git clone to submission folders.

Objects only: nothing is checked out, no hook runs, nothing is fetched or written. The clone's owner is
trusted as far as git trusts it; what lies in its commits is not.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from harness.errors import SetupError, SubmissionError
from harness.git.claimed_submission import ClaimReader, NotARecordsSubmission, PullRequestSubmission
from harness.git.clone_access import open_access
from harness.git.folder_candidates import FolderCandidates
from harness.git.folder_choice import RECORDS, record_folders
from harness.git.history import MainLine
from harness.git.objects import ObjectReader
from harness.git.tree import GitTree
from harness.submission import FileKind, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from harness.git.clone_access import CloneAccess
    from harness.git.history import Merge
    from harness.git.objects import Commit
    from harness.git.pr_metadata import PullRequestInfo
    from harness.targets import Target

__all__ = ["Clone", "GitTree", "NotARecordsSubmission", "PullRequestSubmission", "open_clone"]

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
_FULL_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
FETCH_PULLS = "git fetch origin 'refs/pull/*/head:refs/pull/*/head'"


class Clone:
    """A local clone, open for reading. Use as a context manager, or `close` it, to end git's processes."""

    def __init__(self, access: CloneAccess) -> None:
        self.path = access.path
        self._access = access
        self._reader = ObjectReader(access.repo, access.shallow)
        self._pulls = _pull_refs(access.refs)
        self._resolved: dict[str, str] = {}

    def __enter__(self) -> Clone:  # noqa: D105
        return self

    def __exit__(  # noqa: D105
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

    def pull_request(
        self, number: int, entry: str | None = None, info: PullRequestInfo | None = None
    ) -> PullRequestSubmission:
        """The submission of one pull request; `entry` forces its folder ("" = the changed files themselves).

        `info` is what GitHub says about it; its title helps to choose among several folders.
        Raises `SetupError` when its head is not in the clone, `NotARecordsSubmission` when it changes no
        record folder, `SubmissionError` when the forced folder does not exist.
        """
        ref, sha = self._pull(number)
        return self._claims.submission(self._commit(sha, ref), ref, number=number, entry=entry, info=info)

    def at(
        self,
        rev: str,
        entry: str | None = None,
        pr: int | None = None,
        info: PullRequestInfo | None = None,
    ) -> PullRequestSubmission:
        """The submission at a commit or ref, its folder chosen as for a pull request, or forced by `entry`.

        Without `pr` the number is that of the only pull request with this head, if there is one.

        Raises as `pull_request` does.
        """
        commit = self._commit(self.commit_at(rev), rev)
        number = pr if pr is not None else self._number_of(commit.sha)
        return self._claims.submission(commit, rev, number=number, entry=entry, info=info)

    def records(self, rev: str = "main") -> tuple[PullRequestSubmission, ...]:
        """Every folder under records/ at a revision, sorted, with the pull request that brought it.

        Raises `SubmissionError` when there is none.
        """
        return tuple(self.record(rev, folder) for folder in self.record_folders(rev))

    def record_folders(self, rev: str = "main") -> tuple[str, ...]:
        """The folders of `records`, without opening them. Raises `SubmissionError` when there is none."""
        commit = self._commit(self.commit_at(rev), rev)
        folders = record_folders(path for path, _ in self._folders.record_items(commit.tree))
        if not folders:
            raise SubmissionError(f"{self.path} at {rev} ({commit.sha[:9]}) has no folder under {RECORDS}/")
        return folders

    def record(self, rev: str, folder: str) -> PullRequestSubmission:
        """One folder at a revision, standing for itself. Raises `SubmissionError` when there is none."""
        commit = self._commit(self.commit_at(rev), rev)
        merge = self._folders.brought_by(commit.sha).get(folder)
        return PullRequestSubmission(
            tree=self._claims.tree(commit, folder),
            origin=self._record_origin(commit, rev, folder, merge),
            changes=None,
        )

    def open(self, target: Target) -> PullRequestSubmission:
        """What a target of a batch means. Raises as `pull_request`, `at` and `record` do."""
        if target.whole_tree and target.revision is not None and target.entry is not None:
            return self.record(target.revision, target.entry)
        if target.revision is not None:
            return self.at(target.revision, target.entry, target.pr, target.info)
        if target.pr is None:
            raise SetupError(f"{self.path}: name a pull request or a revision to judge.")
        return self.pull_request(target.pr, target.entry, target.info)

    def commit_of(self, target: Target) -> str | None:
        """The commit a target means; None when the clone does not hold it."""
        try:
            if target.revision is not None:
                return self.commit_at(target.revision)
            return self._pull(target.pr)[1] if target.pr is not None else None
        except SetupError:
            return None

    def commit_at(self, rev: str) -> str:
        """The full id of the commit a revision names; "main" also finds a remote's main, or master.

        Raises `SetupError` when it names none.
        """
        if rev not in self._resolved:
            self._resolved[rev] = self._held_commit(rev) or self._named_commit(rev)
        return self._resolved[rev]

    def _held_commit(self, rev: str) -> str | None:
        """The commit of a full ref name or id, without asking git for each of two thousand."""
        sha = self._access.refs.get(rev, rev)
        try:
            return self._reader.commit(sha).sha if _FULL_ID.fullmatch(sha) else None
        except SetupError:
            return None

    def _named_commit(self, rev: str) -> str:
        if rev == "main" and not self._access.has(rev):
            return self.main_commit
        return self._access.commit_named(rev)

    def read_file(self, rev: str, path: str, limit_bytes: int) -> bytes | None:
        """At most `limit_bytes` of a file at a revision, by its path from the root; None when there is none.

        Raises `SetupError` when the clone lacks the commit or the file's content.
        """
        item = self._reader.find(self._commit(self.commit_at(rev), rev).tree, path)
        if item is None or item.is_tree or item.kind is not FileKind.FILE:
            return None
        return self._reader.read(item.sha, limit_bytes)

    @property
    def main_commit(self) -> str:
        """The commit of main that pull requests are compared with."""
        return self._main.tip

    @cached_property
    def _main(self) -> MainLine:
        """A remote's main or master, else a local one, else HEAD."""
        refs = self._access.refs
        tip = next((refs[ref] for ref in _MAIN_REFS if ref in refs), None)
        return MainLine(self._reader, tip or self._access.commit_named("HEAD"))

    @cached_property
    def _folders(self) -> FolderCandidates:
        heads = {number: sha for number, (_, sha) in self._pulls.items()}
        return FolderCandidates(self._reader, self._main, heads)

    @cached_property
    def _claims(self) -> ClaimReader:
        return ClaimReader(
            path=self.path,
            reader=self._reader,
            main=self._main,
            folders=self._folders,
            is_shallow=bool(self._access.shallow),
        )

    def _pull(self, number: int) -> tuple[str, str]:
        if number not in self._pulls:
            held = self.pull_requests()
            raise SetupError(
                f"{self.path} does not hold pull request #{number} ({len(held):,} held, #{held[0]} to "
                f"#{held[-1]}). Run `git fetch origin refs/pull/{number}/head:refs/pull/{number}/head` in "
                "it."
            )
        return self._pulls[number]

    def _number_of(self, sha: str) -> int | None:
        """The pull request whose head this is, else the one that brought it to main; None when unclear."""
        numbers = [number for number, (_, head) in self._pulls.items() if head == sha]
        if numbers:
            return numbers[0] if len(numbers) == 1 else None
        merge = self._main.merge_of(sha)
        return merge.pr if merge is not None else None

    def _commit(self, sha: str, ref: str) -> Commit:
        try:
            return self._reader.commit(sha)
        except SetupError as error:
            raise SetupError(f"{ref}: {error}") from error

    def _record_origin(self, commit: Commit, rev: str, folder: str, merge: Merge | None) -> Origin:
        return Origin(
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
