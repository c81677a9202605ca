"""How many bytes a submission weighs, seed by seed, on three counts that are never mixed.

As logged (the total the run printed), as shipped (model plus the code lying in the folder) and as packed by
us (model plus the same code in a self-extracting wrapper). All sizes are decimal bytes. The cap counts code
plus compressed model (README FAQ, a15093ada); which code size counts is dispute D2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from harness.finding import Role
from harness.wording import seed_label

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.case import Case
    from harness.evidence.seed_evidence import SeedEvidence
    from harness.finding import Place, Sourced
    from harness.submission import Code, SourceFile, Submission


# The artifact under the name the default script writes it (A5): a committed copy of the counted model.
ARTIFACT_NAME = re.compile(r"(final_)?model(\.[\w-]+)*\.(pt|ptz|bin|lzma|xz|zst|br)", re.IGNORECASE)
# The public data set itself, shipped by accident or as a sample.
DATASET_NAME = re.compile(r"fineweb_(train|val)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBytes:
    """The code of a submission on several counts, in bytes; None where there is no script or no text.

    `entry` and `helpers` are sizes on disk, `shipped` their sum. `readable` is the unpacked text of both.
    `packed` is our own lzma+base85 wrapper of the unminified text, `minified` that of the minified text.
    `tightest` is the most favourable size we can produce (minified, lzma, no base85): a lower bound, used
    only before calling something over the cap.
    """

    entry: int | None
    helpers: int
    readable: int | None
    packed: int | None
    minified: int | None
    tightest: int | None
    wrapped: bool

    @property
    def shipped(self) -> int | None:
        """Entry script plus helper files as they lie on disk."""
        return None if self.entry is None else self.entry + self.helpers


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedBytes:
    """The byte counts of one seed, with the place of every number read.

    `claimed_total` is what submission.json or the README table says of this very seed; the one total of the
    whole submission stands in for it only when there is one seed, or when no log prints a total.
    `model` is the printed compressed model size, else the logged total less the logged code, else a claim
    about this seed. `data_files` are those that the code opens beside model, tokenizer and public data.
    """

    seed: int | None
    code: CodeBytes
    logged_total: Sourced[int] | None
    logged_code: Sourced[int] | None
    claimed_total: Sourced[int] | None
    model: Sourced[int] | None
    has_run: bool
    data_files: tuple[SourceFile, ...] = ()

    @property
    def name(self) -> str:
        """The seed in words."""
        return seed_label(self.seed)

    @property
    def shipped_total(self) -> int | None:
        """Model plus entry script plus helper files as shipped."""
        return _sum(self.model, self.code.shipped)

    @property
    def data_total(self) -> int | None:
        """The shipped total and the data files that the code opens."""
        shipped = self.shipped_total
        return None if shipped is None else shipped + sum(file.shipped_bytes for file in self.data_files)

    @property
    def entry_total(self) -> int | None:
        """Model plus the entry script alone as shipped."""
        return _sum(self.model, self.code.entry)

    @property
    def packed_total(self) -> int | None:
        """Model plus our own wrapper of the unminified code."""
        return _sum(self.model, self.code.packed)

    @property
    def least_total(self) -> int | None:
        """Model plus the most favourable code size; the model alone when there is no code to count."""
        if self.model is None:
            return None
        return self.model.value + (self.code.tightest or 0)

    @property
    def stated(self) -> tuple[Sourced[int], ...]:
        """Every total the submission itself states for this seed: the log's first, then the claim."""
        return tuple(total for total in (self.logged_total, self.claimed_total) if total is not None)

    def places(self) -> tuple[Place, ...]:
        """Where the numbers stand, the log's total first; all others related to it."""
        found = [
            (self.logged_total, "total printed by the counted run"),
            (self.claimed_total, "total claimed"),
            (self.model, "compressed model"),
        ]
        rows = [(value, note) for value, note in found if value is not None]
        return tuple(
            value.place(note, Role.PRIMARY if index == 0 else Role.RELATED)
            for index, (value, note) in enumerate(rows)
        )

    def counts(self) -> str:
        """The totals that are known, in one phrase; empty when there is none."""
        known = (
            ("as logged", self.logged_total.value if self.logged_total else None),
            ("as shipped", self.shipped_total),
            ("with data files", self.data_total if self.data_files else None),
            ("data files and all packed by us" if self.data_files else "packed by us", self.packed_total),
            ("minified and packed", _sum(self.model, self.code.minified)),
        )
        return ", ".join(f"{name} {total:,}" for name, total in known if total is not None)


def _sum(model: Sourced[int] | None, code: int | None) -> int | None:
    return None if model is None or code is None else model.value + code


def _tightest(code: Code, shipped: int, opaque: int) -> int:
    """The smallest of the shipped size and our packings without their base85, which adds a quarter."""
    packings = [size for size in (code.packed_bytes, code.packed_minified_bytes) if size is not None]
    return min([*(size * 4 // 5 + opaque for size in packings), shipped])


def helper_files(code: Code) -> tuple[SourceFile, ...]:
    """Code beside the entry script: files it imports, executes or compiles that take bytes of their own.

    Data files are not code, and a file embedded in the entry script is counted with it.
    """
    return tuple(file for file in code.closure if file.reached_by != "data" and file.shipped_bytes > 0)


def data_files(code: Code, model_bytes: Collection[int]) -> tuple[SourceFile, ...]:
    """Files of the folder that the code opens and that no count holds.

    A file of the size of a counted model, or named as the default script names its model, is the model
    itself; shards of the public data set and the tokenizer are not the artifact.
    """
    return tuple(
        file
        for file in code.closure
        if file.reached_by == "data"
        and file.shipped_bytes > 0
        and file.shipped_bytes not in model_bytes
        and not ARTIFACT_NAME.fullmatch(PurePosixPath(file.path).name)
        and not DATASET_NAME.search(PurePosixPath(file.path).name)
    )


def count_code(code: Code) -> CodeBytes:
    """The code on all counts. Files whose text could not be recovered count with their size on disk."""
    if code.entry is None:
        return CodeBytes(
            entry=None, helpers=0, readable=None, packed=None, minified=None, tightest=None, wrapped=False
        )
    files = (code.entry, *helper_files(code))
    texts = tuple(file.text for file in files if file.text is not None)
    opaque = sum(file.shipped_bytes for file in files if file.text is None)
    helpers = sum(file.shipped_bytes for file in files[1:])
    return CodeBytes(
        entry=code.entry.shipped_bytes,
        helpers=helpers,
        readable=sum(len(text.encode("utf-8", "replace")) for text in texts) + opaque if texts else None,
        packed=code.packed_bytes,
        minified=code.packed_minified_bytes,
        tightest=_tightest(code, code.entry.shipped_bytes + helpers, opaque),
        wrapped=code.entry.unpacked,
    )


def _claim_for(case: Case, seed: SeedEvidence) -> Sourced[int] | None:
    if seed.claim is not None and seed.claim.total_bytes is not None:
        return seed.claim.total_bytes
    if len(case.evidence.seeds) == 1 or seed.total_bytes is None:
        return case.submission.json.total_bytes
    return None


def _model(case: Case, evidence: SeedEvidence) -> Sourced[int] | None:
    total, code, model = evidence.total_bytes, evidence.code_bytes, evidence.model_bytes
    # A line that prints the total is never the size of the model.
    if model is not None and (total is None or (model.file, model.line) != (total.file, total.line)):
        return model
    if total is not None and code is not None and total.value > code.value:
        return total.with_value(total.value - code.value)
    if evidence.claim is not None and evidence.claim.model_bytes is not None:
        return evidence.claim.model_bytes
    # The one model size of submission.json is that of some seed, not of every seed.
    return case.submission.json.model_bytes if len(case.evidence.seeds) == 1 else None


def count_bytes(case: Case) -> tuple[SeedBytes, ...]:
    """The byte counts of every reported seed, in the order of the evidence."""
    code = count_code(case.submission.code)
    models = [_model(case, seed) for seed in case.evidence.seeds]
    data = data_files(case.submission.code, {model.value for model in models if model is not None})
    return tuple(
        SeedBytes(
            seed=seed.seed,
            code=code,
            logged_total=seed.total_bytes,
            logged_code=seed.code_bytes,
            claimed_total=_claim_for(case, seed),
            model=model,
            has_run=seed.run is not None,
            data_files=data,
        )
        for seed, model in zip(case.evidence.seeds, models, strict=True)
    )


def is_unclaimed(submission: Submission) -> bool:
    """True when nothing in the folder reports a score: no submission.json, no README, no script.

    A lone log then belongs to no claim, and a rule about reported seeds cannot be broken by it.
    """
    return not submission.json.present and submission.readme is None and submission.code.entry is None
