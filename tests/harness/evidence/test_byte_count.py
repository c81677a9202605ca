from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.evidence.byte_count import CodeBytes, SeedBytes, count_bytes, count_code, is_unclaimed
from harness.evidence.cap_standing import Standing, standing_of
from harness.finding import Sourced
from harness.submission import Code, SourceFile
from tests.builders import CODE, SEEDS, good_json, good_log, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

CAP = 16_000_000


def _code(entry: int | None, *, helpers: int = 0, tightest: int = 20_000) -> CodeBytes:
    return CodeBytes(
        entry=entry,
        helpers=helpers,
        readable=entry,
        packed=tightest,
        minified=None,
        tightest=tightest,
        wrapped=False,
    )


def _seed(
    *, model: int | None, logged: int | None = None, claimed: int | None = None, code: CodeBytes | None = None
) -> SeedBytes:
    def at(value: int | None, file: str) -> Sourced[int] | None:
        return None if value is None else Sourced(value, file, 7)

    return SeedBytes(
        seed=42,
        code=code or _code(50_000),
        logged_total=at(logged, "train.log"),
        logged_code=at(50_000, "train.log"),
        claimed_total=at(claimed, "submission.json"),
        model=at(model, "train.log"),
        has_run=logged is not None or model is not None,
    )


def test_the_three_counts_of_a_good_submission_agree_with_its_log(tmp_path: Path) -> None:
    seeds = count_bytes(make_case(make_submission(tmp_path)))
    assert tuple(seed.seed for seed in seeds) == SEEDS
    assert seeds[0].shipped_total == 15_800_000 + len(CODE.encode())
    assert seeds[0].logged_total is not None
    assert seeds[0].logged_total.value == seeds[0].shipped_total
    assert seeds[0].logged_total.file == "train_seed13.log"


def test_a_total_that_no_log_prints_has_no_line(tmp_path: Path) -> None:
    log = good_log(13, total="", model_bytes="", code="")
    seeds = count_bytes(make_case(make_submission(tmp_path, train_seed13__log=log)))
    assert seeds[0].logged_total is None
    assert seeds[0].claimed_total is not None
    assert seeds[0].claimed_total.file == "submission.json"


def test_the_model_size_is_the_total_less_the_code_when_it_is_not_printed(tmp_path: Path) -> None:
    log = good_log(
        13, model_bytes="", code="Code size: 50046 bytes", total="Total submission size: 15850046 bytes"
    )
    seeds = count_bytes(make_case(make_submission(tmp_path, train_seed13__log=log)))
    assert seeds[0].model is not None
    assert seeds[0].model.value == 15_800_000


def test_one_model_size_in_the_json_is_not_that_of_every_seed(tmp_path: Path) -> None:
    document = json.dumps(good_json(bytes_model=16_100_000))
    logs = {f"train_seed{seed}__log": None for seed in SEEDS}
    seeds = count_bytes(make_case(make_submission(tmp_path, submission__json=document, **logs)))
    assert [seed.model for seed in seeds] == [None, None, None]


def test_the_tightest_count_is_the_smaller_packing_without_its_base85() -> None:
    plain = SourceFile(path="train_gpt.py", shipped_bytes=9_000, text="x = 1\n")
    code = Code(entry=plain, packed_bytes=5_000, packed_minified_bytes=4_000)
    assert count_code(code).tightest == 3_200


def test_the_tightest_count_is_never_more_than_what_is_shipped() -> None:
    wrapper = SourceFile(path="train_gpt.py", shipped_bytes=3_000, text="x = 1\n", unpacked=True)
    code = Code(entry=wrapper, packed_bytes=5_000, packed_minified_bytes=4_000)
    assert count_code(code).tightest == 3_000


def test_an_undecodable_wrapper_counts_with_its_size_on_disk() -> None:
    opaque = SourceFile(path="train_gpt.py", shipped_bytes=15_516, text=None)
    code = count_code(Code(entry=opaque))
    assert (code.shipped, code.tightest, code.readable) == (15_516, 15_516, None)


def test_data_files_and_embedded_files_are_no_helpers() -> None:
    entry = SourceFile(path="train_gpt.py", shipped_bytes=3_000, text="x = 1\n")
    data = SourceFile(path="summary.json", shipped_bytes=8_408, text=None, reached_by="data")
    embedded = SourceFile(path="train_gpt.py::kernel.cu", shipped_bytes=0, text="x\n", reached_by="compile")
    assert count_code(Code(entry=entry, closure=(data, embedded))).shipped == 3_000


def test_no_script_means_no_code_bytes() -> None:
    assert count_code(Code(entry=None)).shipped is None


def test_exactly_the_cap_is_within_it() -> None:
    seed = _seed(model=CAP - 50_000, logged=CAP)
    assert standing_of(seed, CAP) is Standing.WITHIN


def test_one_byte_over_the_cap_in_every_stated_total_is_over_stated() -> None:
    seed = _seed(model=CAP - 49_999, logged=CAP + 1, claimed=CAP + 1)
    assert standing_of(seed, CAP) is Standing.OVER_STATED


def test_a_model_that_no_packing_can_save_is_over_even_packed() -> None:
    seed = _seed(model=CAP - 10_000, logged=CAP - 1)
    assert standing_of(seed, CAP) is Standing.OVER_EVEN_PACKED


def test_a_smaller_shipped_script_leaves_the_logged_total_open() -> None:
    seed = _seed(model=CAP - 25_000, logged=CAP + 25_000, code=_code(19_000, tightest=19_000))
    assert standing_of(seed, CAP) is Standing.OVER_UNTIL_WRAPPED


def test_a_claim_under_the_cap_against_a_log_over_it_is_contradictory() -> None:
    seed = _seed(model=CAP - 25_000, logged=CAP + 25_000, claimed=CAP - 25_000)
    assert standing_of(seed, CAP) is Standing.CONTRADICTORY


def test_a_readable_script_behind_a_packed_count_is_over_as_shipped() -> None:
    seed = _seed(model=CAP - 40_000, logged=CAP - 10_000)
    assert standing_of(seed, CAP) is Standing.OVER_AS_SHIPPED


def test_only_helper_files_over_the_cap_is_its_own_standing() -> None:
    seed = _seed(model=CAP - 60_000, logged=CAP - 10_000, code=_code(50_000, helpers=30_000))
    assert standing_of(seed, CAP) is Standing.OVER_WITH_HELPERS


def test_a_claim_without_any_run_proves_nothing() -> None:
    seed = _seed(model=None, claimed=CAP - 1_000)
    assert standing_of(seed, CAP) is Standing.CLAIM_ONLY


def test_a_lone_log_claims_nothing(tmp_path: Path) -> None:
    lone = make_submission(tmp_path, README__md=None, submission__json=None, train_gpt__py=None)
    assert is_unclaimed(lone)


def test_a_log_with_a_script_claims_something(tmp_path: Path) -> None:
    assert not is_unclaimed(make_submission(tmp_path, README__md=None, submission__json=None))
