"""What the dynamic audit knows of a submission before it runs anything: files, settings, vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.audit.run_profile import claim_index, run_profiles
from harness.dynamic.audit_run import DATA, OUT, SUBMISSION
from harness.dynamic.claimed_settings import claimed_settings
from harness.dynamic.data_folder import data_places
from harness.dynamic.run_plan import RunPlan
from harness.dynamic.script_knobs import script_knobs
from harness.dynamic.shrinking import DataSettings, Shrink, ShrinkChoice, shrink
from harness.dynamic.vocabulary_choice import choose_vocabulary
from harness.errors import SubmissionError
from harness.sandbox.clean_copy import check_path
from harness.submission import FileKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.audit.run_profile import RunProfile
    from harness.dynamic.script_knobs import ScriptKnobs
    from harness.dynamic.vocabulary_choice import VocabularyChoice
    from harness.evidence.seed_evidence import Evidence
    from harness.file_tree import FileTree
    from harness.submission import Submission

_FILE_BYTES = 256 * 2**20
_FOLDER_BYTES = 2**30
# Virtual seconds of a whole training: nine tenths of the official 600, so that schedules by the clock come to
# their last part and none stops before the last step.
_TRAINED_SECONDS = 540.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSubject:
    """A submission on disk and how its claimed run was started. `entry` is relative to `folder`."""

    folder: Path
    entry: str
    knobs: ScriptKnobs
    profile: RunProfile | None
    claimed: Mapping[str, str]
    notes: tuple[str, ...]
    vocabulary: VocabularyChoice

    def shrunk(self, choice: ShrinkChoice | None = None) -> Shrink:
        """The settings of a tiny run."""
        places = data_places(self.vocabulary.key)
        data = DataSettings(
            root=DATA, dataset=f"{DATA}/{places.dataset}", tokenizer=f"{DATA}/{places.tokenizer}"
        )
        argv = self.profile.argv if self.profile is not None else ()
        return shrink(self.knobs, self.claimed, data, self.vocabulary.key, argv=argv, choice=choice)

    def plan(
        self, settings: Shrink, *, captures: bool = True, device: str = "cpu", ranks: int = 1
    ) -> RunPlan:
        """The plan of a run with these settings."""
        places = data_places(self.vocabulary.key)
        # Ranks share the passes of a step: the clock of each is to come as far with fewer.
        passes = max(settings.micro_steps // ranks, 1) * settings.steps
        return RunPlan(
            script=f"{SUBMISSION}/{self.entry}",
            argv=settings.argv,
            environment=settings.environment,
            literals=settings.literals,
            local_literals=settings.local_literals,
            data=DATA,
            out=OUT,
            val_files=tuple(f"{DATA}/{name}" for name in places.val_files),
            train_files=tuple(f"{DATA}/{name}" for name in places.train_files),
            vocab_size=self.vocabulary.key.size,
            device=device,
            captures=captures,
            element_scale=settings.element_scale,
            one_micro_batch=self.knobs.has_micro_batches,
            world_size=ranks,
            train_backward_seconds=_TRAINED_SECONDS / passes,
        )


def read_subject(
    folder: Path, submission: Submission, files: FileTree, evidence: Evidence | None = None
) -> AuditSubject:
    """What `submission`, whose files lie in `folder`, is run with.

    Raises `SubmissionError` where there is no script, `SetupError` where its settings cannot be read here.
    """
    entry = submission.code.entry
    if entry is None:
        raise SubmissionError(f"{folder}: holds no script to run; a submission has a train_gpt.py")
    profiles = run_profiles(submission, files, evidence)
    profile = profiles[claim_index(profiles)] if profiles else None
    knobs = script_knobs(submission)
    claimed, notes = claimed_settings(knobs, profile)
    said = {name: one.value for name, one in profile.environment.items()} if profile is not None else {}
    return AuditSubject(
        folder=folder,
        entry=entry.path,
        knobs=knobs,
        profile=profile,
        claimed=claimed,
        notes=(*notes, *knobs.problems),
        vocabulary=choose_vocabulary(knobs, {**said, **claimed}),
    )


def write_tree(files: FileTree, folder: Path) -> int:
    """Write the regular files of a tree below the new `folder`; how many bytes.

    For submissions that lie in a clone. Raises `SubmissionError` for names that lead elsewhere and for more
    than a run may copy.
    """
    total = 0
    folder.mkdir(parents=True)
    for entry in files.entries():
        if entry.kind is not FileKind.FILE:
            continue
        check_path(entry.path)
        data = files.read(entry.path, _FILE_BYTES)
        total += len(data)
        if total > _FOLDER_BYTES:
            raise SubmissionError(f"{entry.path}: with it the folder is larger than a run may copy")
        path = folder / PurePosixPath(entry.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return total
