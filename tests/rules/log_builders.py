"""A good submission with one of its three logs changed, and where a line of that log stands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.case import Profile
from tests.builders import ENTRY, findings_of, good_log, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

    from harness.finding import Finding

LOG = "train_seed13.log"


def score_lines(label: str, val_loss: float, val_bpb: float, milliseconds: int = 1400) -> dict[str, str]:
    """The two last lines of a good log with another score."""
    return {
        "final": f"{label} val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f} eval_time:{milliseconds}ms",
        "exact": f"{label}_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}",
    }


def scored_with(bytes_per_token: float, tokens: int, **replace: str) -> str:
    """Seed 13's log whose loss and score imply these bytes per token on a stream of that length."""
    loss = 1.2 * math.log(2) * bytes_per_token
    lines = score_lines("final_int8_zlib_roundtrip", loss, 1.2)
    loader = f"val_loader:shards pattern=./data/fineweb_val_*.bin tokens:{tokens}"
    return good_log(13, **{"val_loader": loader, **lines, **replace})


def stop_line(milliseconds: int, step: int = 13_920) -> str:
    """The line of a run that the clock stopped after so many milliseconds of training."""
    return f"stopping_early: wallclock_cap train_time:{milliseconds}ms step:{step}/20000"


def line_of(log: str, start: str) -> int:
    """The 1-based line that begins with these characters."""
    return 1 + [line.startswith(start) for line in log.splitlines()].index(True)


def judge(
    rule: str,
    root: Path,
    log: str,
    *,
    profile: Profile = Profile.PRACTICE,
    entry: str = ENTRY,
    **files: str | bytes | None,
) -> Finding:
    """The first finding of a rule on a submission whose seed-13 log is this one."""
    return judge_all(rule, root, log, profile=profile, entry=entry, **files)[0]


def judge_readme(rule: str, root: Path, sentence: str) -> Finding:
    """The first finding of a rule on a good submission whose README holds this sentence in line 3."""
    return judge(rule, root, good_log(13), README__md=f"# Example\n\n{sentence}\n")


def judge_all(
    rule: str,
    root: Path,
    log: str,
    *,
    profile: Profile = Profile.PRACTICE,
    entry: str = ENTRY,
    **files: str | bytes | None,
) -> list[Finding]:
    """Every finding of a rule on a submission whose seed-13 log is this one."""
    submission = make_submission(root, entry=entry, train_seed13__log=log, **files)
    return findings_of(rule, make_case(submission, profile=profile))
