"""Gathers from a clone what is known about each folder a pull request adds or edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import SetupError
from harness.git.folder_choice import (
    RECORDS,
    Candidate,
    KnownFolders,
    claim_outside,
    record_folders,
    track_folder,
)
from harness.git.history import MainLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.git.history import Merge
    from harness.git.objects import Commit, Difference, ObjectReader, TreeItem


class FolderCandidates:
    """Folders of main and of other pull requests, read once, for telling own work from what came along."""

    def __init__(self, reader: ObjectReader, main: MainLine, heads: Mapping[int, str]) -> None:
        self._reader = reader
        self._main = main
        self._heads = heads
        self._known: dict[str, KnownFolders] = {}
        self._holders: dict[str, list[tuple[int, str]]] | None = None
        self._brought: dict[str, dict[str, Merge]] = {}

    def of(
        self, differences: Sequence[Difference], base: Commit | None, head: Commit, number: int | None
    ) -> tuple[Candidate, ...]:
        """Every folder that the differences add files to or edit, with the facts the choice rests on."""
        present = [each.path for each in differences if each.new is not None]
        added = [each.path for each in differences if each.status == "added"]
        folders = self._touched_folders(present, head) + claim_outside(added)
        found = []
        for folder in folders:
            item = self._reader.find(head.tree, folder)
            if item is None or not item.is_tree:
                continue
            files = {path: file.sha for path, file in self._reader.walk(item.sha)}
            candidate = Candidate(
                path=folder,
                files=files,
                added=sum(path.startswith(f"{folder}/") for path in added),
                existed=base is not None and self._reader.find(base.tree, folder) is not None,
                copy_of=self._copied_from(folder, files, base, number),
                earlier_pr=self._earlier(folder, number, head.sha) if len(folders) > 1 else None,
            )
            if candidate.in_records or candidate.copy_of is None:
                found.append(candidate)
        return tuple(found)

    def _touched_folders(self, present: Sequence[str], head: Commit) -> tuple[str, ...]:
        """Record folders with a changed path; where each begins shows only in all of its files."""
        whole = set(present)
        for folder in {track_folder(path) for path in present} - {None}:
            item = self._reader.find(head.tree, folder or "")
            if item is not None and item.is_tree:
                whole.update(path for path, _ in self._reader.walk(item.sha, f"{folder}/"))
        touched = {holder for path in present for holder in _ancestors(path)}
        return tuple(folder for folder in record_folders(sorted(whole)) if folder in touched)

    def record_items(self, tree: str) -> Iterator[tuple[str, TreeItem]]:
        """Every file under records/ of a root tree, by its path from the root."""
        records = self._reader.find(tree, RECORDS)
        if records is not None and records.is_tree:
            yield from self._reader.walk(records.sha, f"{RECORDS}/")

    def brought_by(self, tip: str) -> Mapping[str, Merge]:
        """For each record folder, the first step of a commit's first-parent chain that had it."""
        if tip not in self._brought:
            line = self._main if tip == self._main.tip else MainLine(self._reader, tip)
            first: dict[str, Merge] = {}
            for step in reversed(line.chain):
                for folder in record_folders(self._paths_added(step)):
                    first.setdefault(folder, step)
            self._brought[tip] = first
        return self._brought[tip]

    def _paths_added(self, step: Merge) -> Iterator[str]:
        old = self._records_tree(step.before) if step.before is not None else None
        new = self._records_tree(step.sha)
        for difference in self._reader.differences(old, new, f"{RECORDS}/"):
            if difference.new is not None:
                yield difference.path

    def _records_tree(self, commit: str) -> str | None:
        item = self._reader.find(self._reader.commit(commit).tree, RECORDS)
        return item.sha if item is not None and item.is_tree else None

    def _copied_from(
        self, folder: str, files: Mapping[str, str], base: Commit | None, number: int | None
    ) -> str | None:
        """The folder of the base or of main that this one repeats; not the one it became when merged."""
        trees = [base.tree] if base is not None else []
        trees.append(self._reader.commit(self._main.tip).tree)
        for tree in trees:
            source = self._known_in(tree).copied_by(files)
            if source is None:
                continue
            step = self.brought_by(self._main.tip).get(source)
            merged_as_itself = source == folder and (step is None or step.pr in {None, number})
            if not merged_as_itself:
                return source
        return None

    def _known_in(self, tree: str) -> KnownFolders:
        records = self._reader.find(tree, RECORDS)
        key = records.sha if records is not None else ""
        if key not in self._known:
            items = {path: item.sha for path, item in self.record_items(tree)}
            folders: dict[str, dict[str, str]] = {folder: {} for folder in record_folders(items)}
            for path, sha in items.items():
                for holder in _ancestors(path):
                    if holder in folders:
                        folders[holder][path[len(holder) + 1 :]] = sha
                        break
            self._known[key] = KnownFolders(folders)
        return self._known[key]

    def _earlier(self, folder: str, number: int | None, head: str) -> int | None:
        """The first earlier pull request, with another head, that has a folder of this path."""
        if number is None:
            return None
        if self._holders is None:
            self._holders = {}
            for pull, sha in sorted(self._heads.items()):
                for path in self._track_folders(sha):
                    self._holders.setdefault(path, []).append((pull, sha))
        holders = self._holders.get(folder, ())
        return next((pull for pull, sha in holders if pull < number and sha != head), None)

    def _track_folders(self, commit: str) -> tuple[str, ...]:
        try:
            records = self._records_tree(commit)
            return tuple(
                f"{RECORDS}/{track.name}/{item.name}"
                for track in (self._reader.tree(records) if records is not None else ())
                if track.is_tree
                for item in self._reader.tree(track.sha)
                if item.is_tree
            )
        except SetupError:  # a damaged neighbour must not stop this pull request
            return ()


def _ancestors(path: str) -> Iterator[str]:
    """The folders a path lies in, innermost first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
