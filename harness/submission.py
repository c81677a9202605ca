"""A submission as frozen data. Nothing here reads a disk, runs code or judges.

`read_submission` in `harness.submission_reader` builds it from a `FileTree`; rules only look at it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

    from harness.finding import Sourced
    from harness.logs.training_log import LogFile


class Track(StrEnum):
    """The board a submission asks to be on."""

    RECORD = "record"
    NON_RECORD = "non-record"
    UNLIMITED = "unlimited"


class FileKind(StrEnum):
    """What a path is; only regular files are ever read."""

    FILE = "file"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    MISSING = "missing"  # named in a tree, but its content is not in the clone
    OTHER = "other"  # device, socket, fifo


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One path of the submission folder, relative to it, with its size where known."""

    path: str
    kind: FileKind
    size_bytes: int | None
    blob: str | None = None  # git object id, None for a folder on disk
    target: str | None = None  # of a symlink


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the submission was read from, and what is known about its pull request.

    `title`, `created_at`, `author` and `draft` come from `--pr-metadata` or from a merge commit; a plain
    clone does not hold them, then they are None. `commit_date` is the head commit's own date (forgeable).
    """

    source: str  # "folder" | "git"
    path: str  # folder on disk, or the clone
    entry: str  # folder of the submission relative to the repository root, "" when unknown
    commit: str | None = None
    pr: int | None = None
    ref: str | None = None
    base: str | None = None  # commit the changes were counted from
    title: str | None = None
    created_at: datetime.datetime | None = None
    commit_date: datetime.datetime | None = None
    author: str | None = None
    draft: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChange:
    """One path a pull request changes. `status` is added, modified, deleted."""

    path: str
    status: str
    kind: FileKind
    added_lines: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherFolder:
    """Another records folder in the same pull request and why it is not the submission."""

    path: str
    why: str  # "copy of <path on base>", "edits an existing record", "no submission.json", ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestChanges:
    """Everything the pull request touches, against its merge base."""

    changes: tuple[PathChange, ...]
    outside_records: tuple[PathChange, ...]
    other_folders: tuple[OtherFolder, ...] = ()
    why_this_folder: str = ""
    ambiguous_folder: bool = False  # another folder is as good; only title, date or name decided


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A decoded text file of the folder. `text` is cut at the reader's cap; `truncated` says so."""

    path: str
    text: str
    size_bytes: int
    encoding: str = "utf-8"
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonProblem:
    """A defect of submission.json. `kind` is kebab-case ("duplicate-key", "not-a-number", "invalid")."""

    kind: str
    message: str
    line: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedClaim:
    """What submission.json (or the README table, see `source`) claims for one seed."""

    seed: int | None
    label: str
    source: str  # "submission.json" | "README"
    val_bpb: Sourced[float] | None = None
    val_loss: Sourced[float] | None = None
    total_bytes: Sourced[int] | None = None
    model_bytes: Sourced[int] | None = None
    code_bytes: Sourced[int] | None = None
    steps: Sourced[int] | None = None
    train_seconds: Sourced[float] | None = None
    eval_seconds: Sourced[float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionJson:
    """submission.json, read leniently: every variant of a field ends in one attribute.

    `present` False means there is no such file. `parsed` False means it is not a JSON object; `problems`
    say why. `headline` is the claimed score in bits per byte; `headline_key` the key it stood under.
    """

    path: str
    present: bool
    parsed: bool
    problems: tuple[JsonProblem, ...] = ()
    headline: Sourced[float] | None = None
    headline_key: str = ""
    val_loss: Sourced[float] | None = None
    stated_std: Sourced[float] | None = None
    name: Sourced[str] | None = None
    author: Sourced[str] | None = None
    github_id: Sourced[str] | None = None
    date: Sourced[str] | None = None
    track: Sourced[str] | None = None
    total_bytes: Sourced[int] | None = None
    code_bytes: Sourced[int] | None = None
    model_bytes: Sourced[int] | None = None
    train_seconds: Sourced[float] | None = None
    eval_seconds: Sourced[float] | None = None
    steps: Sourced[int] | None = None
    hardware: Sourced[str] | None = None
    seeds: tuple[Sourced[int], ...] = ()
    per_seed: tuple[SeedClaim, ...] = ()
    compliance: Mapping[str, Sourced[bool]] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadmeClaims:
    """What the README says in numbers: scores with lines, a per-seed table if it has one."""

    path: str | None
    scores: tuple[Sourced[float], ...] = ()
    per_seed: tuple[SeedClaim, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One script or native source the submission runs.

    `shipped_bytes` is the size on disk. `text` is the effective source (after undoing a wrapper, then
    `layers` names them, outermost first, and `unpacked` is True); None when it could not be decoded.
    `parses` is None when nobody tried (not Python). `parse_error` says what failed.
    """

    path: str
    shipped_bytes: int
    text: str | None
    unpacked: bool = False
    layers: tuple[str, ...] = ()
    reached_by: str = "entry"  # "entry" | "import" | "exec" | "compile" | "data"
    reached_from: Sourced[str] | None = None  # the line that reaches it
    parses: bool | None = None
    parse_error: str | None = None
    imports: tuple[tuple[str, int], ...] = ()  # top-level names of imported modules, with their lines


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionDefault:
    """The whole-number default of a command-line option of any script in the folder, reached or not."""

    option: str  # as spelled, "--val-docs"
    value: Sourced[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeProblem:
    """Something about the code that a reader should know: no script, two candidates, undecodable wrapper."""

    kind: (
        str  # "no-script" | "ambiguous-entry" | "empty-entry" | "undecodable" | "unparseable" | "bomb" | ...
    )
    message: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The entry script, every project file it reaches, and how much code that is.

    `packed_bytes` is our own lzma+base85 size of the whole closure (conservative: not minified), None when
    there is no text to pack. `how_chosen` says why this script is the entry.
    """

    entry: SourceFile | None
    how_chosen: str = ""
    closure: tuple[SourceFile, ...] = ()  # without the entry
    packed_bytes: int | None = None
    packed_minified_bytes: int | None = None  # the same after a simple minifier; None when it ships packed
    option_defaults: tuple[OptionDefault, ...] = ()
    problems: tuple[CodeProblem, ...] = ()

    @property
    def shipped_bytes(self) -> int | None:
        """Entry script plus closure as they lie on disk; None without an entry."""
        if self.entry is None:
            return None
        return self.entry.shipped_bytes + sum(f.shipped_bytes for f in self.closure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Everything the reader found, with the place of every value."""

    origin: Origin
    track: Track
    track_source: Sourced[str]
    files: tuple[FileEntry, ...]
    json: SubmissionJson
    readme: TextFile | None
    readme_claims: ReadmeClaims
    logs: tuple[LogFile, ...]
    code: Code
    texts: Mapping[str, TextFile] = field(default_factory=dict)  # requirements.txt, *.sh, other .py ...
    changes: PullRequestChanges | None = None  # None for a plain folder: nothing to compare against
    problems: tuple[str, ...] = ()  # files skipped, caps reached: what the reader could not see
