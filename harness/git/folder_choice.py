"""Decides which folder is the submission. Pure: it sees paths and object ids, never a disk or a clone.

Of 2,059 pull requests 257 add more than one folder under records/: copies of accepted records that came
with a fork, folders of the author's earlier pull requests, ablations beside the claim. The first kinds are
recognised; among complete folders that remain the choice is a convention, and is marked ambiguous.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import SubmissionError
from harness.submission import OtherFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RECORDS = "records"
# A folder whose files are nearly all those of another one, with its submission.json, claims nothing new.
COPY_SHARE = 0.8
PARTS = 4  # submission.json, script, train log, README: what the README asks for

_JSON = re.compile(r"submission([_-][^/]*)?\.json", re.IGNORECASE)
_SCRIPT = re.compile(r"(train[^/]*|submission)\.py", re.IGNORECASE)
_README = re.compile(r"readme(\.[a-z]+)*", re.IGNORECASE)
_LOG = re.compile(r"[^/]*\.(log|out)|[^/]*(log|train|seed)[^/]*\.txt", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(20\d\d)(?:[-_](\d{1,2})[-_](\d{1,2})|(\d\d)(\d\d))(?!\d)")
_WORD = re.compile(r"\d+\.\d+|[a-z]{3,}|[a-z]*\d+[a-z]*")
_COMMON_WORDS = frozenset(
    {"record", "submission", "val", "bpb", "mean", "seed", "the", "and", "with", "10min"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A folder a pull request adds to or edits. `files` maps its paths (relative to it) to object ids."""

    path: str
    files: Mapping[str, str]
    added: int  # paths of it that the pull request adds
    existed: bool = False  # the base already has a folder of this path
    copy_of: str | None = None  # folder on the base or on main that it repeats
    earlier_pr: int | None = None  # an earlier pull request that already had this folder

    def _has(self, pattern: re.Pattern[str]) -> bool:
        return any(pattern.fullmatch(name.rsplit("/", 1)[-1]) for name in self.files)

    @property
    def has_json(self) -> bool:
        """Whether there is a submission.json, or submission_<variant>.json as three merged folders have."""
        return self._has(_JSON)

    @property
    def has_script(self) -> bool:
        """Whether there is Python to run."""
        return any(name.endswith(".py") for name in self.files)

    @property
    def parts_present(self) -> int:
        """How many of submission.json, script, train log and README the folder has (0 to 4)."""
        return self.has_json + self.has_script + self._has(_LOG) + self._has(_README)

    @property
    def in_records(self) -> bool:
        """Whether it lies where the README asks for it."""
        return self.path.startswith(f"{RECORDS}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderChoice:
    """The submission folder, in words why, and every other folder with the reason against it.

    `ambiguous` says that another folder is as good by every fact, and only title, date or name decided.
    """

    path: str
    why: str
    ambiguous: bool = False
    others: tuple[OtherFolder, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownFolders:
    """Record folders that main or the base already has, for recognising copies of them."""

    files: Mapping[str, Mapping[str, str]]
    _holders: dict[str, set[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:  # noqa: D105
        for path, files in self.files.items():
            for blob in files.values():
                self._holders.setdefault(blob, set()).add(path)

    def copied_by(self, files: Mapping[str, str]) -> str | None:
        """The folder whose files these nearly all are (submission.json included), None for own work."""
        if not files:
            return None
        hits = Counter(path for blob in files.values() for path in self._holders.get(blob, ()))
        json = {blob for name, blob in files.items() if _JSON.fullmatch(name.rsplit("/", 1)[-1])}
        for path, count in sorted(hits.items(), key=lambda item: (-item[1], item[0])):
            if count < COPY_SHARE * len(files):
                return None
            if json <= set(self.files[path].values()):
                return path
        return None


def is_marker(name: str) -> bool:
    """Whether a file of this name makes its folder a submission: submission*.json or a train script."""
    return bool(_JSON.fullmatch(name) or _SCRIPT.fullmatch(name))


def track_folder(path: str) -> str | None:
    """records/track_<x>/<name> for a path inside such a folder, whatever stands before records/."""
    parts = path.split("/")
    if len(parts) >= 4 and parts[0] == RECORDS and parts[1].startswith("track"):
        return "/".join(parts[:3])
    return None


def _marked_folders(paths: Iterable[str], below: str = "") -> dict[str, None]:
    """The topmost folders strictly below `below` that directly hold a submission.json or a train script."""
    holders = {path.rpartition("/")[0] for path in paths if is_marker(path.rpartition("/")[2])}
    depth = len(below.split("/")) if below else 0
    topmost: dict[str, None] = {}
    for folder in sorted(holders, key=lambda folder: (folder.count("/"), folder)):
        parts = folder.split("/") if folder else []
        if len(parts) <= depth:
            continue
        above = {"/".join(parts[:length]) for length in range(depth + 1, len(parts))}
        if not above & topmost.keys():
            topmost[folder] = None
    return topmost


def _refined(folder: str, paths: Sequence[str]) -> list[str]:
    """A track folder whose files all lie deeper (a '/' in its name, variants) becomes what holds them."""
    if any(path.rpartition("/")[0] == folder for path in paths):
        return [folder]
    marked = list(_marked_folders(paths, folder))
    inside = all(any(path.startswith(f"{each}/") for each in marked) for path in paths)
    return marked if len(marked) > 1 or (marked and inside) else [folder]


def record_folders(paths: Iterable[str]) -> tuple[str, ...]:
    """Every submission folder among paths that start at the repository root, sorted.

    records/track_<x>/<name> counts whatever it holds; elsewhere below records/ a folder counts when it
    directly holds a submission.json or a train script, else the top folder below records/ does. Files
    lying loose in records/ or in a track folder belong to none.
    """
    tracked: dict[str, list[str]] = {}
    untracked = []
    for path in paths:
        folder = track_folder(path)
        if folder is not None:
            tracked.setdefault(folder, []).append(path)
        elif path.startswith(f"{RECORDS}/") and path.count("/") >= 2:
            untracked.append(path)
    found = {inner for folder, inside in tracked.items() for inner in _refined(folder, inside)}
    untracked = [path for path in untracked if not _loose_in_track(path)]
    marked = _marked_folders(untracked, RECORDS)
    found.update(marked)
    for path in untracked:
        if not any(path.startswith(f"{folder}/") for folder in marked):
            top = "/".join(path.split("/")[:2])
            if not any(folder.startswith(f"{top}/") for folder in marked):
                found.add(top)
    return tuple(sorted(found))


def _loose_in_track(path: str) -> bool:
    parts = path.split("/")
    return len(parts) == 3 and parts[1].startswith("track")


def marked_folders(paths: Iterable[str]) -> tuple[str, ...]:
    """Folders outside any records/ layout that hold a submission.json or train script; topmost only."""
    return tuple(sorted(_marked_folders(paths)))


def claim_outside(paths: Sequence[str]) -> tuple[str, ...]:
    """The folder outside records/ that holds both a submission.json and Python: a claim in the wrong place.

    Several such folders are experiments lying about, and none of them is taken for the claim.
    """
    outside = [path for path in paths if not path.startswith(f"{RECORDS}/")]
    names: dict[str, set[str]] = {}
    for path in outside:
        folder, _, name = path.rpartition("/")
        names.setdefault(folder, set()).add(name)
    found = [
        folder
        for folder in _marked_folders(outside)
        if any(_JSON.fullmatch(name) for name in names[folder])
        and any(name.endswith(".py") for name in names[folder])
    ]
    return tuple(found) if len(found) == 1 else ()


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower())) - _COMMON_WORDS


def _date_in(path: str) -> str:
    found = _DATE.search(path)
    return "-".join(part.zfill(2) for part in found.groups() if part) if found else ""


def _facts(candidate: Candidate) -> tuple[int, ...]:
    """What speaks for a folder, strongest first; two folders equal here are an ambiguity."""
    own_work = 0 if candidate.copy_of else 1 if candidate.existed else 2
    return (
        own_work,
        int(candidate.has_json or candidate.has_script),
        int(candidate.earlier_pr is None),
        int(candidate.parts_present == PARTS),
        int(candidate.in_records),
        candidate.parts_present,
    )


def _convention(candidate: Candidate, title: str) -> tuple[int, str, int]:
    """Title, then date in the path, then size: conventions, where facts do not decide."""
    shared = len(_words(title) & _words(candidate.path.rsplit("/", 1)[-1]))
    return (shared, _date_in(candidate.path), candidate.added)


def _why_not(candidate: Candidate) -> str:
    if candidate.copy_of:
        return f"copy of {candidate.copy_of}"
    if candidate.existed:
        return "edits an existing record"
    if candidate.earlier_pr is not None:
        return f"already in pull request #{candidate.earlier_pr}"
    return "second submission" if candidate.has_json else "no submission.json"


def _why(chosen: Candidate, rival: Candidate | None, title: str) -> str:
    if chosen.existed:
        return "edits an existing record; adds no folder"
    if rival is None:
        return f"the only folder; it repeats {chosen.copy_of}" if chosen.copy_of else "the only folder"
    if _facts(chosen) != _facts(rival):
        against = f"{rival.path}: {_why_not(rival)}"
        if _why_not(rival) == "second submission":
            against = f"{rival.path}: less complete ({rival.parts_present} of {PARTS} parts)"
        return f"the most complete own folder ({chosen.parts_present} of {PARTS} parts); next best {against}"
    if _convention(chosen, title)[0] > _convention(rival, title)[0]:
        return f"several complete folders; this one is named most like the title ({rival.path} less)"
    if _date_in(chosen.path) > _date_in(rival.path):
        return f"several complete folders; this one has the latest date ({rival.path} is older)"
    return f"several complete folders and nothing tells them apart; as good: {rival.path}"


def choose_folder(candidates: Sequence[Candidate], title: str | None = None) -> FolderChoice:
    """The one folder that is the submission.

    Facts first (own work before edits and copies; a submission.json or script; not already in an earlier
    pull request; complete; under records/; most parts present), then conventions (title, date, number of
    files).
    Raises `SubmissionError` when there is no candidate, or several and all are edits or copies of
    records that others brought: then nothing tells what is claimed.
    """
    if not candidates:
        raise SubmissionError("no folder under records/ is added or edited")
    if len(candidates) > 1 and all(each.existed or each.copy_of for each in candidates):
        edited = sum(each.existed for each in candidates)
        raise SubmissionError(
            f"it adds no folder of its own: {edited} existing record folders are edited, "
            f"{len(candidates) - edited} folders repeat records of main"
        )
    words = title or ""
    ranked = sorted(candidates, key=lambda each: each.path)
    ranked.sort(key=lambda each: (_facts(each), _convention(each, words)), reverse=True)
    chosen, *rest = ranked
    rival = rest[0] if rest else None
    return FolderChoice(
        path=chosen.path,
        why=_why(chosen, rival, words) + ("" if chosen.in_records else "; it lies outside records/"),
        ambiguous=rival is not None and _facts(rival) == _facts(chosen),
        others=tuple(OtherFolder(path=each.path, why=_why_not(each)) for each in rest),
    )


def forced_folder(path: str, candidates: Sequence[Candidate]) -> FolderChoice:
    """The folder somebody named, with every other candidate as such; it need not be a candidate itself."""
    others = tuple(
        OtherFolder(path=each.path, why=_why_not(each)) for each in candidates if each.path != path
    )
    return FolderChoice(path=path, why="named by the caller", others=others)
