"""The record a submission has to beat: given on the command line, or found in the clone's own history.

The frontier is read from the leaderboard table that main shows *now*: which row an organiser had in front
of him on a given day is not recorded. For pull request N the record is the best row of an earlier number,
so rows that were accepted later than N was judged count too; `Reference.source` says so.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import GolfError, SetupError
from harness.evidence.leaderboard_table import read_leaderboard
from harness.evidence.significance import mean
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.evidence.leaderboard_table import TableRow
    from harness.file_tree import FileTree
    from harness.git.pull_request import Clone, PullRequestSubmission
    from harness.submission import FileEntry, Origin

# The table shows four decimals, sometimes a best seed instead of the mean (#63, #287), once three decimals
# (#49): scores whose mean lies further away belong to another folder or were not read rightly.
TABLE_TOLERANCE_BPB = 2e-3
README_LIMIT_BYTES = 2_000_000

# A score in bits per byte of any model that learned anything; a typing slip lies outside.
_PLAUSIBLE_BPB = (0.05, 8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The standing record: per-seed scores (bits per byte) and where they came from.

    `bytes_per_token` is that of the reference's own tokenizer where known, None otherwise.
    `source` says who named it ("--reference", "main at 1a2b3c4, PR #1855").
    """

    name: str
    scores: tuple[float, ...]
    source: str
    pr: int | None = None
    bytes_per_token: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierRow:
    """One accepted row. `pr` is 0 for what was there at launch.

    `scores` are per seed where `scores_from` (folder or pull request) proves or claims them, else the one
    number of the table. `scores_pr` is the pull request the scores came from: a row may rest on a rerun in
    another one (#1851 on #1868). `how` says it in words.
    """

    pr: int
    name: str
    scores: tuple[float, ...]
    how: str
    folder: str | None = None
    scores_pr: int | None = None
    bytes_per_token: float | None = None

    @property
    def mean(self) -> float:
        """Mean over the scores, bits per byte."""
        return mean(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """All rows of the table at `commit`, in order of their pull requests. Picklable and small."""

    commit: str
    revision: str
    rows: tuple[FrontierRow, ...]

    def before(self, pr: int | None) -> Reference | None:
        """The best row among earlier pull requests; None when the number or any earlier row is unknown.

        Rows of the pull request itself, and rows whose scores were taken from it, do not count.
        """
        if pr is None:
            return None
        earlier = [row for row in self.rows if row.pr < pr and row.scores_pr != pr]
        if not earlier:
            return None
        best = min(earlier, key=lambda row: (row.mean, row.pr))
        name = f"#{best.pr}" if best.pr else best.name
        return Reference(
            name=name,
            scores=best.scores,
            source=(
                f"best row of a pull request before #{pr} in the leaderboard of {self.revision} at "
                f"{self.commit[:9]} ({best.name}, {best.how}); the table as it stands now, which may hold "
                f"rows that were accepted after #{pr} was judged"
            ),
            pr=best.pr or None,
            bytes_per_token=best.bytes_per_token,
        )

    def chain(self) -> tuple[tuple[FrontierRow, FrontierRow | None], ...]:
        """Each row with the row it had to beat (None for the first)."""
        steps = []
        for row in self.rows:
            earlier = [other for other in self.rows if other.pr < row.pr]
            steps.append((row, min(earlier, key=lambda other: (other.mean, other.pr), default=None)))
        return tuple(steps)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back without loss."""
        return {
            "commit": self.commit,
            "revision": self.revision,
            "rows": [
                {name: getattr(row, name) for name in FrontierRow.__dataclass_fields__} for row in self.rows
            ],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Frontier:
        """Read `to_json`'s object; raises `SetupError` when a field is missing or of a wrong kind."""
        try:
            rows = tuple(FrontierRow(**{**row, "scores": tuple(row["scores"])}) for row in document["rows"])
            return cls(commit=document["commit"], revision=document["revision"], rows=rows)
        except (KeyError, TypeError, AttributeError) as error:
            raise SetupError(f"not a stored frontier: {error}") from error


# --- from the command line -------------------------------------------------------------------------------


def _checked(numbers: Sequence[float], what: str) -> tuple[float, ...]:
    low, high = _PLAUSIBLE_BPB
    bad = [number for number in numbers if not (math.isfinite(number) and low <= number <= high)]
    if bad or not numbers:
        why = f"{bad[0]} is no score between {low} and {high} bits per byte" if bad else "it holds no score"
        raise SetupError(
            f'--reference {what}: {why}; give per-seed scores ("1.0611,1.0608,1.0622"), a submission '
            f"folder or its submission.json"
        )
    return tuple(numbers)


def parse_reference(text: str) -> Reference:
    """A reference from the command line: comma-separated scores, a submission folder, or a JSON file.

    Raises `SetupError` saying what is wrong and what may be given.
    """
    words = [word for word in re.split(r"[,;\s]+", text.strip()) if word]
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if numbers:
        return Reference(name="--reference", scores=_checked(numbers, text), source="given with --reference")
    path = Path(text)
    if path.is_dir():
        return _reference_from_folder(path)
    if path.is_file():
        return _reference_from_json(path)
    raise SetupError(
        f"--reference {text!r}: neither numbers nor an existing path; give per-seed scores "
        f'("1.0611,1.0608"), a submission folder or its submission.json'
    )


def _reference_from_folder(path: Path) -> Reference:
    from harness.folder_tree import FolderTree

    found = _scores_of(FolderTree(path), None)
    return Reference(
        name=path.resolve().name,
        scores=_checked(found[0].scores if found else (), str(path)),
        source=f"--reference {path}: {found[0].how}",
        bytes_per_token=found[0].bytes_per_token,
    )


def _reference_from_json(path: Path) -> Reference:
    from harness.claims.submission_json import read_submission_json

    try:
        data = path.read_bytes()
    except OSError as error:
        raise SetupError(f"--reference {path}: {error.strerror}") from error
    document = read_submission_json(path.name, data)
    claims = [claim.val_bpb.value for claim in document.per_seed if claim.val_bpb is not None]
    if not claims and document.headline is not None:
        claims = [document.headline.value]
    return Reference(
        name=document.name.value if document.name else path.name,
        scores=_checked(claims, str(path)),
        source=f"--reference {path}: scores it states",
    )


# --- from the clone --------------------------------------------------------------------------------------


class _EvidenceOnly:
    """A file tree without its scripts: scores do not need them, and unpacking and packing them is slow."""

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree
        self.root = getattr(tree, "root", "")
        self.entry = getattr(tree, "entry", "")

    def entries(self) -> tuple[FileEntry, ...]:
        """Logs, JSON and README files."""
        from harness.logs.reader import looks_like_log

        return tuple(
            entry
            for entry in self._tree.entries()
            if looks_like_log(entry.path) or entry.path.lower().endswith((".json", ".md"))
        )

    def read(self, path: str, limit_bytes: int) -> bytes:
        """As the tree itself."""
        return self._tree.read(path, limit_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FolderScores:
    """Scores of one folder, how they were had, and its bytes per token."""

    scores: tuple[float, ...]
    how: str
    bytes_per_token: float | None


def _scores_of(tree: FileTree, origin: Origin | None) -> tuple[_FolderScores, ...]:
    """What a folder proves by logs, then what it states per seed; empty when it holds no score."""
    from harness.evidence.seed_evidence import collect_evidence
    from harness.evidence.seed_scores import claimed_sample, evidence_bytes_per_token, score_sample
    from harness.ruleset import load_ruleset
    from harness.submission_reader import read_submission

    submission = read_submission(_EvidenceOnly(tree), origin)
    ruleset = load_ruleset()
    evidence = collect_evidence(submission, ruleset.limits(ruleset.newest))
    per_token = evidence_bytes_per_token(submission, evidence)
    found = []
    for sample in (score_sample(submission, evidence), claimed_sample(submission)):
        if sample is not None:
            kind = "logged" if sample.proven else "stated but not logged"
            how = count_of(len(sample.values), f"{kind} score")
            found.append(_FolderScores(scores=sample.values, how=how, bytes_per_token=per_token))
    return tuple(found)


def _readme_at(clone: Clone, sha: str) -> str:
    data = clone.read_file(sha, "README.md", README_LIMIT_BYTES)
    if data is None:
        raise SetupError(
            f"{clone.path} at {sha[:9]} has no README.md, so no leaderboard: name the record with --reference"
        )
    return data.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """A records folder that may prove a row."""

    folder: str
    pr: int | None
    where: str
    found: PullRequestSubmission


def _folders_of(row: TableRow, clone: Clone, on_main: Sequence[PullRequestSubmission]) -> list[_Folder]:
    """The folders a row points at: named, brought by a linked pull request, or still in that one's head."""
    folders = [
        _Folder(folder=found.origin.entry, pr=found.origin.pr, where="records on main", found=found)
        for found in on_main
        if found.origin.entry in row.folders or (found.origin.pr is not None and found.origin.pr in row.pulls)
    ]
    for pull in row.pulls:
        if any(folder.pr == pull for folder in folders):
            continue
        try:
            found = clone.pull_request(pull)
        except GolfError:  # its head is not in the clone, or holds no folder: the table's number is left
            continue
        where = f"the head of #{pull}, no folder on main"
        folders.append(_Folder(folder=found.origin.entry, pr=pull, where=where, found=found))
    first = row.pulls[0] if row.pulls else None
    return sorted(folders, key=lambda folder: folder.pr != first)


def _fitting(folder: _Folder, table_score: float) -> _FolderScores | None:
    """The first scores of a folder whose mean is that of the table; logs of another run do not fit (#86)."""
    try:
        candidates = _scores_of(folder.found.tree, folder.found.origin)
    except GolfError:  # unreadable: the table's number is left
        return None
    fits = (each for each in candidates if abs(mean(each.scores) - table_score) <= TABLE_TOLERANCE_BPB)
    return next(fits, None)


def _frontier_row(row: TableRow, clone: Clone, on_main: Sequence[PullRequestSubmission]) -> FrontierRow:
    folders = _folders_of(row, clone, on_main)
    first = folders[0].pr if folders else None
    pr = row.pulls[0] if row.pulls else (first or 0)
    best: FrontierRow | None = None
    for folder in folders:
        found = _fitting(folder, row.score)
        if found is not None and (best is None or len(found.scores) > len(best.scores)):
            best = FrontierRow(
                pr=pr,
                name=row.run,
                scores=found.scores,
                how=f"{found.how} in {folder.folder} ({folder.where})",
                folder=folder.folder,
                scores_pr=folder.pr,
                bytes_per_token=found.bytes_per_token,
            )
    if best is not None:
        return best
    how = f"the one number of README.md:{row.line}; no per-seed scores were found for it"
    return FrontierRow(pr=pr, name=row.run, scores=(row.score,), how=how)


def _read_frontier(clone: Clone, revision: str) -> Frontier:
    try:
        on_main = clone.records(revision)
    except GolfError as error:
        raise SetupError(f"{clone.path}: no accepted records at {revision}: {error}") from error
    sha = on_main[0].origin.commit or revision
    table = read_leaderboard(_readme_at(clone, sha))
    if not table:
        raise SetupError(
            f"{clone.path}: README.md at {sha[:9]} has no leaderboard table: name the record with --reference"
        )
    rows = [_frontier_row(row, clone, on_main) for row in table]
    return Frontier(commit=sha, revision=revision, rows=tuple(sorted(rows, key=lambda row: row.pr)))


@lru_cache(maxsize=4)
def find_frontier(clone: Clone, revision: str = "main") -> Frontier:
    """The accepted rows of a clone, read once for each open clone and revision (some seconds).

    Raises `SetupError` when the clone has no accepted records or no leaderboard table there.
    """
    return _read_frontier(clone, revision)
