"""Where a pull request left main, and which pull request brought a folder to main.

The plain merge base of a head that was merged by a merge commit is the head itself, and its diff is empty
(58 pull requests of the challenge): then the merge commit's first parent is what it must be compared with.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from harness.git.objects import Commit, ObjectReader

# Merge button, then what maintainers typed by hand, then the squash button.
_MERGE_BUTTON = re.compile(r"Merge pull request #(\d{1,9}) from ([^\s/]+)/\S+")
_MERGE_BY_HAND = re.compile(r"Merge (?:PR|pull request) #(\d{1,9})\s*[:-]\s*(\S.*)")
_SQUASHED = re.compile(r"(\S.*?)\s*\(#(\d{1,9})\)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """One step of main's first-parent chain, with the pull request its message names, if any."""

    sha: str
    before: str | None  # the first parent; None for the root commit
    pr: int | None
    title: str | None
    author: str | None
    date: datetime.datetime | None


def read_merge(commit: Commit) -> Merge:
    """What a commit on main says about the pull request it brought in."""
    lines = [line.strip() for line in commit.message.splitlines() if line.strip()]
    subject = lines[0] if lines else ""
    pr: int | None = None
    title: str | None = None
    author: str | None = None
    if match := _MERGE_BUTTON.match(subject):
        pr, author = int(match[1]), match[2]
        title = lines[1] if len(lines) > 1 else None
    elif match := _MERGE_BY_HAND.match(subject):
        pr, title = int(match[1]), match[2]
    elif match := _SQUASHED.match(subject):
        pr, title = int(match[2]), match[1]
    return Merge(
        sha=commit.sha,
        before=commit.parents[0] if commit.parents else None,
        pr=pr,
        title=title,
        author=author,
        date=commit.date,
    )


def ancestors(reader: ObjectReader, start: str, stop: frozenset[str] = frozenset()) -> set[str]:
    """A commit and everything it descends from, not going past commits in `stop`."""
    seen = {start}
    queue = deque([start])
    while queue:
        sha = queue.popleft()
        if sha in stop:
            continue
        for parent in reader.commit(sha).parents:
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)
    return seen


class MainLine:
    """Main's history, read once: its ancestors and its first-parent chain, newest first."""

    def __init__(self, reader: ObjectReader, tip: str) -> None:
        self.tip = tip
        self._reader = reader
        self._ancestors: frozenset[str] | None = None
        self._chain: tuple[Merge, ...] | None = None

    @property
    def ancestors(self) -> frozenset[str]:
        """Every commit main descends from, itself included."""
        if self._ancestors is None:
            self._ancestors = frozenset(ancestors(self._reader, self.tip))
        return self._ancestors

    @property
    def chain(self) -> tuple[Merge, ...]:
        """Main's first-parent chain, newest first."""
        if self._chain is None:
            steps = []
            sha: str | None = self.tip
            while sha is not None:
                step = read_merge(self._reader.commit(sha))
                steps.append(step)
                sha = step.before
            self._chain = tuple(steps)
        return self._chain

    def merge_of(self, head: str) -> Merge | None:
        """The oldest step of main that contains `head`; None when main does not contain it."""
        if head not in self.ancestors:
            return None
        newest_first = self.chain
        low, high = 0, len(newest_first) - 1  # containment is monotonic along the chain
        while low < high:
            middle = (low + high + 1) // 2
            if head in ancestors(self._reader, newest_first[middle].sha):
                low = middle
            else:
                high = middle - 1
        return newest_first[low]

    def base_of(self, head: str) -> str | None:
        """The commit that a pull request's changes are counted from; None when it shares no history."""
        merge = self.merge_of(head)
        if merge is None:
            return self._best(ancestors(self._reader, head, self.ancestors) & self.ancestors)
        if merge.before is None:
            return None
        before = frozenset(ancestors(self._reader, merge.before))
        return self._best(ancestors(self._reader, head, before) & before)

    def _best(self, common: Iterable[str]) -> str | None:
        """Of commits shared with main, the newest that is no ancestor of another one."""
        shared = set(common)
        for sha in tuple(shared):
            if sha in shared:
                shared -= ancestors(self._reader, sha) - {sha}
        return max(shared, key=lambda sha: (_timestamp(self._reader.commit(sha)), sha), default=None)

    def of_pull_request(self, number: int) -> Merge | None:
        """The step of main whose message names this pull request, the newest if several do."""
        return next((step for step in self.chain if step.pr == number), None)


def _timestamp(commit: Commit) -> float:
    return commit.date.timestamp() if commit.date is not None else 0.0
