"""A good submission with chosen scores per seed: log, json and README agree unless a test replaces one."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING

from harness.evidence.standing_record import Reference
from tests.builders import SEEDS, good_json, good_log, good_readme, make_case, make_submission, with_origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from harness.case import Case
    from harness.submission import Submission

SCORES = {13: 1.2000, 1337: 1.2006, 1111: 1.2012}
RECORD = Reference(name="#7", scores=(1.2200, 1.2205, 1.2210), source="a test", pr=7)


def with_scores(
    root: Path,
    scores: Mapping[int, float] | None = None,
    *,
    pr: int | None = None,
    **files: str | bytes | None,
) -> Submission:
    """Logs, json and README of these scores; keywords replace files as in `make_submission`."""
    scores = SCORES if scores is None else scores
    parts: dict[str, str | bytes | None] = {f"train_seed{seed}__log": None for seed in SEEDS}
    parts |= {f"train_seed{seed}__log": good_log(seed, val_bpb=score) for seed, score in scores.items()}
    parts |= {"submission__json": stated(scores), "README__md": good_readme(scores)}
    submission = make_submission(root, **{**parts, **files})
    return with_origin(submission, pr=pr)


def stated(scores: Mapping[int, float] | None = None, **replace: Any) -> str:  # noqa: ANN401,RUF100
    """submission.json as text."""
    return json.dumps(good_json(SCORES if scores is None else scores, **replace), indent=2)


def case_of(
    submission: Submission, *, reference: Reference | None = RECORD, as_of: str = "2026-03-25", **more: Any
) -> Case:
    """A March case with a record to beat."""
    return make_case(submission, reference=reference, as_of=datetime.date.fromisoformat(as_of), **more)
