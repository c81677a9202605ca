"""From what was asked for to the jobs that do it: submission, track, data, seeds and settings, all checked.

Everything that can be refused before a clock starts is refused here.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import SetupError, SubmissionError, UsageError
from harness.folder_tree import FolderTree
from harness.ruleset import RULES_DIR, load_ruleset
from harness.runs.extra_seeds import LARGEST_SEED, extra_seeds
from harness.runs.record_store import SeedFolder
from harness.runs.run_data import checked_data
from harness.runs.run_files import folder_digest
from harness.runs.seed_job import SeedJob
from harness.runs.track import load_track
from harness.sandbox.clean_copy import copy_submission
from harness.submission_reader import read_submission
from harness.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.machine.machine_check import Machine
    from harness.runs.run_data import RunData
    from harness.runs.track import RunTrack

SHIPPED = RULES_DIR.parent / "submissions"
REFERENCE = "reference"
USUAL_SEEDS = (13, 1337, 1111)
RECORD_TRACK, SMOKE_TRACK = "record-10min-16mb", "smoke"
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What golf-run itself tells a script.
_OUR_SETTINGS = frozenset(
    {"DATA_PATH", "TOKENIZER_PATH", "SEED", "RUN_ID", "PYTHONPATH", "GOLF_EVENTS", "HOME"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What the user asked for; None and empty mean the default."""

    submission: str | None = None
    seeds: Sequence[int] = USUAL_SEEDS
    extra_seeds: int = 0
    track: str | None = None
    data: Path | None = None
    tokenizer: Path | None = None
    out: Path = field(default_factory=lambda: Path("runs"))
    ranks: int | None = None
    time_scale: float = 1.0
    settings: Mapping[str, str] = field(default_factory=dict)
    sandbox: str = "auto"
    is_remote: bool = False  # the seeds run on other machines than this one


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The jobs of one submission, one for each seed, and what is known of them before they run."""

    jobs: tuple[SeedJob, ...]
    secret_seeds: tuple[int, ...]
    track: RunTrack
    data: RunData
    out: Path
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the submission; the name of its folder of runs."""
        return self.jobs[0].name

    @property
    def folder(self) -> Path:
        """Of the submission."""
        return self.jobs[0].folder


def plan_run(request: RunRequest, machine: Machine) -> RunPlan:
    """Look at everything `request` names and make the jobs; `machine` is this one.

    Raises `UsageError` for what cannot be asked, `SubmissionError` for no submission, `SetupError` for data
    and folders that are at fault.
    """
    _refuse_other_systems()
    folder = found_submission(request.submission)
    seeds = _checked_seeds(request.seeds)
    settings = _checked_settings(request.settings)
    notes: list[str] = []
    track = _chosen_track(request, machine, notes)
    out = request.out.resolve()
    name = folder.name
    SeedFolder.of(out, name, seeds[0])  # refuses a name that would leave the folder
    if folder in (out, *out.parents):
        raise UsageError(f"--out {out} lies inside the submission, which would change it; say --out ../runs")
    _refuse_unwritable(out)
    code_digest = _code_digest(folder)
    data = _data_of(request, track, notes)
    secret = extra_seeds(out / name, request.extra_seeds, seeds)
    not_eligible = ("nothing kept the script from the machine (--sandbox none)",)
    first = SeedJob(
        folder=folder,
        name=name,
        seed=seeds[0],
        track=track,
        data=data.folder,
        tokenizer=data.tokenizer,
        settings=dict(sorted({**track.settings, **settings}.items())),
        limits=track.sandbox_limits,
        not_eligible=not_eligible if request.sandbox == "none" else (),
        ruleset=load_ruleset().newest.isoformat(),
        data_digest=data.digest,
        code_digest=code_digest,
    )
    return RunPlan(
        jobs=tuple(replace(first, seed=seed) for seed in (*seeds, *secret)),
        secret_seeds=secret,
        track=track,
        data=data,
        out=out,
        notes=tuple(notes),
    )


def found_submission(text: str | None) -> Path:
    """The folder a user means: a path, or the name of one that is shipped; the reference for None.

    Raises `SubmissionError` when there is none, or it holds no script, `UsageError` for an empty text.
    """
    if text is None:
        return (SHIPPED / REFERENCE).resolve()
    if not text:
        raise UsageError("SUBMISSION is an empty text; name a folder (. for the one you are in)")
    path = Path(text)
    name = text.removeprefix("submissions/").rstrip("/")  # completion by a shell adds a slash
    if not path.exists() and "/" not in name and (SHIPPED / name).is_dir():
        path = SHIPPED / name
    if not path.exists() and not path.is_symlink():
        names = sorted(each.parent.name for each in SHIPPED.glob("*/train_gpt.py"))
        raise SubmissionError(
            f"{text}: there is no such folder, and no submission of that name is shipped"
            + (f" ({', '.join(names)})" if names else "")
        )
    if path.is_file():
        raise SubmissionError(f"{text}: is a file; name the folder that holds the script")
    if read_submission(FolderTree(path)).code.entry is None:
        raise SubmissionError(f"{text}: holds no script to run; a submission has a train_gpt.py")
    return path.resolve()


def _refuse_other_systems() -> None:
    if not sys.platform.startswith("linux"):
        raise SetupError(
            f"golf-run needs Linux (here: {sys.platform}); golf-check judges submissions anywhere"
        )
    import importlib.util

    wanted = {"torch": "model", "numpy": "model", "sentencepiece": "model", "inotify_simple": "run"}
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(f"{' and '.join(missing)} not installed; run: pip install 'golf-harness[run]'")


def _checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    twice = sorted({seed for seed in seeds if list(seeds).count(seed) > 1})
    if twice:
        raise UsageError(f"--seeds names {twice[0]} more than once; a seed is run once")
    too_large = [seed for seed in seeds if not 0 <= seed <= LARGEST_SEED]
    if too_large or not seeds:
        raise UsageError(f"--seeds {' '.join(map(str, too_large))}: whole numbers from 0 to {LARGEST_SEED:,}")
    return tuple(seeds)


def _checked_settings(settings: Mapping[str, str]) -> dict[str, str]:
    for name, value in settings.items():
        if not _SETTING_NAME.fullmatch(name) or "\0" in value:
            raise UsageError(f"--env {name}: the name of a variable is letters, digits and underscores")
        if name in _OUR_SETTINGS:
            raise UsageError(
                f"--env {name}: golf-run sets that one itself; see --data, --tokenizer and --seeds"
            )
    return dict(settings)


def _chosen_track(request: RunRequest, machine: Machine, notes: list[str]) -> RunTrack:
    rules = load_ruleset()
    gpus = len(machine.gpu_set.gpus)
    usual = RECORD_TRACK if request.submission is not None and (gpus or request.is_remote) else SMOKE_TRACK
    track = load_track(request.track or usual, rules.limits(rules.newest)).scaled(request.time_scale)
    ranks = track.ranks if request.ranks is None else request.ranks
    if request.ranks is None and not request.is_remote and track.ranks > gpus:
        ranks = gpus
        started = count_of(gpus, "rank") if gpus else "the script alone, without torchrun,"
        notes.append(
            f"the track asks for {track.ranks} ranks, this machine has {gpus or 'no'} GPUs: {started} is run "
            "(--nproc N for another number)"
        )
    return replace(track, ranks=ranks)


def _data_of(request: RunRequest, track: RunTrack, notes: list[str]) -> RunData:
    if request.data is not None:
        return checked_data(request.data, request.tokenizer)
    if track.can_be_record:
        raise UsageError(
            f"track {track.name} needs --data DIR, a folder of fineweb_*.bin shards: golf-data fetch "
            "--variant sp1024 fetches the challenge's, golf-data demo makes a small one"
        )
    from harness.tokens.demo_corpus import demo_data

    notes.append("no --data: the demo corpus is used; its scores compare with nothing but its own")
    return checked_data(demo_data().data_dir, request.tokenizer)


def _refuse_unwritable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out) as file:
            file.write(b"\0" * os.statvfs(out).f_frsize)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SetupError(
            f"--out {out}: cannot be written ({error.strerror}); name a folder with room for the runs"
        ) from error


def _code_digest(folder: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="golf-run-") as scratch:
        try:
            copied = copy_submission(folder, Path(scratch) / "copy")
        except SubmissionError as error:  # names a file as it is called in the folder
            raise SubmissionError(f"{folder}: {error}") from error
        return folder_digest(copied.folder, copied.files)
