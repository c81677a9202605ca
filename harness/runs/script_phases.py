"""Where training ends and evaluation begins in a script that does both in one process.

Told by what the kernel and our clock saw, not by what the script printed:

- training begins when the process starts: imports, compilation and warm-up are training time ("artifact
  creation is not untimed", openai/parameter-golf #569);
- it ends when the artifact is whole: the file that is written, closed and read back, else the last one
  written that is no log and no source;
- evaluation is everything after that, to the death of the last process. Optimizer steps in it are
  adaptation, reads of training shards in it are a notice, and so are reads of another file that training
  wrote: one artifact is counted. It scores from when a model is first put into evaluation mode in it.

Without an artifact no boundary was seen, and nothing is made up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.runs.run_record import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.watching.event_pipe import WatchedEvent
    from harness.watching.file_watch import FileEvent

# Labels of the watched folders.
TRAIN, VALIDATION, OUT = "train", "validation", "out"
# What scripts write beside an artifact: logs, plots, sources, caches of compilers.
_NO_ARTIFACT = (
    ".log", ".txt", ".md", ".json", ".jsonl", ".csv", ".tsv", ".py", ".pyc", ".so", ".c", ".cpp", ".cu",
    ".o", ".png", ".svg", ".lock", ".tmp", ".ptx", ".cubin", ".ttir", ".ttgir", ".llir",
)  # fmt: skip
_HOME = ".home/"  # of the run, below its working folder
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptPhases:
    """Times in seconds since the process was started, by our clock; None where nothing was seen.

    `artifact` is relative to the working folder, `first_scoring` when a model was first put into evaluation
    mode after it was whole. `steps_before` and `steps_after` count optimizer steps of
    rank 0 on either side of the boundary; all of them are before it when there is none.
    """

    end: float
    artifact: str | None = None
    artifact_whole: float | None = None
    first_train_read: float | None = None
    first_validation_read: float | None = None
    first_step: float | None = None
    last_training_step: float | None = None
    first_scoring: float | None = None
    steps_before: int = 0
    steps_after: int = 0
    notices: tuple[Notice, ...] = ()
    is_read_back: bool = True  # whether the whole artifact was opened again; True too where events were lost

    @property
    def train_seconds(self) -> float | None:
        """To the whole artifact; None where no artifact was seen."""
        return self.artifact_whole

    @property
    def moments(self) -> dict[str, float]:
        """What was seen, by name: moments in seconds since the start, and counts of steps."""
        named = {
            "artifact_whole": self.artifact_whole,
            "first_train_read": self.first_train_read,
            "first_validation_read": self.first_validation_read,
            "first_step": self.first_step,
            "last_training_step": self.last_training_step,
            "first_scoring": self.first_scoring,
            "steps_before": self.steps_before,
            "steps_after": self.steps_after,
        }
        return {name: round(value, 4) for name, value in named.items() if value is not None}

    @property
    def eval_seconds(self) -> float | None:
        """From the whole artifact to the end; None where no artifact was seen."""
        return None if self.artifact_whole is None else max(self.end - self.artifact_whole, 0.0)


def script_phases(
    files: Sequence[FileEvent],
    watched: Sequence[WatchedEvent],
    end: float,
    *,
    train_limit: float | None = None,
    is_incomplete: bool = False,
) -> ScriptPhases:
    """The phases of one run that ended at `end`; `is_incomplete` says that events were dropped.

    `files` are events of the folders `TRAIN`, `VALIDATION` and `OUT`, in order. `train_limit` in seconds:
    training data opened after it is a notice even where no artifact was seen.
    """
    artifact, whole = _artifact(files)
    steps = [event for event in watched if event.kind == "step" and event.rank in {None, 0}]
    before = [event for event in steps if whole is None or event.at <= whole]
    scoring = (event.at for event in watched if event.kind == "evaluates" and event.rank in {None, 0})
    notices = list(_data_notices(files, whole, train_limit))
    notices += _second_artifacts(files, artifact, whole)
    notices += _outside_notices(watched)
    if not is_incomplete:
        notices += _never_opened(files)
    if is_incomplete:
        notices.append(Notice(kind="events-lost", message="more happened than could be watched"))
    if not any(event.kind == "start" for event in watched):
        notices.append(
            Notice(
                kind="not-watched",
                message="no Python process of the script told anything; only files and the clock were seen",
            )
        )
    return ScriptPhases(
        end=end,
        artifact=artifact,
        artifact_whole=whole,
        first_train_read=_first(files, TRAIN),
        first_validation_read=_first(files, VALIDATION),
        first_step=min((event.at for event in steps), default=None),
        last_training_step=max((event.at for event in before), default=None),
        first_scoring=min((at for at in scoring if whole is not None and at >= whole), default=None),
        steps_before=sum(event.count for event in before),
        steps_after=sum(event.count for event in steps) - sum(event.count for event in before),
        notices=tuple(notices),
        is_read_back=is_incomplete or _is_read_back(files, artifact),
    )


def is_artifact_name(path: str) -> bool:
    """Whether a file of that name can be the artifact: no log, no source, no compiler's cache, no shard."""
    name = path.lower()
    return not name.endswith(_NO_ARTIFACT) and not name.rpartition("/")[2].startswith("fineweb_")


def _artifact(files: Sequence[FileEvent]) -> tuple[str | None, float | None]:
    """The artifact and when it was whole: written for the last time, whatever was read from it before."""
    written: dict[str, float] = {}
    read_back: set[str] = set()
    for event in files:
        if event.folder != OUT or not is_artifact_name(event.path):
            continue
        if event.kind == "written":
            written[event.path] = event.at
        elif event.kind == "opened" and event.path in written:
            read_back.add(event.path)
        elif event.kind == "deleted":
            written.pop(event.path, None)
    kept = {path: at for path, at in written.items() if path in read_back} or written
    if not kept:
        return None, None
    path = max(kept, key=lambda each: kept[each])
    return path, kept[path]


def _is_read_back(files: Sequence[FileEvent], artifact: str | None) -> bool:
    """Whether the artifact was opened after its last writing; told by order, as times can be equal."""
    last = next(
        (e.kind for e in reversed(files) if e.folder == OUT and e.path == artifact and e.kind != "deleted"),
        "",
    )
    return last == "opened"


def _second_artifacts(
    files: Sequence[FileEvent], artifact: str | None, whole: float | None
) -> Iterable[Notice]:
    """Files of the run beside its artifact, whole before it was and opened after: nobody counted them.

    A file with the name of a log counts when it is opened more often than it is written, so that logs which
    are appended to do not; of the home folder, where compilers keep theirs, files with names of an artifact.
    """
    if whole is None:
        return
    before = {
        event.path for event in files if event.folder == OUT and event.kind == "written" and event.at <= whole
    }
    late = [event for event in files if event.folder == OUT and event.at > whole and event.path in before]
    excess = Counter(event.path for event in late if event.kind == "opened")
    appended = Counter(event.path for event in late if event.kind == "written")
    for path in appended:
        if not is_artifact_name(path):
            excess[path] -= appended[path]
    names = {
        path
        for path, times in excess.items()
        if times > 0 and path != artifact and (is_artifact_name(path) or not path.startswith(_HOME))
    }
    found = [event for event in late if event.kind == "opened" and event.path in names]
    if found:
        yield Notice(
            kind="second-artifact",
            message=f"the evaluation opened {_named(found)}, which training wrote: of it only {artifact} is "
            "counted",
            at=found[0].at,
        )


def _first(files: Iterable[FileEvent], folder: str) -> float | None:
    return next((event.at for event in files if event.folder == folder and event.kind == "opened"), None)


def _data_notices(
    files: Sequence[FileEvent], whole: float | None, train_limit: float | None
) -> Iterable[Notice]:
    late = [event for event in files if event.folder == TRAIN and event.kind == "opened"]
    after = [event for event in late if whole is not None and event.at > whole]
    if after:
        yield Notice(
            kind="train-data-in-evaluation",
            message=f"training data was opened after the artifact was whole: {_named(after)}",
            at=after[0].at,
        )
    over = [event for event in late if train_limit is not None and event.at > train_limit]
    if over:
        yield Notice(
            kind="train-data-late",
            message=f"training data was opened after the {train_limit:g} s of training: {_named(over)}",
            at=over[0].at,
        )
    changed = [event for event in files if event.folder in {TRAIN, VALIDATION} and event.kind != "opened"]
    if changed:
        yield Notice(kind="data-changed", message=f"data was written: {_named(changed)}", at=changed[0].at)
    early = [event for event in files if event.folder == VALIDATION and event.kind == "opened"]
    if early and (whole is None or early[0].at < whole):
        yield Notice(
            kind="validation-in-training",
            message="validation data was opened before the artifact was whole (scripts that print a "
            f"validation loss while training do): {_named(early)}",
            at=early[0].at,
        )


def _never_opened(files: Sequence[FileEvent]) -> Iterable[Notice]:
    for kind, folder, said in (
        ("nothing-trained", TRAIN, "training: the artifact holds nothing learned in this run"),
        ("nothing-scored", VALIDATION, "validation: a printed score rests on something else"),
    ):
        if _first(files, folder) is None:
            what, _, follows = said.partition(":")
            yield Notice(kind=kind, message=f"no {what} data was opened:{follows}")


def _outside_notices(watched: Sequence[WatchedEvent]) -> Iterable[Notice]:
    for kind, said in (("socket", "reached for the network"), ("process", "started processes")):
        seen = [event for event in watched if event.kind == kind and not _is_loopback(event.what)]
        if seen:
            common = Counter(event.what for event in seen).most_common(_MOST_NAMED)
            names = "; ".join(what for what, _ in common)
            yield Notice(kind=kind, message=f"{said}: {names}", at=seen[0].at)


def _is_loopback(what: str) -> bool:
    """Ranks of one run meet on the machine's own address."""
    return any(address in what for address in ("'127.0.0.1'", "'::1'", "'localhost'"))


def _named(events: Sequence[FileEvent]) -> str:
    names = list(dict.fromkeys(event.path for event in events))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more} (first at {events[0].at:.1f} s)"
