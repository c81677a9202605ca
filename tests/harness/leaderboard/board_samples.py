"""Rows and reports for tests of the board, made from a few numbers."""

from __future__ import annotations

import datetime

from harness.leaderboard.board_row import BoardRow, Judged, SeedScore, Standing

ACCEPTED = Judged(verdict="accept")


def row(pr, *scores, standing=Standing.LOGGED, **replace):
    """A record-track row that golf-check accepts."""
    facts = {
        "key": f"#{pr}",
        "pr": pr,
        "track": "record",
        "folder": f"records/track/{pr}",
        "bytes_per_token": 3.727,
        "judged": ACCEPTED,
        "scores": tuple(
            SeedScore(val_bpb=score, seed=seed, standing=standing, source=f"train_seed{seed}.log:9")
            for seed, score in enumerate(scores)
        ),
        **replace,
    }
    return BoardRow(**facts)


def moment(text):
    """A time with its zone."""
    return datetime.datetime.fromisoformat(text)


def report(**submission):
    """A golf-check report of two logged seeds and a claimed mean."""

    def seed(number, bpb, line):
        return {
            "seed": number,
            "val_bpb": bpb,
            "val_loss": bpb * 2.583,
            "train_seconds": 599.5,
            "eval_seconds": 410.0,
            "total_bytes": 15_900_000,
            "log": f"train_seed{number}.log",
            "line": line,
        }

    return {
        "schema_version": 1,
        "submission": {
            "path": "repo",
            "repo_commit": "1" * 40,
            "pr": 1493,
            "track": "record",
            "entry": "records/track/one",
            "author": "Example Author",
            "github_id": "example",
            "name": "Sharper quantiser",
            "title": None,
            "claimed_val_bpb": 1.0611,
            "date": "2026-04-09",
            "created_at": None,
            **submission,
        },
        "verdict": "needs-human",
        "error": None,
        "rules_checked": {"artifact-cap": "PASS", "c1-causal": "NOT-CHECKED", "chrono-open": "FAIL"},
        "essential": ["artifact-cap", "c1-causal"],
        "measured": {"per_seed": {"1": seed(1, 1.0610, 10), "2": seed(2, 1.0612, 20)}},
    }
