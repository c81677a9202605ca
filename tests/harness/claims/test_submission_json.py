"""submission.json: every layout people use ends in the same attributes, every defect has a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.claims.submission_json import read_submission_json

if TYPE_CHECKING:
    from harness.submission import SubmissionJson


def read(text: str) -> SubmissionJson:
    return read_submission_json("submission.json", text.encode())


def read_object(**members: Any) -> SubmissionJson:
    return read(json.dumps(members, indent=1))


def kinds(found: SubmissionJson) -> set[str]:
    return {problem.kind for problem in found.problems}


def scores(found: SubmissionJson) -> dict[int | None, float]:
    return {claim.seed: claim.val_bpb.value for claim in found.per_seed if claim.val_bpb is not None}


THREE = {13: 1.1, 42: 1.2, 7: 1.3}


def test_no_file_is_not_present() -> None:
    found = read_submission_json(None, None)
    assert not found.present
    assert not found.parsed


def test_a_file_that_could_not_be_read_is_present_but_not_parsed() -> None:
    found = read_submission_json("submission.json", None)
    assert found.present
    assert kinds(found) == {"unreadable"}


def test_another_file_name_is_kept_in_every_place() -> None:
    found = read_submission_json("submission_b.json", b'{"val_bpb": 1.1}')
    assert found.headline is not None
    assert (found.path, found.headline.file) == ("submission_b.json", "submission_b.json")


def test_the_headline_has_its_line_and_excerpt() -> None:
    found = read('{\n  "name": "x",\n  "val_bpb": 1.0812\n}')
    assert found.headline is not None
    assert (found.headline.value, found.headline.line, found.headline.excerpt) == (
        1.0812,
        3,
        '"val_bpb": 1.0812',
    )
    assert found.headline_key == "val_bpb"


@pytest.mark.parametrize(
    "key",
    [
        "mean_val_bpb",
        "val_bpb_mean",
        "val_bpb_3seed_mean",
        "three_seed_mean_bpb",
        "mean_bpb",
        "val_bpb_exact",
        "final_val_bpb",
        "bpb",
        "score",
        "best_val_bpb",
        "ttt_val_bpb",
        "val_bpb_sliding_window",
        "roundtrip_val_bpb",
    ],
)
def test_the_headline_is_found_under_every_spelling(key: str) -> None:
    found = read_object(**{key: 1.0812})
    assert found.headline is not None
    assert (found.headline.value, found.headline_key) == (1.0812, key)


def test_val_bpb_counts_before_other_spellings() -> None:
    found = read_object(best_val_bpb=1.0, mean_val_bpb=1.05, val_bpb=1.1)
    assert found.headline_key == "val_bpb"


def test_a_headline_object_is_read_by_its_mean() -> None:
    found = read_object(val_bpb={"mean": 1.2, "seed_13": 1.1, "seed_7": 1.3})
    assert found.headline_key == "val_bpb.mean"
    assert scores(found) == {13: 1.1, 7: 1.3}


def test_a_headline_below_results_is_found() -> None:
    assert read_object(results={"mean_val_bpb": 1.1}).headline_key == "results.mean_val_bpb"


def test_a_null_headline_is_reported_and_no_partial_score_takes_its_place() -> None:
    found = read_object(val_bpb=None, sliding_val_bpb=1.1)
    assert found.headline is None
    assert "null-headline" in kinds(found)


def test_a_score_stored_as_a_loss_is_read_with_a_problem() -> None:
    found = read_object(val_loss=1.1428)
    assert found.headline_key == "val_loss"
    assert "bpb-in-val-loss" in kinds(found)


def test_a_loss_beside_a_score_stays_a_loss() -> None:
    found = read_object(val_loss=2.03, val_bpb=1.2)
    assert found.val_loss is not None
    assert found.val_loss.value == 2.03


def test_a_number_as_text_is_read_with_a_problem() -> None:
    found = read_object(val_bpb="1.0812", bytes_total="15,900,000")
    assert found.headline is not None
    assert found.total_bytes is not None
    assert (found.headline.value, found.total_bytes.value) == (1.0812, 15_900_000)
    assert kinds(found) == {"number-as-text"}


@pytest.mark.parametrize(
    "text", ["TBD", "PLACEHOLDER", "pending", "FILL_ME", "TBD_AFTER_TRAINING", "<fill after runs>"]
)
def test_a_placeholder_is_no_score(text: str) -> None:
    found = read_object(val_bpb=text)
    assert found.headline is None
    assert kinds(found) == {"placeholder"}


def test_a_placeholder_id_is_reported_with_its_key_and_line() -> None:
    found = read('{"val_bpb": 1.1,\n"github_id": "YOUR_GITHUB_ID"}')
    problem = next(problem for problem in found.problems if problem.kind == "placeholder")
    assert (problem.key, problem.line) == ("github_id", 2)


def test_the_word_pending_in_prose_is_no_placeholder() -> None:
    assert (
        kinds(read_object(val_bpb=1.1, blurb="Two runs with a pending follow-up on larger models.")) == set()
    )


@pytest.mark.parametrize("value", [0.0, -1, 40.5])
def test_a_score_outside_the_possible_is_dropped(value: float) -> None:
    found = read_object(val_bpb=value)
    assert found.headline is None
    assert kinds(found) == {"out-of-range"}


def test_a_score_of_20_is_still_taken() -> None:
    assert read_object(val_bpb=20.0).headline is not None


def test_a_negative_size_is_dropped() -> None:
    found = read_object(val_bpb=1.1, bytes_total=-5)
    assert found.total_bytes is None
    assert "out-of-range" in kinds(found)


def test_a_boolean_is_no_score() -> None:
    assert "wrong-type" in kinds(read_object(val_bpb=True))


LAYOUTS: dict[str, dict[str, Any]] = {
    "seed_results of objects": {"seed_results": {str(s): {"val_bpb": v} for s, v in THREE.items()}},
    "seed_results of numbers": {"seed_results": {str(s): v for s, v in THREE.items()}},
    "seed_results list": {"seed_results": [{"seed": s, "val_bpb": v} for s, v in THREE.items()]},
    "seeds object": {"seeds": {str(s): {"val_bpb": v} for s, v in THREE.items()}},
    "seeds list of objects": {"seeds": [{"seed": str(s), "val_bpb": v} for s, v in THREE.items()]},
    "val_bpb_seeds": {"val_bpb_seeds": {f"seed_{s}": v for s, v in THREE.items()}},
    "val_bpb_per_seed": {"val_bpb_per_seed": {str(s): v for s, v in THREE.items()}},
    "top-level seed_n": {f"seed_{s}": {"val_bpb": v, "steps": 5} for s, v in THREE.items()},
    "flat keys": {f"val_bpb_seed{s}": v for s, v in THREE.items()},
    "per_seed": {"per_seed": {str(s): {"val_bpb": v} for s, v in THREE.items()}},
    "results": {"results": {f"seed_{s}": {"bpb": v} for s, v in THREE.items()}},
    "results below seeds": {"results": {"seeds": {str(s): {"val_bpb": v} for s, v in THREE.items()}}},
    "parallel seed_bpbs": {"seeds": list(THREE), "seed_bpbs": list(THREE.values())},
    "parallel val_bpb_seeds": {"seeds": list(THREE), "val_bpb_seeds": list(THREE.values())},
    "parallel seed_results": {"seeds": list(THREE), "seed_results": list(THREE.values())},
    "score object": {"val_bpb": {f"seed_{s}": v for s, v in THREE.items()}},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_per_seed_layout_gives_the_same_claims(layout: str) -> None:
    found = read_object(name="x", **LAYOUTS[layout])
    assert scores(found) == THREE
    assert {seed.value for seed in found.seeds} == set(THREE)


def test_a_claim_has_the_line_of_its_own_value() -> None:
    found = read('{"seed_results": {\n"42": {"val_bpb": 1.1},\n"7": {"val_bpb": 1.2}}}')
    assert [claim.val_bpb.line for claim in found.per_seed if claim.val_bpb] == [2, 3]


def test_the_label_keeps_the_key_as_written() -> None:
    found = read_object(seed_results={"42_reproduction": {"val_bpb": 1.1}})
    assert (found.per_seed[0].seed, found.per_seed[0].label) == (42, "42_reproduction")


@pytest.mark.parametrize("key", ["ttt_val_bpb", "sliding_bpb", "quantized_ttt_bpb", "ttt_bpb", "final_bpb"])
def test_a_seed_score_under_another_name_is_found(key: str) -> None:
    assert scores(read_object(seed_results={"42": {key: 1.1, "pre_quant_val_bpb": 1.05}})) == {42: 1.1}


def test_without_val_bpb_the_column_whose_mean_is_the_headline_counts() -> None:
    rows = {"1": {"sliding_bpb": 1.10, "ttt_bpb": 1.08}, "2": {"sliding_bpb": 1.12, "ttt_bpb": 1.10}}
    assert scores(read_object(val_bpb=1.11, seed_results=rows)) == {1: 1.10, 2: 1.12}


def test_of_several_variants_the_one_of_the_headline_counts() -> None:
    rows = {
        f"{kind}_seed{s}": {"val_bpb": v + off}
        for kind, off in (("a", 0.1), ("b", 0.0))
        for s, v in THREE.items()
    }
    assert scores(read_object(val_bpb=1.2, results=rows)) == THREE


def test_seed_results_of_a_baseline_are_no_claim() -> None:
    assert read_object(baseline_seed_results={"42": {"val_bpb": 1.3}}).per_seed == ()


def test_side_values_of_a_seed_are_read_in_bytes_and_seconds() -> None:
    row = {
        "val_bpb": 1.1,
        "artifact_bytes": 15_900_000,
        "steps": 5000,
        "train_time_ms": 599_500,
        "eval_time_s": 430.5,
    }
    claim = read_object(seed_results={"42": row}).per_seed[0]
    values = [claim.total_bytes, claim.steps, claim.train_seconds, claim.eval_seconds]
    assert [value.value for value in values if value] == [15_900_000, 5000, 599.5, 430.5]


def test_nested_times_of_a_seed_are_read() -> None:
    row = {"val_bpb": 1.1, "train": {"time_ms": 600_000}, "eval": {"time_s": 300}}
    claim = read_object(seed_results={"42": row}).per_seed[0]
    assert claim.train_seconds is not None
    assert claim.eval_seconds is not None
    assert (claim.train_seconds.value, claim.eval_seconds.value) == (600.0, 300.0)


def test_a_map_of_bytes_beside_the_scores_joins_the_claims() -> None:
    found = read_object(val_bpb_seeds={"1": 1.1, "2": 1.2}, artifact_bytes={"1": 15_000_000, "2": 15_000_002})
    assert [claim.total_bytes.value for claim in found.per_seed if claim.total_bytes] == [
        15_000_000,
        15_000_002,
    ]
    assert found.total_bytes is not None
    assert found.total_bytes.value == 15_000_002


@pytest.mark.parametrize(
    "key",
    ["bytes_total", "artifact_bytes", "artifact_bytes_max", "artifact_size_bytes", "total_submission_bytes"],
)
def test_total_bytes_are_found_under_every_spelling(key: str) -> None:
    found = read_object(**{key: 15_900_000})
    assert found.total_bytes is not None
    assert found.total_bytes.value == 15_900_000


def test_a_maximum_counts_before_a_mean() -> None:
    found = read_object(artifact_bytes_mean=15_900_000.33, artifact_bytes_max=15_900_500)
    assert found.total_bytes is not None
    assert found.total_bytes.value == 15_900_500


def test_model_and_code_bytes_are_told_apart() -> None:
    found = read_object(bytes_model_int6_zstd=15_000_000, bytes_code=60_000)
    assert found.model_bytes is not None
    assert found.code_bytes is not None
    assert (found.model_bytes.value, found.code_bytes.value) == (15_000_000, 60_000)


@pytest.mark.parametrize(
    ("key", "value", "seconds"),
    [
        ("wallclock_seconds", 599.9, 599.9),
        ("train_time_ms", 599_900, 599.9),
        ("training_time_minutes", 10, 600.0),
        ("training_time_hours", 2, 7200.0),
        ("training_time", "600s", 600.0),
    ],
)
def test_a_training_time_is_converted_from_the_unit_in_its_key(key: str, value: Any, seconds: float) -> None:
    found = read_object(**{key: value})
    assert found.train_seconds is not None
    assert found.train_seconds.value == pytest.approx(seconds)


def test_a_time_limit_is_no_time() -> None:
    assert read_object(train_time_cap_seconds=600, train_under_600s=True).train_seconds is None


@pytest.mark.parametrize("key", ["val_bpb_std", "std_val_bpb", "std_bpb", "three_seed_std_bpb"])
def test_a_stated_deviation_is_found(key: str) -> None:
    found = read_object(**{key: 0.0004})
    assert found.stated_std is not None
    assert found.stated_std.value == 0.0004


def test_authors_of_a_list_are_joined_and_give_the_id() -> None:
    found = read_object(authors=[{"name": "A. Author", "github_id": "aauthor"}, "B. Author"])
    assert found.author is not None
    assert found.github_id is not None
    assert (found.author.value, found.github_id.value) == ("A. Author, B. Author", "aauthor")


def test_hardware_may_be_an_object() -> None:
    found = read_object(hardware={"gpu": "H100 SXM", "count": 8})
    assert found.hardware is not None
    assert found.hardware.value == "H100 SXM, 8"


def test_a_non_record_flag_is_a_track() -> None:
    found = read_object(non_record=True)
    assert found.track is not None
    assert found.track.value == "non-record"


def test_a_number_of_seeds_is_no_seed() -> None:
    assert read_object(seeds=3, num_seeds=3).seeds == ()


def test_one_seed_is_read() -> None:
    assert [seed.value for seed in read_object(seed=1337).seeds] == [1337]


def test_compliance_keeps_booleans_only() -> None:
    found = read_object(compliance={"three_seeds": True, "note": "checked", "n_seeds": 3})
    assert {key: flag.value for key, flag in found.compliance.items()} == {"three_seeds": True}


def test_a_broken_file_is_not_parsed_but_says_what_was_recovered() -> None:
    found = read('{"val_bpb": 1.1,\n"name": "x",\n}')
    assert not found.parsed
    assert found.headline is not None
    recovered = next(problem for problem in found.problems if problem.kind == "recovered")
    assert "headline, name" in recovered.message


def test_a_list_is_no_submission() -> None:
    found = read("[1, 2]")
    assert not found.parsed
    assert kinds(found) == {"not-an-object"}
