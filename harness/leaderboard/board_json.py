"""The board as data (schema/leaderboard-v1.schema.json): rows, the source of each value, the chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.evidence.significance import Comparison, NotTestable, Welch
from harness.leaderboard.p_values import any_gain
from harness.reports.escape import well_formed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.leaderboard.board_row import BoardRow, SeedScore, Told
    from harness.leaderboard.progression import Step

SCHEMA_VERSION = 1
SCHEMA_PATH = Path(__file__).resolve().parent / "schema" / "leaderboard-v1.schema.json"


def _told(told: Told[Any] | None) -> dict[str, str] | None:
    if told is None:
        return None
    value = told.value if isinstance(told.value, str) else told.value.isoformat()
    return {
        "value": well_formed(value),
        "standing": told.standing.value,
        "source": well_formed(told.source),
    }


def _score(score: SeedScore) -> dict[str, Any]:
    return {
        "seed": score.seed,
        "val_bpb": score.val_bpb,
        "val_loss": score.val_loss,
        "standing": score.standing.value,
        "source": well_formed(score.source),
        "train_seconds": score.train_seconds,
        "eval_seconds": score.eval_seconds,
        "total_bytes": score.total_bytes,
    }


def row_json(row: BoardRow) -> dict[str, Any]:
    """A row: means of the sample that counts, and every score with its standing."""
    judged, ruling = row.judged, row.ruling
    return {
        "key": well_formed(row.key),
        "name": well_formed(row.name),
        "track": row.track,
        "pr": row.pr,
        "folder": None if row.folder is None else well_formed(row.folder),
        "commit": row.commit,
        "n": len(row.values),
        "standing": row.standing.value if row.standing is not None else None,
        "mean_val_bpb": row.mean,
        "sample_std_val_bpb": row.sample_std,
        "bytes_per_token": row.bytes_per_token,
        **{
            name: _told(getattr(row, name))
            for name in ("title", "summary", "author", "github_id", "date", "created_at", "evidence_at")
        },
        "scores": [_score(score) for score in row.scores],
        "reproductions": [
            {
                "scores": list(runs.scores),
                "who": well_formed(runs.who),
                "source": well_formed(runs.source),
                "date": runs.date.isoformat() if runs.date else None,
            }
            for runs in row.reproductions
        ],
        "judged": None
        if judged is None
        else {
            "verdict": judged.verdict,
            "failed": list(judged.failed),
            "asked": list(judged.asked),
            "open": list(judged.open),
            "error": None if judged.error is None else well_formed(judged.error),
        },
        "ruling": None
        if ruling is None
        else {
            "outcome": ruling.outcome.value,
            "who": well_formed(ruling.who),
            "why": well_formed(ruling.why),
            "source": well_formed(ruling.source),
            "date": ruling.date.isoformat() if ruling.date else None,
        },
        "notes": [well_formed(note) for note in row.notes],
    }


def _test(test: Welch | NotTestable) -> dict[str, Any]:
    if isinstance(test, NotTestable):
        return {"p": None, "not_testable": test.reason}
    return {"p": test.p, "t": test.t, "degrees": test.degrees, "margin_bpb": test.margin_bpb}


def _one_sample_any_gain(numbers: Comparison) -> Welch | NotTestable:
    """The test that decides against a record of one run; not meant for any other."""
    return any_gain(numbers) if len(numbers.old) == 1 else numbers.one_sample


def comparison_json(numbers: Comparison) -> dict[str, Any]:
    """Both samples, the gain in three units, every test."""
    gain = numbers.gain
    return {
        "new": list(numbers.new),
        "old": list(numbers.old),
        "gain_bpb": gain.bpb,
        "gain_nats_per_token": gain.nats_per_token,
        "gain_nats_per_byte": gain.nats_per_byte,
        "bytes_per_token": gain.bytes_per_token,
        "margin_nats": numbers.margin_nats,
        "margin_bpb": numbers.margin_bpb,
        "any_gain": _test(numbers.no_margin),
        "with_margin": _test(numbers.with_margin),
        "one_sample_with_margin": _test(numbers.one_sample),
        "one_sample_any_gain": _test(_one_sample_any_gain(numbers)),
    }


def step_json(step: Step) -> dict[str, Any]:
    """A row and its place in the chain."""
    wider = step.with_reproductions
    return {
        "row": row_json(step.row),
        "status": step.status.value,
        "reason": well_formed(step.reason),
        "against": well_formed(step.against.key) if step.against is not None else None,
        "is_record": step.is_record,
        "ruled_otherwise": step.ruled_otherwise,
        "comparison": comparison_json(step.numbers) if step.numbers is not None else None,
        "with_reproductions": comparison_json(wider) if wider is not None else None,
    }


def board_json(steps: Iterable[Step], *, origin: str, rule: str, basis: str, as_of: str) -> dict[str, Any]:
    """The whole board: what it was made from, how records are decided, and every row in its place."""
    return {
        "schema_version": SCHEMA_VERSION,
        "origin": well_formed(origin),
        "rule": rule,
        "basis": basis,
        "as_of": as_of,
        "steps": [step_json(step) for step in steps],
    }


def board_text(document: dict[str, Any]) -> str:
    """The document as text, in ASCII so that nothing in it can act on a terminal."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
