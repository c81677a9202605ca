"""Evidence per seed: which run and which pass a claim was read from, and what else that run printed."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from harness.evidence.seed_evidence import Evidence, Match, SeedEvidence, collect_evidence
from harness.ruleset import load_ruleset
from tests.builders import CODE, SEEDS, good_json, good_log, good_readme, make_submission

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = load_ruleset().limits(datetime.date(2026, 5, 2))
GOOD_TOTAL = 15_800_000 + len(CODE.encode())
ALL_LOGS = [f"train_seed{seed}__log" for seed in SEEDS]


def evidence_of(root: Path, document: dict[str, Any] | None = None, **files: str | None) -> Evidence:
    """Evidence of the good submission with another submission.json and other files."""
    text = json.dumps(document if document is not None else good_json(), indent=1)
    return collect_evidence(make_submission(root, submission__json=text, **files), LIMITS)


def seed(evidence: Evidence, number: int | None) -> SeedEvidence:
    return next(item for item in evidence.seeds if item.seed == number)


def one_log(
    root: Path, name: str, log: str, document: dict[str, Any], readme: str = "# Example\n"
) -> Evidence:
    """Evidence of a submission whose only log has this name."""
    files: dict[str, str | None] = dict.fromkeys(ALL_LOGS)
    files[name] = log
    return evidence_of(root, document, README__md=readme, **files)


def headline_only(val_bpb: float, **more: Any) -> dict[str, Any]:
    return good_json(val_bpb=val_bpb, seed_results=None, **more)


def printing(number: int | None) -> str:
    """The log of seed 13 with another seed line, or without one."""
    return good_log(13).replace("seed:13\n", "" if number is None else f"seed:{number}\n")


def retry(number: int, val_bpb: float, model: int, step: int, train_ms: int = 599_900) -> str:
    """A run of its own start, with another score, model size and last step."""
    return good_log(
        number,
        val_bpb=val_bpb,
        step1=f"step:1/20000 train_loss:6.{step} train_time:43ms step_avg:43.00ms",
        stop=f"stopping_early: wallclock_cap train_time:{train_ms}ms step:{step}/20000",
        model_bytes=f"Serialized model int8+zlib: {model} bytes",
        total=f"Total submission size int8+zlib: {model + len(CODE.encode())} bytes",
    )


def test_every_claimed_seed_is_found_in_its_own_log(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path)
    assert [item.seed for item in evidence.seeds] == list(SEEDS)
    assert {item.match for item in evidence.seeds} == {Match.CLAIM}
    assert [item.run.file for item in evidence.seeds if item.run] == [f"train_seed{s}.log" for s in SEEDS]
    assert evidence.unused_runs == ()


def test_sizes_are_the_labelled_ones_of_the_counted_run(tmp_path: Path) -> None:
    log = good_log(13, code="Code size: 60123 bytes")
    found = seed(evidence_of(tmp_path, train_seed13__log=log), 13)
    sizes = [found.total_bytes, found.model_bytes, found.code_bytes]
    assert [size.value for size in sizes if size] == [GOOD_TOTAL, 15_800_000, 60_123]


def test_an_unlabelled_total_is_the_uncompressed_one(tmp_path: Path) -> None:
    log = good_log(13, peak="Serialized model: 67213579 bytes\nTotal submission size: 67272000 bytes")
    found = seed(evidence_of(tmp_path, train_seed13__log=log), 13)
    assert found.total_bytes is not None
    assert found.model_bytes is not None
    assert (found.total_bytes.value, found.model_bytes.value) == (GOOD_TOTAL, 15_800_000)


def test_score_and_bytes_come_from_the_same_retry(tmp_path: Path) -> None:
    small = GOOD_TOTAL - 300_000
    log = retry(13, 1.19, 16_200_000, 5001) + retry(13, 1.21, 15_500_000, 5002)
    document = good_json({13: 1.19, 1337: 1.2, 1111: 1.2})
    document["seed_results"]["13"] = {"val_bpb": 1.19, "artifact_bytes": small, "steps": 5002}
    found = seed(evidence_of(tmp_path, document, train_seed13__log=log), 13)
    assert found.counted is not None
    assert found.total_bytes is not None
    assert (found.counted.val_bpb.value, found.total_bytes.value) == (1.19, 16_200_000 + len(CODE.encode()))
    assert len(found.other_runs) == 1


def test_of_two_retries_with_the_same_score_the_one_with_the_claimed_steps_counts(tmp_path: Path) -> None:
    log = retry(13, 1.2, 15_800_000, 5001) + retry(13, 1.2, 15_800_000, 5002, train_ms=599_950)
    document = good_json()
    document["seed_results"]["13"]["steps"] = 5001
    found = seed(evidence_of(tmp_path, document, train_seed13__log=log), 13)
    assert found.run is not None
    assert found.run.stop is not None
    assert found.run.stop.step == 5001


def test_a_claim_rounded_to_four_digits_is_found(tmp_path: Path) -> None:
    evidence = evidence_of(
        tmp_path,
        good_json({13: 1.1988, 1337: 1.2, 1111: 1.2}),
        train_seed13__log=good_log(13, val_bpb=1.19884),
    )
    assert seed(evidence, 13).match is Match.CLAIM


def test_a_claim_off_by_half_a_thousandth_is_near(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, good_json({13: 1.1995, 1337: 1.2, 1111: 1.2}))
    assert seed(evidence, 13).match is Match.CLAIM_NEAR


def test_a_claim_off_by_more_is_in_no_log_and_the_nearest_final_pass_is_kept(tmp_path: Path) -> None:
    found = seed(evidence_of(tmp_path, good_json({13: 1.15, 1337: 1.2, 1111: 1.2})), 13)
    assert found.match is Match.NONE
    assert found.counted is None
    assert found.nearest is not None
    assert found.nearest.val_bpb.value == 1.2


def test_a_claim_of_a_pass_before_the_last_one_counts_that_pass(tmp_path: Path) -> None:
    log = good_log(13, val_bpb=1.18) + "legal_ttt_exact val_loss:2.30000000 val_bpb:1.35000000\n"
    found = seed(
        evidence_of(tmp_path, good_json({13: 1.18, 1337: 1.2, 1111: 1.2}), train_seed13__log=log), 13
    )
    assert found.match is Match.CLAIM
    assert found.counted is not None
    assert found.counted.label == "final_int8_zlib_roundtrip_exact"


def test_a_claim_may_be_a_diagnostic_pass_and_stays_marked_as_one(tmp_path: Path) -> None:
    line = "DIAGNOSTIC post_ema val_loss:1.9500 val_bpb:1.1550 eval_time:2000ms"
    log = good_log(13, peak=line)
    found = seed(
        evidence_of(tmp_path, good_json({13: 1.155, 1337: 1.2, 1111: 1.2}), train_seed13__log=log), 13
    )
    assert found.match is Match.CLAIM
    assert found.counted is not None
    assert found.counted.kind.value == "diagnostic"


def test_a_value_that_stands_only_in_the_log_of_another_seed_is_not_proven(tmp_path: Path) -> None:
    document = good_json({13: 1.21, 1337: 1.2, 1111: 1.3})
    logs = {
        "train_seed13__log": good_log(13, val_bpb=1.25),
        "train_seed1111__log": good_log(1111, val_bpb=1.21),
    }
    found = seed(evidence_of(tmp_path, document, **logs), 13)
    assert found.match is Match.NONE
    assert found.found_in is not None
    assert found.found_in.file == "train_seed1111.log"


def test_a_claimed_seed_without_a_log_has_no_run(tmp_path: Path) -> None:
    found = seed(evidence_of(tmp_path, train_seed13__log=None), 13)
    assert (found.match, found.run, found.training_run) == (Match.NONE, None, None)


def test_a_printed_seed_that_differs_from_the_file_name_keeps_both(tmp_path: Path) -> None:
    found = seed(evidence_of(tmp_path, train_seed13__log=printing(1337)), 13)
    assert found.match is Match.CLAIM
    assert found.run is not None
    assert found.run.seed is not None
    assert (found.run.file, found.run.seed.value, found.run.seed_from_name) == ("train_seed13.log", 1337, 13)


def test_the_surer_log_of_a_seed_counts_when_another_file_prints_it_too(tmp_path: Path) -> None:
    found = seed(evidence_of(tmp_path, train_seed13__log=printing(1337)), 1337)
    assert found.run is not None
    assert found.run.file == "train_seed1337.log"


def test_a_seed_only_in_the_file_name_is_used(tmp_path: Path) -> None:
    found = seed(evidence_of(tmp_path, train_seed13__log=printing(None)), 13)
    assert (found.match, found.run is not None) == (Match.CLAIM, True)


def test_a_copy_under_another_name_is_no_second_seed(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, headline_only(1.2), README__md="# Example\n", train__log=good_log(13))
    assert sorted(item.seed or 0 for item in evidence.seeds) == [13, 1111, 1337]
    assert evidence.unused_runs == ()


def test_equal_logs_under_two_seed_names_stay_two_seeds(tmp_path: Path) -> None:
    log = printing(None)
    evidence = evidence_of(tmp_path, train_seed13__log=log, train_seed1337__log=log)
    assert [item.run.file for item in evidence.seeds if item.run] == [f"train_seed{s}.log" for s in SEEDS]


def test_a_run_of_an_unclaimed_seed_is_unused(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, train_seed99__log=good_log(99, val_bpb=1.4))
    assert len(evidence.seeds) == 3
    assert [run.file for run in evidence.unused_runs] == ["train_seed99.log"]


def test_an_evaluation_only_log_is_joined_with_the_run_that_trained(tmp_path: Path) -> None:
    score = "quantized_ttt_phased val_loss:1.90000000 val_bpb:1.17000000 eval_time:450000ms\n"
    document = good_json({13: 1.17, 1337: 1.2, 1111: 1.2})
    evidence = evidence_of(tmp_path, document, eval_seed13__log="seed: 13\n" + score)
    found = seed(evidence, 13)
    assert found.run is not None
    assert found.training_run is not None
    assert (found.run.file, found.training_run.file) == ("eval_seed13.log", "train_seed13.log")
    assert found.total_bytes is not None
    assert found.total_bytes.file == "train_seed13.log"


def test_claims_of_a_readme_table_are_used_when_the_json_has_none(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, headline_only(1.2))
    assert {item.claim.source for item in evidence.seeds if item.claim} == {"README"}
    assert [item.seed for item in evidence.seeds] == list(SEEDS)


def test_a_readme_table_that_does_not_fit_the_headline_is_no_claim(tmp_path: Path) -> None:
    readme = good_readme(dict.fromkeys(SEEDS, 1.31))
    evidence = evidence_of(tmp_path, headline_only(1.2), README__md=readme)
    assert [item.claim for item in evidence.seeds] == [None, None, None]


def test_without_claims_the_label_whose_mean_is_the_headline_counts(tmp_path: Path) -> None:
    sliding = "final_sliding_exact val_loss:1.9000 val_bpb:1.16000000\n"
    later = "last_ttt_exact val_loss:2.0 val_bpb:1.30000000\n"
    logs = {f"train_seed{s}__log": good_log(s) + sliding + later for s in SEEDS}
    evidence = evidence_of(tmp_path, headline_only(1.16), README__md="# Example\n", **logs)
    assert {item.match for item in evidence.seeds} == {Match.HEADLINE}
    assert evidence.counted_scores[0].value == 1.16


def test_a_headline_in_no_log_leaves_the_last_final_pass(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, headline_only(1.1), README__md="# Example\n")
    assert {item.match for item in evidence.seeds} == {Match.LAST}
    assert evidence.counted_scores[0].value == 1.2


def test_a_lone_log_without_a_seed_is_one_unnamed_seed(tmp_path: Path) -> None:
    evidence = one_log(tmp_path, "train__log", printing(None), headline_only(1.2))
    assert [(item.seed, item.match) for item in evidence.seeds] == [(None, Match.HEADLINE)]


def test_a_lone_log_without_a_seed_takes_the_single_claimed_seed(tmp_path: Path) -> None:
    evidence = one_log(tmp_path, "train__log", printing(None), headline_only(1.2, seed=77))
    assert [(item.seed, item.match) for item in evidence.seeds] == [(77, Match.HEADLINE)]


def test_a_single_seed_is_found_by_the_headline_among_its_passes(tmp_path: Path) -> None:
    log = good_log(13) + "legal_ttt_exact val_loss:2.30000000 val_bpb:1.35000000\n"
    found = one_log(tmp_path, "train__log", log, headline_only(1.2)).seeds[0]
    assert found.match is Match.HEADLINE
    assert found.counted is not None
    assert found.counted.val_bpb.value == 1.2


def test_a_run_that_stopped_before_its_evaluation_proves_nothing(tmp_path: Path) -> None:
    log = good_log(13, final="", exact="")
    found = one_log(tmp_path, "train__log", log, headline_only(1.2)).seeds[0]
    assert (found.match, found.counted) == (Match.NONE, None)
    assert found.run is not None


def test_a_submission_without_logs_has_claims_only(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, **dict.fromkeys(ALL_LOGS))
    assert [item.run for item in evidence.seeds] == [None, None, None]
    assert evidence.counted_scores == ()


def test_nothing_claimed_and_nothing_logged_is_no_evidence(tmp_path: Path) -> None:
    files: dict[str, str | None] = dict.fromkeys(ALL_LOGS)
    assert evidence_of(tmp_path, headline_only(1.2), README__md="# Example\n", **files) == Evidence(seeds=())
