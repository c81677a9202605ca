"""no-val-in-training: validation tokens do not influence training.

What it checks
    Which tokens training reads and what it selects by, in the code; and what files and logs say about the
    training data: shown commands, file patterns in the settings, and what the submission calls itself.
Why it matters
    A model trained on the validation set is scored on what it has read.
What is allowed instead
    Training on train shards; validation loss may be printed during training, but nothing may follow from it.
How it is detected
    The static audit follows tokens into the updates of training, and metrics over validation into choices
    that reach the artifact, a break out of training by one included (those ask a person). Validation that
    the script copies, links or renames to another name stays validation. It also fails when
    the printed pattern of the training files is that of the validation files, or when a shown command puts a
    validation shard under a training name and the log trains on a single shard or on the folder the command
    makes. Either the command or the words alone ask a person.
What it cannot see
    Choices made by hand between runs.
Rulings
    README 2cff08e1a (2026-03-20); #44 (2026-03-19): training on the validation shard is not allowed, against
    what its README says.
Example
    README.md:13 puts a validation shard under a training name, and train.log:88 trains on the folder
    fineweb10B_sp1024_valonly; train on the train split
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.audit.events import StateKind
from harness.audit.regions import Split
from harness.audit.score_order.evidence_chain import at, placed
from harness.audit.score_order.family import order_of, own_findings
from harness.audit.score_order.metric_choice import selections_by_metric
from harness.case import failed, needs_human, not_checked, passed
from harness.evidence.stated_methods import commands, named, readme_says
from harness.evidence.validation_use import choice_by_result, validation_tokens_given
from harness.finding import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.case import Case
    from harness.finding import Finding, Sourced
    from harness.logs.training_log import Run

RULE = "no-val-in-training"

_RENAMES = re.compile(
    r"\b(?:ln|cp|mv|rsync|install)\b[^|;&]{0,400}?(?:fineweb_)?val\w{0,40}(?:_\d+|\*)?\.bin\s+\S{0,300}?"
    r"(?P<folder>[\w.-]{1,120})/[\w.-]{0,60}train\w{0,40}"
)
_WORDS = re.compile(
    r"\btrain(?:s|ed|ing)?\b.{0,40}\b(?:entirely|only|solely|exclusively|purely|directly)\b.{0,12}\bon\b.{0,30}"
    r"\bval(?:idation)?\b|\btrain(?:s|ed|ing)? (?:entirely |only |solely )?on the (?:public |published "
    r"|full )?"
    r"val(?:idation)? (?:shard|split|set|data)\b",
    re.IGNORECASE,
)
_NAMES = re.compile(r"\bval(?:idation)?[ -]?only\b", re.IGNORECASE)
_ADAPTS = re.compile(r"\bttt\b|test-?time|adapt|score-?first|already|backward|scored", re.IGNORECASE)


def check(case: Case) -> Iterator[Finding]:
    """Direct evidence first; without any, what is left open."""
    findings = [*_in_code(case), *_equal_patterns(case), *_renamed_shards(case)]
    if not findings:
        findings = list(_stated(case)) or list(_trains_on_train(case))
    yield from findings
    if not findings:
        yield not_checked(
            RULE,
            "no file or log says that training read validation tokens, and what the code reads could not be "
            "followed to the end",
        )


def _in_code(case: Case) -> Iterator[Finding]:
    """Training on validation, and the first choice by a validation metric that reaches the artifact."""
    yield from own_findings(case, RULE)
    seen = choice_by_result(case, RULE, for_artifact=True)
    if seen is not None:
        yield seen
        return
    reading = order_of(case)
    if reading is None or case.audit is None:
        return
    for choice in selections_by_metric(case.audit, reading):
        if choice.is_in_artifact:
            yield needs_human(
                RULE,
                choice.message,
                *choice.places,
                ask="Does this choice, made by the result on validation, decide what is in the artifact?",
            )
            return


def _trains_on_train(case: Case) -> Iterator[Finding]:
    """A pass: updates on training tokens were seen, and no other tokens reach the artifact."""
    reading = order_of(case)
    if reading is None or case.audit is None or not reading.is_clean:
        return
    if validation_tokens_given(case, "statistics") is not None:
        yield not_checked(RULE, "depends on the question asked at val-calibration")
        return
    updates = reading.index.updates.values()
    seen = next(
        (u for u in updates if u.kind is StateKind.WEIGHTS and u.region.split is Split.TRAINING), None
    )
    if seen is not None:
        yield passed(
            RULE,
            f"training at {at(seen.at)} learns from training tokens, and nothing in the artifact from others",
            *placed(case.audit, [(seen.at, "learns from training tokens")], seen.at),
        )


def _runs(case: Case) -> Iterator[Run]:
    for seed in case.evidence.seeds:
        run = seed.training_run or seed.run
        if run is not None:
            yield run


def _equal_patterns(case: Case) -> Iterator[Finding]:
    for run in _runs(case):
        train, val = run.hyperparameters.get("train_files"), run.hyperparameters.get("val_files")
        if train is not None and val is not None and train.value and train.value == val.value:
            yield failed(
                RULE,
                f"training reads the files it is scored on: train_files and val_files are both {val.value}; "
                "train on the train split",
                train.place("training files"),
                val.place("validation files", Role.RELATED),
            )
            return


def _renamed_shards(case: Case) -> Iterator[Finding]:
    for command in commands(case.submission):
        match = _RENAMES.search(command.value)
        if match is None:
            continue
        where = f"{command.file}:{command.line}"
        said = f"{where} puts a validation shard under a training name"
        place = command.place("validation shard under a training name")
        confirmed = _trains_on(case, match.group("folder"))
        if confirmed is None:
            yield needs_human(
                RULE,
                said,
                place,
                ask="Was the submitted run trained on the folder this command makes?",
            )
        else:
            yield failed(
                RULE,
                f"{said}, and {confirmed.file}:{confirmed.line} trains on {confirmed.value}; train on the "
                "train split",
                place,
                confirmed.place("training data of the run", Role.RELATED),
            )
        return


def _trains_on(case: Case, folder: str) -> Sourced[str] | None:
    """The log line that shows training on that folder, or on one single shard."""
    for run in _runs(case):
        if run.data_path is not None and folder in run.data_path.value:
            return run.data_path.with_value(f"the folder {folder}")
        if run.train_shards is not None and folder in (run.train_shards.excerpt or ""):
            return run.train_shards.with_value(f"{run.train_shards.value:,} shard of the folder {folder}")
        if run.train_shards is not None and run.train_shards.value == 1:
            return run.train_shards.with_value("1 shard")
    return None


def _stated(case: Case) -> Iterator[Finding]:
    said = next((s for s in readme_says(case.submission, _WORDS) if not _ADAPTS.search(s.value)), None)
    said = said or named(case.submission, _NAMES)
    if said is not None:
        yield needs_human(
            RULE,
            f"the submission speaks of training on the validation set: {said.value[:160]!r}",
            said.place("its own words"),
            ask="Was the submitted model trained on validation tokens?",
        )
