"""Realistic reports for the tests of every output format."""

from __future__ import annotations

from harness.case import failed, needs_human, not_applicable, not_checked, noted, passed, warned
from harness.finding import Confidence, Place, Role, RuleVerdict
from harness.report import Measured, Report, SeedMeasured, SubmissionSummary
from harness.verdict import Verdict, rule_outcome, submission_verdict

ENTRY = "records/track_10min_16mb/2026-04-30_SharperQuantiser"
ESSENTIAL = ("artifact-cap", "c1-causal", "c2-normalized", "eval-time-cap", "val-full")


def summary(**replace):
    facts = {
        "path": "/clone",
        "entry": ENTRY,
        "repo_commit": "0123456789abcdef0123456789abcdef01234567",
        "pr": 77,
        "track": "record",
        "author": "Example Author",
        "github_id": "example",
        "name": "Sharper quantiser",
        "title": "Record: sharper quantiser, 1.0585 bpb",
        "claimed_val_bpb": 1.0585,
        "seeds": (42, 314, 1234),
        "date": "2026-04-30",
        "created_at": "2026-04-30T21:05:00+00:00",
        **replace,
    }
    return SubmissionSummary(**facts)


def findings():
    total = Place(
        file="train_seed42.log",
        line=812,
        note="the log's own total",
        excerpt="Total submission size quantized+brotli: 16042632 bytes",
    )
    code = Place(file="train_gpt.py", role=Role.RELATED, note="66,546 bytes of code as shipped")
    authority = ("A1 README FAQ a15093ada", "A2 #1809 (2026-04-26)", "A2 #1959 (2026-05-02)")
    stop = Place(
        file="train_seed42.log",
        line=640,
        note="training stopped here",
        excerpt="stopping_early: wallclock_cap train_time:602113ms",
    )
    return (
        with_authority(
            failed(
                "artifact-cap",
                "seed 42: 16,042,632 bytes by its own log, 42,632 over the cap of 16,000,000 "
                "(model 15,976,086 + code 66,546). "
                "Ship train_gpt.py as a self-extracting wrapper, or shrink the model.",
                total,
                code,
            ),
            authority,
        ),
        passed("artifact-cap", "seed 314: 15,998,001 bytes, 1,999 under the cap", total),
        with_authority(
            needs_human(
                "train-time-cap",
                "seed 42: training took 602.113 s, 2.113 s over the cap of 600 s; merged up to 604.3 s",
                stop,
                ask="Is 602.113 s still one step of overshoot?",
            ),
            ("A1 README a15093ada",),
        ),
        warned(
            "pr-single-folder",
            "2 files outside the submission folder",
            Place(file="README.md", from_root=True, note="modified"),
        ),
        noted("folder-name", "the folder name has no date", confidence=Confidence.LOW),
        passed("seeds-three", "3 seeds with a counted score: 42, 314, 1234"),
        passed(
            "submission-json",
            "author, github_id, name, val_bpb and date are there; "
            "val_bpb 1.0585 is the mean of 3 seeds within 0.00005",
            Place(file="submission.json", line=5, note="val_bpb"),
        ),
        passed("hardware", "seed 42: world size 8, 8 rows of NVIDIA H100 80GB HBM3"),
        passed("hardware", "seed 314: world size 8, 8 rows of NVIDIA H100 80GB HBM3"),
        not_checked(
            "c1-causal", "not checked here: it needs a run of the submission or the static audit of the code"
        ),
        not_checked(
            "c2-normalized",
            "not checked here: it needs a run of the submission or the static audit of the code",
        ),
        not_checked("eval-time-cap", "no log says when the evaluation started or ended"),
        not_checked(
            "no-network-at-eval",
            "not checked here: it needs a run of the submission or the static audit of the code",
        ),
        not_checked("external-compute", "not checked here: it needs a person"),
        not_checked("val-full", "no log prints how many validation tokens were scored; print val_tokens"),
        not_applicable("hardware-nonrecord", "not a rule of the record track"),
    )


def with_authority(finding, authority):
    import dataclasses

    return dataclasses.replace(finding, authority=authority)


def seed(number, bpb, line, **replace):
    facts = {
        "seed": number,
        "val_bpb": bpb,
        "val_loss": 2.3164512,
        "train_seconds": 599.61,
        "calibration_seconds": 3.4,
        "eval_seconds": 508.8,
        "all_eval_seconds": 515.52,
        "after_stop_seconds": 702.7,
        "steps": 4918,
        "model_bytes": 15_976_086,
        "total_bytes": 16_042_632,
        "log": f"train_seed{number}.log",
        "line": line,
        **replace,
    }
    return SeedMeasured(**facts)


def measured():
    return Measured(
        code_bytes_raw=158_429,
        code_bytes_shipped=66_546,
        code_bytes_packed=31_999,
        seeds=(
            seed(42, 1.05809741, 901),
            seed(314, 1.05897162, 899),
            seed(1234, 1.05843026, 905, calibration_seconds=None),
        ),
        mean_val_bpb=1.05849976,
        sample_std_val_bpb=0.00044121,
        implied_val_bytes=151_074_499.2,
        train_shards=80,
        val_tokens=47_851_520,
        hardware="8 x NVIDIA H100 80GB HBM3",
    )


STATISTICS = {
    "n": 3,
    "mean_val_bpb": 1.05849976,
    "sample_std_val_bpb": 0.00044121,
    "reference": "#1855",
    "reference_source": "best row of the leaderboard of main at 1a2b3c4",
    "reference_n": 3,
    "reference_mean_val_bpb": 1.06108,
    "margin_nats": 0.005,
    "margin_bpb": 0.00228,
    "not_testable": None,
    "gain_bpb": 0.00258,
    "gain_nats_per_token": 0.005649,
    "p_no_margin": 0.00081,
    "p_with_margin": 0.3124,
    "bytes_per_token": 3.15736,
}


def make_report(**replace):
    said = replace.pop("findings", findings())
    rules = dict.fromkeys(finding.rule for finding in said)
    outcomes = {rule: rule_outcome([f for f in said if f.rule == rule]) for rule in rules}
    facts = {
        "tool_version": "0.1.0",
        "ruleset": "2026-05-02",
        "profile": "practice",
        "as_of": "2026-04-30",
        "submission": summary(),
        "verdict": submission_verdict(outcomes, frozenset(ESSENTIAL)),
        "findings": said,
        "outcomes": outcomes,
        "measured": measured(),
        "statistics": STATISTICS,
        "unseen": ("model.bin is a symlink to ../other: not followed, not read",),
        "seconds": 0.42,
        "essential": ESSENTIAL,
        **replace,
    }
    return Report(**facts)


def clean_report():
    good = tuple(
        f
        for f in findings()
        if f.verdict in {RuleVerdict.PASS, RuleVerdict.NOT_APPLICABLE} and f.rule != "artifact-cap"
    )
    return make_report(
        findings=(*good, passed("artifact-cap", "3 seeds, at most 15,998,001 bytes")),
        essential=("artifact-cap",),
        verdict=Verdict.ACCEPT,
        unseen=(),
    )


def unreadable_report():
    return make_report(
        findings=(),
        submission=summary(
            entry="",
            track="",
            author=None,
            github_id=None,
            name=None,
            title=None,
            claimed_val_bpb=None,
            seeds=(),
        ),
        verdict=Verdict.COULD_NOT_CHECK,
        measured=Measured(),
        statistics=None,
        unseen=(),
        essential=(),
        error="the clone has no refs/pull/77/head; fetch it with: git fetch origin refs/pull/77/head",
    )


def chain_report():
    """A report whose finding follows the code of an unpacked script from data to printed number."""

    def step(line, note, excerpt, role=Role.RELATED):
        return Place(
            file="train_gpt.py",
            line=line,
            unpacked=True,
            role=role,
            note=note,
            excerpt=excerpt,
            is_step=True,
        )

    said = needs_human(
        "c3-score-before-update",
        "validation tokens are learned from before they are scored: optimizer.step at train_gpt.py:701 "
        "precedes the score of the same tokens at train_gpt.py:655",
        step(612, "validation tokens are read", "tokens = load_data_shard(Path(files[0]))"),
        step(1220, "call that leads to the update", "adapt(args, base_model, val_tokens, device)"),
        step(698, "gradient of their loss", "loss.backward()"),
        step(701, "optimizer.step learns from them", "optimizer.step()", Role.PRIMARY),
        step(655, "the same tokens are scored with what was learned", "nll = F.cross_entropy(logits, y)"),
        step(1231, "the claimed number is printed", 'log0(f"final_exact val_bpb:{val_bpb:.8f}")'),
        Place(file="README.md", line=31, role=Role.RELATED, note="TTT_ENABLED=1", excerpt="TTT_ENABLED=1 \\"),
        ask="Does the printed number come from this evaluation?",
    )
    return make_report(findings=(with_authority(said, ("A1 README fc6332a9c",)),), measured=Measured())


def executed(**replace):
    """What running an adapt-then-score submission showed, as `harness.dynamic.audit_json` writes it."""

    def phase(kind, what, first, count, *, lowest=None, highest=None, counted=0, times=1, cycle=1):
        return {
            "kind": kind, "what": what, "first_event": first, "count": count, "lowest": lowest,
            "highest": highest, "counted": counted, "times": times, "cycle": cycle,
        }  # fmt: skip

    def result(probe, condition, outcome, sentence, **numbers):
        return {
            "probe": probe, "condition": condition, "outcome": outcome, "sentence": sentence,
            "numbers": numbers, "runs": ["base", "suffix"],
        }  # fmt: skip

    return {
        "failure": None,
        "step": "small",
        "label": "final_exact",
        "score": 2.853892,
        "is_claim_sure": True,
        "is_claim_guessed": False,
        "adapts": True,
        "learns_between_scores": False,
        "looked_before": 0,
        "not_cleared": {"c1-causal": "executed: not cleared, as prefix-invariance saw a breach"},
        "seconds": 61.2,
        "lacking": [],
        "notes": [],
        "settings": {
            "environment": {"MODEL_DIM": "64"},
            "argv": [],
            "constants": {"ttt_batch": 2},
            "ranks": 1,
            "device": "cpu",
            "thorough": False,
            "whole_seconds": 300.0,
            "train_tokens": 150_000,
            "validation_tokens": 2_049,
        },
        "results": [
            result("coverage", "c4-single-pass", "clean", "2,048 of 2,048 positions counted", counted=2048),
            result("normalisation", "c2-normalized", "no-power", "nothing printed before the evaluation"),
            result(
                "prefix-invariance", "c3-score-before-update", "breach",
                "1,572 of 1,572 scores of tokens before position 1,573 change when only later ones are "
                "others",
                prefix_changed=1572, share=float("nan"),
            ),
        ],
        "runs": [
            {"name": "base", "what": "driven small", "seconds": 18.0, "ending": "printed its score"},
            {"name": "suffix", "what": "tokens from 1,573 on replaced", "seconds": 18.1, "ending": ""},
        ],
        "course": [
            phase("train pass", "", 3, 6),
            phase("write", "final_model.int6.ptz", 40, 1),
            phase("learn", "", 50, 12, lowest=0, highest=2048, times=3, cycle=2),
            phase("score", "", 90, 32, lowest=0, highest=2048, counted=2240),
            phase("claim", "final_exact 2.85389235", 130, 1),
        ],
        "course_left_out": 0,
        **replace,
    }  # fmt: skip
