"""README claims: scores with lines, and the per-seed table in the layouts people use."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.claims.readme_claims import read_readme_claims


def scores(text: str) -> list[float]:
    return [score.value for score in read_readme_claims("README.md", text).scores]


def per_seed(text: str) -> dict[int | None, float]:
    claims = read_readme_claims("README.md", text).per_seed
    return {claim.seed: claim.val_bpb.value for claim in claims if claim.val_bpb is not None}


def table(header: str, *rows: str) -> str:
    rule = "|" + "---|" * header.count("|", 1)
    return "\n".join(["Some words.", "", header, rule, *rows, ""])


def test_no_readme_makes_no_claim() -> None:
    assert read_readme_claims(None, "").scores == ()


@pytest.mark.parametrize(
    "line",
    [
        "**val_bpb: 1.0812** (mean of three seeds)",
        "It reaches 1.0812 BPB.",
        "The mean val_bpb is 1.0812.",
        "final_int8 val_loss:2.0312 val_bpb:1.0812",
        "1.0812 bits per byte",
    ],
)
def test_a_score_in_prose_is_found(line: str) -> None:
    assert scores(line) == [1.0812]


@pytest.mark.parametrize(
    "line",
    [
        "bpb with a loss of 2.0312 nats",
        "improves bpb by a delta of -0.0051",
        "val_bpb std 0.0004",
        "an artifact of 15.98 MB, better bpb",
        "torch version 2.91 (bpb)",
        "learning rate 0.025 gives the best bpb",
    ],
)
def test_other_numbers_near_the_word_are_no_scores(line: str) -> None:
    assert scores(line) == []


def test_a_score_has_its_line() -> None:
    claims = read_readme_claims("README.md", "# Title\n\nval_bpb 1.0812\n")
    assert (claims.scores[0].line, claims.scores[0].file) == (3, "README.md")


def test_scores_stand_in_the_order_of_the_text() -> None:
    text = table("| seed | val_bpb |", "| 1 | 1.3001 |") + "\nmean val_bpb 1.2001\n"
    assert scores("val_bpb 1.1001\n\n" + text) == [1.1001, 1.3001, 1.2001]


def test_a_seed_table_gives_one_claim_per_seed_and_no_mean() -> None:
    text = table("| Seed | val_bpb |", "| 42 | 1.1000 |", "| 1337 | 1.2000 |", "| **Mean** | **1.1500** |")
    assert per_seed(text) == {42: 1.1, 1337: 1.2}


def test_a_claim_has_the_line_of_its_row() -> None:
    claims = read_readme_claims("README.md", table("| Seed | val_bpb |", "| 42 | 1.1000 |")).per_seed
    assert claims[0].val_bpb is not None
    assert claims[0].val_bpb.line == 5


@pytest.mark.parametrize(
    "header",
    [
        "| Seed | Pre-TTT bpb | **Post-TTT bpb** |",
        "| Seed | Sliding BPB | TTT BPB |",
        "| Seed | Roundtrip BPB | **Sliding BPB** |",
        "| Seed | EMA BPB | Quantized BPB |",
        "| Seed | Sliding BPB | N-gram BPB |",
        "| Seed | val_loss | val_bpb |",
        "| Seed | Pre-quant val_bpb | final val_bpb |",
    ],
)
def test_of_several_columns_the_most_final_counts(header: str) -> None:
    assert per_seed(table(header, "| 42 | 1.9000 | 1.1000 |")) == {42: 1.1}


def test_the_final_column_counts_also_when_it_comes_first() -> None:
    assert per_seed(
        table("| Seed | Post-TTT BPB | Pre-TTT BPB |", "| 42 | 1.1 00 | 1.2 |", "| 7 | 1.1000 | 1.2000 |")
    ) == {7: 1.1}


def test_a_gain_column_is_no_score() -> None:
    assert per_seed(table("| Seed | val_bpb | TTT gain |", "| 42 | 1.1000 | 0.0021 |")) == {42: 1.1}


@pytest.mark.parametrize("cell", ["42", "**42**", "`42`", "seed 42", "seed=42", "42 (best)"])
def test_a_seed_is_read_from_its_cell(cell: str) -> None:
    assert per_seed(table("| Seed | val_bpb |", f"| {cell} | **1.1000** |")) == {42: 1.1}


def test_a_table_with_one_column_per_seed_is_read() -> None:
    text = table(
        "| Metric | Seed 42 | Seed 7 | Mean |",
        "| Steps | 5000 | 5001 | 5000 |",
        "| val_bpb | 1.1 | 1.2 | 1.15 |",
    )
    assert per_seed(text.replace("1.1 |", "1.1000 |").replace("1.2 |", "1.2000 |")) == {42: 1.1, 7: 1.2}


def test_bytes_steps_and_times_of_a_row_are_read() -> None:
    text = table(
        "| Seed | Steps | val_bpb | Artifact | Train time | Eval time |",
        "| 42 | 5,000 | 1.1000 | 15,900,000 | 599.5s | 430 s |",
    )
    claim = read_readme_claims("README.md", text).per_seed[0]
    values = [claim.steps, claim.total_bytes, claim.train_seconds, claim.eval_seconds]
    assert [value.value for value in values if value] == [5000, 15_900_000, 599.5, 430.0]


def test_a_size_in_megabytes_is_not_exact_enough_to_be_a_claim() -> None:
    claims = read_readme_claims(
        "README.md", table("| Seed | val_bpb | Artifact |", "| 42 | 1.1000 | 15.9 MB |")
    ).per_seed
    assert claims[0].total_bytes is None


def test_the_first_table_with_three_seeds_counts() -> None:
    ablation = table("| Seed | val_bpb |", "| 42 | 1.3000 |")
    results = table("| Seed | val_bpb |", "| 42 | 1.1000 |", "| 7 | 1.2000 |", "| 9 | 1.3000 |")
    assert per_seed(ablation + results) == {42: 1.1, 7: 1.2, 9: 1.3}


def test_seeds_in_a_list_are_read_when_there_is_no_table() -> None:
    assert per_seed("- seed 42: val_bpb 1.1000\n- seed 7: val_bpb 1.2000\n") == {42: 1.1, 7: 1.2}


def test_a_cut_off_table_is_no_crash() -> None:
    assert per_seed("| Seed | val_bpb |\n|---|---|\n| 42 |\n| 7") == {}


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="|-: \nseed 42.01bp*_`x", max_size=300))
def test_arbitrary_text_never_raises(text: str) -> None:
    assert read_readme_claims("README.md", text).path == "README.md"
