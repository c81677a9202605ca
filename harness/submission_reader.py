"""Reads a folder of files into a frozen `Submission`. Nothing of it is ever executed.

Caps keep a hostile folder from exhausting the machine; whatever a cap left unread is listed in
`Submission.problems`, so that a rule's silence about it is never taken for a pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.claims.readme_claims import read_readme_claims
from harness.claims.submission_json import read_submission_json
from harness.code.source_code import read_code
from harness.errors import SetupError, SubmissionError
from harness.finding import Sourced
from harness.logs.reader import looks_like_log, read_log
from harness.submission import FileKind, Origin, Submission, TextFile, Track

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.file_tree import FileTree
    from harness.logs.training_log import LogFile
    from harness.submission import Code, FileEntry, PullRequestChanges, SubmissionJson

# The largest log of 3,157 in the wild has 2.2 MB; the reader of logs has its own, smaller parsing cap.
LOG_LIMIT_BYTES = 128 * 2**20
LOGS_TOTAL_BYTES = 256 * 2**20
LOGS_AT_MOST = 400
TEXT_LIMIT_BYTES = 2 * 2**20
TEXTS_AT_MOST = 400
# One byte over what json_positions accepts, so that an oversized file is recognised as one.
JSON_LIMIT_BYTES = 16 * 2**20

_TEXT_SUFFIXES = {".md", ".py", ".sh", ".toml", ".cfg", ".ini", ".yaml", ".yml", ".json", ".rst"}
_REQUIREMENTS = re.compile(r"requirements[^/]*\.txt$", re.IGNORECASE)


@dataclass(slots=True)
class _Reading:
    """Files of one tree, with what could not be read."""

    tree: FileTree
    problems: list[str] = field(default_factory=list)

    def read(self, entry: FileEntry, limit_bytes: int) -> bytes | None:
        """The file's bytes, or None with the reason noted (for other kinds of files, by `_not_read`)."""
        if entry.kind is not FileKind.FILE:
            return None
        try:
            data = self.tree.read(entry.path, limit_bytes)
        except (SetupError, SubmissionError, OSError) as error:
            self.problems.append(f"{entry.path} could not be read: {error}")
            return None
        if entry.size_bytes is not None and entry.size_bytes > len(data):
            self.problems.append(
                f"{entry.path} has {entry.size_bytes:,} bytes; only the first {len(data):,} were read"
            )
        return data


def _depth(entry: FileEntry) -> int:
    return entry.path.count("/")


def _named(entries: tuple[FileEntry, ...], pattern: str, usual: str = "") -> FileEntry | None:
    """The shallowest file whose name matches, ignoring case.

    Ties go to the name spelt as `usual`, which organisers and their tools open, then to path order: a second
    file that differs in case only must not stand in for the one people read.
    """
    matching = [
        entry for entry in entries if re.fullmatch(pattern, PurePosixPath(entry.path).name, re.IGNORECASE)
    ]
    return min(
        matching,
        key=lambda entry: (_depth(entry), PurePosixPath(entry.path).name != usual, entry.path),
        default=None,
    )


def _note_rivals(reading: _Reading, entries: tuple[FileEntry, ...], chosen: FileEntry | None) -> None:
    """Say which files differ from the one that was read in the case of their name only."""
    if chosen is None:
        return
    for entry in entries:
        if entry.path != chosen.path and entry.path.lower() == chosen.path.lower():
            reading.problems.append(f"{entry.path} stands beside {chosen.path} and was not read as the claim")


def _decode(path: str, data: bytes, size_bytes: int) -> TextFile:
    encoding = "utf-8"
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        encoding = "utf-16"
    elif data[:3] == b"\xef\xbb\xbf":
        encoding = "utf-8-sig"
    text = data.decode(encoding, errors="replace")
    return TextFile(
        path=path, text=text, size_bytes=size_bytes, encoding=encoding, truncated=size_bytes > len(data)
    )


def _read_text(reading: _Reading, entry: FileEntry | None) -> TextFile | None:
    if entry is None:
        return None
    data = reading.read(entry, TEXT_LIMIT_BYTES)
    if data is None:
        return None
    return _decode(entry.path, data, entry.size_bytes if entry.size_bytes is not None else len(data))


def _read_json(reading: _Reading, entries: tuple[FileEntry, ...]) -> SubmissionJson:
    entry = _named(entries, r"submission\.json", "submission.json")
    entry = entry or _named(entries, r"submission[_-][^/]*\.json")
    _note_rivals(reading, entries, entry)
    if entry is None:
        return read_submission_json(None, None)
    return read_submission_json(entry.path, reading.read(entry, JSON_LIMIT_BYTES))


def _read_logs(reading: _Reading, entries: tuple[FileEntry, ...]) -> tuple[LogFile, ...]:
    candidates = [entry for entry in entries if looks_like_log(entry.path)]
    if len(candidates) > LOGS_AT_MOST:
        reading.problems.append(f"{len(candidates):,} logs: only the first {LOGS_AT_MOST} were read")
    logs: list[LogFile] = []
    left_bytes = LOGS_TOTAL_BYTES
    for entry in candidates[:LOGS_AT_MOST]:
        if left_bytes <= 0:
            reading.problems.append(
                f"{entry.path} was not read: the logs exceed {LOGS_TOTAL_BYTES:,} bytes together"
            )
            continue
        data = reading.read(entry, min(LOG_LIMIT_BYTES, left_bytes))
        if data is None:
            continue
        left_bytes -= len(data)
        logs.append(read_log(entry.path, data, entry.size_bytes or len(data)))
    return tuple(logs)


def _read_texts(reading: _Reading, entries: tuple[FileEntry, ...]) -> dict[str, TextFile]:
    wanted = [
        entry
        for entry in entries
        if entry.kind is FileKind.FILE
        and (PurePosixPath(entry.path).suffix.lower() in _TEXT_SUFFIXES or _REQUIREMENTS.search(entry.path))
    ]
    if len(wanted) > TEXTS_AT_MOST:
        reading.problems.append(f"{len(wanted):,} text files: only the first {TEXTS_AT_MOST} were read")
    texts = {}
    for entry in wanted[:TEXTS_AT_MOST]:
        text = _read_text(reading, entry)
        if text is not None:
            texts[entry.path] = text
    return texts


def track_named(words: str) -> Track | None:
    """The track a free text names ("non-record-unlimited-compute-16mb", "track_10min_16mb"), if any."""
    flat = re.sub(r"[^a-z0-9]+", " ", words.lower())
    if "unlimited" in flat:
        return Track.UNLIMITED
    if re.search(r"\bnon ?record\b|\bnonrecord\b", flat):
        return Track.NON_RECORD
    if re.search(r"\b10 ?min|\brecord\b", flat):
        return Track.RECORD
    return None


def find_track(
    origin: Origin, json: SubmissionJson, track_folders: Mapping[str, str]
) -> tuple[Track, Sourced[str]]:
    """The board the submission asks for: its title, else its json, else its folder; record if none says.

    A folder under the record track whose title or json says non-record asks for the non-record board:
    its author withdrew the record claim, and record-only rules would judge something nobody claims.
    """
    in_title = track_named(origin.title) if origin.title else None
    if origin.title and in_title in {Track.NON_RECORD, Track.UNLIMITED}:
        return in_title, Sourced(origin.title, "pull request title")
    if json.track is not None and (named := track_named(json.track.value)) is not None:
        return named, json.track
    for part in PurePosixPath(origin.entry or origin.path).parts:
        if part in track_folders:
            return Track(track_folders[part]), Sourced(part, origin.entry)
        if part.startswith("track") and (named := track_named(part)) is not None:
            return named, Sourced(part, origin.entry)
    return Track.RECORD, Sourced("no track is named; judged as a record claim", origin.entry)


def _folder_origin(tree: FileTree) -> Origin:
    root = str(getattr(tree, "root", ""))
    return Origin(source="folder", path=root, entry=str(getattr(tree, "entry", "") or ""))


def _not_read(entries: tuple[FileEntry, ...]) -> list[str]:
    """What is in the folder, but is not a regular file with content at hand."""
    problems = []
    for entry in entries:
        if entry.kind is FileKind.MISSING:
            problems.append(f"{entry.path} is in the commit, but its content is not in the clone: not read")
        elif entry.kind is not FileKind.FILE:
            target = f" to {entry.target}" if entry.target else ""
            problems.append(f"{entry.path} is a {entry.kind.value}{target}: not followed, not read")
    return problems


def read_submission(
    tree: FileTree,
    origin: Origin | None = None,
    changes: PullRequestChanges | None = None,
    track_folders: Mapping[str, str] | None = None,
) -> Submission:
    """Read every part of a submission.

    Raises `SubmissionError` when the folder is empty, `SetupError` when the disk or the clone refuses.
    """
    if track_folders is None:
        from harness.ruleset import load_ruleset

        track_folders = load_ruleset().package["track_folders"]
    origin = origin or _folder_origin(tree)
    entries = tree.entries()
    reading = _Reading(tree, [*getattr(tree, "problems", ()), *_not_read(entries)])
    json = _read_json(reading, entries)
    readme = _read_text(reading, _named(entries, r"readme(\.md|\.txt|\.rst)?", "README.md"))
    code: Code = read_code(tree, entries)
    logs = _read_logs(reading, entries)
    texts = _read_texts(reading, entries)
    track, track_source = find_track(origin, json, track_folders)
    return Submission(
        origin=origin,
        track=track,
        track_source=track_source,
        files=entries,
        json=json,
        readme=readme,
        readme_claims=read_readme_claims(readme.path if readme else None, readme.text if readme else ""),
        logs=logs,
        code=code,
        texts=texts,
        changes=changes,
        problems=tuple(dict.fromkeys(reading.problems)),
    )
