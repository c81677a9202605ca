"""Reads commits, trees and files of a git clone as objects: no checkout, no hook, no network, no write.

One persistent `git cat-file` process answers everything, so a whole clone is read in minutes on one core.
Names and contents come from strangers: sizes are bounded and odd names are made printable.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import SetupError, SubmissionError
from harness.submission import FileKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from git import Repo

# A tree object of 64 MiB names more than a million files; the largest of the challenge has 3 kB.
TREE_LIMIT_BYTES = 64 * 2**20
COMMIT_LIMIT_BYTES = 4 * 2**20
CHANGES_AT_MOST = 200_000
DEPTH_AT_MOST = 64
# A few objects that name each other again and again unfold to billions of folders; main has 150.
FOLDERS_AT_MOST = 200_000
_DRAIN_BYTES = 2**20
_TREES_CACHED = 50_000

_COMMITTER = re.compile(rb"^committer .*> (-?\d{1,18}) ([+-])(\d\d)(\d\d)$", re.MULTILINE)
_HEADER = re.compile(rb"^(tree|parent) ([0-9a-f]{40,64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit: its tree, its parents (none at a shallow boundary) and what its committer wrote."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    date: datetime.datetime | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeItem:
    """One name in a tree object. `mode` is git's octal mode as text ("100644", "40000", "160000")."""

    name: str
    mode: str
    sha: str

    @property
    def is_tree(self) -> bool:
        """Whether this names a folder."""
        return self.mode in {"40000", "040000"}

    @property
    def kind(self) -> FileKind:
        """What a path of this mode is; names no checkout would accept are never read."""
        if self.name in {"", ".", ".."} or "/" in self.name:
            return FileKind.OTHER
        kinds = {"120000": FileKind.SYMLINK, "160000": FileKind.SUBMODULE}
        if self.mode in kinds:
            return kinds[self.mode]
        return FileKind.FILE if self.mode.startswith("100") else FileKind.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One path that differs between two trees; an absent side is None."""

    path: str
    old: TreeItem | None
    new: TreeItem | None

    @property
    def status(self) -> str:
        """How the path changed: added, modified or deleted."""
        if self.old is None:
            return "added"
        return "modified" if self.new is not None else "deleted"

    @property
    def kind(self) -> FileKind:
        """What the path is now (before, when it was deleted)."""
        item = self.new or self.old
        return item.kind if item is not None else FileKind.OTHER


def printable(name: bytes) -> str:
    """A file name as text; bytes that are not UTF-8 become backslash escapes, so it can be printed."""
    return name.decode("utf-8", errors="backslashreplace")


def _date(raw: bytes) -> datetime.datetime | None:
    """The committer date with its own offset from UTC; None when absent or out of range."""
    match = _COMMITTER.search(raw)
    if match is None:
        return None
    minutes = int(match[3]) * 60 + int(match[4])
    offset = datetime.timedelta(minutes=minutes if match[2] == b"+" else -minutes)
    try:
        return datetime.datetime.fromtimestamp(int(match[1]), tz=datetime.timezone(offset))
    except (ValueError, OverflowError, OSError):
        return None


def _tree_items(raw: bytes, hash_bytes: int) -> Iterator[TreeItem]:
    at = 0
    while at < len(raw):
        space = raw.index(b" ", at)
        end = raw.index(b"\0", space)
        sha = raw[end + 1 : end + 1 + hash_bytes]
        if len(sha) < hash_bytes:
            raise ValueError("cut short")
        yield TreeItem(
            name=printable(raw[space + 1 : end]), mode=raw[at:space].decode("ascii"), sha=sha.hex()
        )
        at = end + 1 + hash_bytes


def _text(word: object) -> str:
    """Git's answer as text: GitPython declares str and hands out bytes."""
    return word.decode() if isinstance(word, bytes) else str(word)


class ObjectReader:
    """Every read of one clone. Not for use from several threads: git answers one question at a time."""

    def __init__(self, repo: Repo, shallow: frozenset[str] = frozenset()) -> None:
        self._git = repo.git
        self._where = str(repo.git_dir)
        self._shallow = shallow
        self._trees: dict[str, tuple[TreeItem, ...]] = {}
        self._commits: dict[str, Commit] = {}
        self._sizes: dict[str, int | None] = {}

    def size(self, sha: str) -> int | None:
        """The object's size in bytes, None when the clone does not hold it."""
        if sha not in self._sizes:
            self._sizes[sha] = self._look_up(sha)
        return self._sizes[sha]

    def _look_up(self, sha: str) -> int | None:
        try:
            _, _, size = self._git.get_object_header(sha)
        except ValueError as error:
            if "git returned" not in str(error):  # git died (a damaged object, a refused fetch)
                self._git.clear_cache()
            return None
        except OSError:
            self._git.clear_cache()
            return None
        return size

    def read(self, sha: str, limit_bytes: int, kind: str = "blob") -> bytes:
        """At most `limit_bytes` of one object. Raises `SetupError` when it is absent or damaged."""
        try:
            _, found, size, stream = self._git.stream_object_data(sha)
            data: bytes = stream.read(max(0, min(limit_bytes, size)))
            left = size - len(data)
            while left > 0 and (chunk := stream.read(min(left, _DRAIN_BYTES))):
                left -= len(chunk)
        except (ValueError, OSError) as error:
            if "git returned" not in str(error):
                self._git.clear_cache()
            raise self._absent(sha, kind) from error
        if left > 0:
            self._git.clear_cache()
            raise self._absent(sha, kind, f"git stopped after {size - left:,} of {size:,} bytes")
        if _text(found) != kind:
            raise self._absent(sha, kind, f"it is a {_text(found)}")
        return data

    def _absent(self, sha: str, kind: str, why: str = "it is missing or damaged") -> SetupError:
        return SetupError(
            f"{self._where}: cannot read {kind} {sha}: {why}. `git fsck` lists what is broken; `git fetch "
            "--refetch --no-filter origin` or a fresh clone mends it."
        )

    def commit(self, sha: str) -> Commit:
        """One commit. Raises `SetupError` when the clone lacks it."""
        if sha not in self._commits:
            raw = self.read(sha, COMMIT_LIMIT_BYTES, "commit")
            head, _, message = raw.partition(b"\n\n")
            fields = [(name, value.decode()) for name, value in _HEADER.findall(head)]
            trees = [value for name, value in fields if name == b"tree"]
            if not trees:
                raise self._absent(sha, "commit", "it names no tree")
            parents = tuple(value for name, value in fields if name == b"parent")
            self._commits[sha] = Commit(
                sha=sha,
                tree=trees[0],
                parents=() if sha in self._shallow else parents,
                date=_date(head),
                message=message.decode("utf-8", errors="replace"),
            )
        return self._commits[sha]

    def tree(self, sha: str) -> tuple[TreeItem, ...]:
        """The names in one tree object. Raises `SetupError` when the clone lacks it."""
        items = self._trees.get(sha)
        if items is None:
            size = self.size(sha)
            if size is not None and size > TREE_LIMIT_BYTES:
                raise self._absent(sha, "tree", f"{size:,} bytes exceed the limit of {TREE_LIMIT_BYTES:,}")
            raw = self.read(sha, TREE_LIMIT_BYTES, "tree")
            try:
                items = tuple(_tree_items(raw, len(sha) // 2))
            except ValueError as error:
                raise self._absent(sha, "tree", "it is malformed") from error
            if len(self._trees) >= _TREES_CACHED:
                self._trees.clear()
            self._trees[sha] = items
        return items

    def find(self, tree: str, path: str) -> TreeItem | None:
        """What stands at `path` below a tree; None when nothing does. An empty path is the tree itself."""
        item = TreeItem(name="", mode="40000", sha=tree)
        for part in [part for part in path.split("/") if part]:
            if not item.is_tree:
                return None
            found = next((child for child in self.tree(item.sha) if child.name == part), None)
            if found is None:
                return None
            item = found
        return item

    def walk(self, tree: str, prefix: str = "") -> Iterator[tuple[str, TreeItem]]:
        """Every path below a tree that is not itself a folder, depth first.

        Folders more than 64 deep are named, not entered. Raises `SubmissionError` beyond 200,000 folders.
        """
        for difference in self.differences(None, tree, prefix):
            if difference.new is not None:
                yield difference.path, difference.new

    def differences(self, old: str | None, new: str | None, prefix: str = "") -> Iterator[Difference]:
        """Every path that differs between two trees (None = the empty tree), equal subtrees left out.

        Raises `SubmissionError` beyond 200,000 folders.
        """
        waiting = [(old, new, prefix, 0)]
        visited = 0
        while waiting:
            old, new, prefix, depth = waiting.pop()
            visited += 1
            if visited > FOLDERS_AT_MOST:
                raise SubmissionError(
                    f"{prefix or 'the commit'}: more than {FOLDERS_AT_MOST:,} folders; a submission is one"
                )
            before = {item.name: item for item in self.tree(old)} if old else {}
            after = {item.name: item for item in self.tree(new)} if new else {}
            deeper = []
            for name in sorted(before.keys() | after.keys()):
                was, now = before.get(name), after.get(name)
                if was == now:
                    continue
                old_tree, new_tree = _folder(was, depth), _folder(now, depth)
                if old_tree or new_tree:
                    deeper.append((old_tree, new_tree, f"{prefix}{name}/", depth + 1))
                was, now = (None if old_tree else was), (None if new_tree else now)
                if was is not None or now is not None:
                    yield Difference(path=f"{prefix}{name}", old=was, new=now)
            waiting.extend(reversed(deeper))


def _folder(item: TreeItem | None, depth: int) -> str | None:
    """The tree to enter, None for a file or when it lies too deep (then it counts as an odd path)."""
    return item.sha if item is not None and item.is_tree and depth < DEPTH_AT_MOST else None
