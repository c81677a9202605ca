from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import Profile
from harness.finding import RuleVerdict
from tests.builders import findings_of, good_json, make_case, make_submission
from tests.rules.bytes_builders import SCRIPT_BYTES, script, sized_log, sized_submission

if TYPE_CHECKING:
    from pathlib import Path

CAP = 16_000_000
RULE = "artifact-cap"
NON_RECORD = "records/track_non_record_16mb/2026-04-01_Example"


def test_a_total_of_exactly_the_cap_passes(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=CAP - SCRIPT_BYTES))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.INFO
    assert "3 seeds, at most 16,000,000 bytes, 0 under" in finding.message


def test_one_byte_over_the_cap_fails_on_every_seed(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=CAP - SCRIPT_BYTES + 1))
    findings = findings_of(RULE, case)
    assert [finding.verdict for finding in findings] == [RuleVerdict.FAIL] * 3
    assert "seed 13: 16,000,001 bytes as train_seed13.log states, 1 over the cap" in findings[0].message
    assert findings[0].places[0].file == "train_seed13.log"
    assert findings[0].places[0].line == 23


def test_only_the_seed_that_is_over_fails(tmp_path: Path) -> None:
    over = sized_log(13, model=CAP - 100)
    case = make_case(sized_submission(tmp_path, model=15_900_000, train_seed13__log=over))
    verdicts = [finding.verdict for finding in findings_of(RULE, case)]
    assert verdicts == [RuleVerdict.FAIL, RuleVerdict.PASS]


def test_a_plain_pass_names_the_largest_total_with_its_margin(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=15_900_000))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.PASS
    assert "3 seeds, at most 15,960,000 bytes, 40,000 under the cap of 16,000,000" in finding.message


def test_a_model_that_no_packing_saves_fails_although_less_is_claimed(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=CAP - 1_000, claim=15_900_000))
    finding = findings_of(RULE, case)[0]
    assert finding.verdict is RuleVerdict.FAIL
    assert "even with the code packed as tightly as we can" in finding.message
    assert (
        "submission.json claims 15,900,000, which the run that gave the score did not print"
        in finding.message
    )


def test_a_claim_under_the_cap_against_a_log_over_it_goes_to_a_person(tmp_path: Path) -> None:
    model = CAP - SCRIPT_BYTES + 5_000
    case = make_case(sized_submission(tmp_path, model=model, claim=model))
    finding = findings_of(RULE, case)[0]
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "which is the model without any code" in finding.message
    assert finding.ask is not None


def test_the_text_profile_fails_a_log_over_the_cap_whatever_is_claimed(tmp_path: Path) -> None:
    model = CAP - SCRIPT_BYTES + 5_000
    case = make_case(sized_submission(tmp_path, model=model, claim=model), profile=Profile.TEXT)
    assert findings_of(RULE, case)[0].verdict is RuleVerdict.FAIL


def test_a_smaller_script_than_the_logged_one_goes_to_a_person(tmp_path: Path) -> None:
    model = CAP - 30_000
    case = make_case(sized_submission(tmp_path, model=model, train_gpt__py=script(20_000)))
    finding = findings_of(RULE, case)[0]
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "the script as shipped (20,000 bytes) make 15,990,000" in finding.message


def test_a_packed_count_with_a_readable_script_is_a_remark_in_practice(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=CAP - 50_000, logged_code=45_000))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.INFO
    assert "seed 13, seed 1337, seed 1111: up to 16,010,000 bytes" in finding.message
    assert "see code-bytes-compressed-claim" in finding.message


def test_a_packed_count_with_a_readable_script_fails_by_the_text(tmp_path: Path) -> None:
    submission = sized_submission(tmp_path, model=CAP - 50_000, logged_code=45_000)
    (finding,) = findings_of(RULE, make_case(submission, profile=Profile.TEXT))
    assert finding.verdict is RuleVerdict.FAIL


def test_the_non_record_board_only_warns(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=CAP, entry=NON_RECORD, submission__json=None))
    assert findings_of(RULE, case)[0].verdict is RuleVerdict.WARN


def test_a_claim_without_a_log_is_not_checked(tmp_path: Path) -> None:
    case = make_case(
        make_submission(tmp_path, train_seed13__log=None, train_seed1337__log=None, train_seed1111__log=None)
    )
    verdicts = {finding.verdict for finding in findings_of(RULE, case)}
    assert verdicts == {RuleVerdict.NOT_CHECKED}


def test_a_lone_log_over_the_cap_is_asked_about(tmp_path: Path) -> None:
    case = make_case(
        sized_submission(tmp_path, model=CAP, README__md=None, submission__json=None, train_gpt__py=None)
    )
    finding = findings_of(RULE, case)[0]
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.ask == "Is this log the evidence of a submission?"


def test_a_total_of_the_whole_submission_over_the_cap_is_asked_about(tmp_path: Path) -> None:
    import json

    document = json.dumps(good_json(bytes_total=16_500_000), indent=2)
    case = make_case(sized_submission(tmp_path, model=15_900_000, submission__json=document))
    finding = findings_of(RULE, case)[-1]
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "submission.json states 16,500,000 bytes, 500,000 over" in finding.message


def test_a_printed_total_that_does_not_fit_its_parts_is_asked_about(tmp_path: Path) -> None:
    log = sized_log(13, model=15_900_000, total=24_700_000)
    finding = findings_of(
        RULE, make_case(sized_submission(tmp_path, model=15_900_000, train_seed13__log=log))
    )[0]
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "does not fit the run's own model and code sizes" in finding.message


READS_A_TABLE = "import numpy\n\ntable = numpy.load('hints.npz')\n"
READS_ITS_MODEL = READS_A_TABLE.replace("hints.npz", "final_model.int8.ptz")


def test_a_file_that_the_script_opens_and_that_goes_over_the_cap_is_asked_about(tmp_path: Path) -> None:
    files = {"train_gpt__py": script(start=READS_A_TABLE), "hints__npz": b"z" * 900_000}
    (finding,) = findings_of(RULE, make_case(sized_submission(tmp_path, model=15_800_000, **files)))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "opens hints.npz (900,000 bytes): up to 16,760,000, 760,000 over the cap" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == ("train_gpt.py", 3)


def test_the_text_profile_rejects_a_file_that_goes_over_the_cap(tmp_path: Path) -> None:
    files = {"train_gpt__py": script(start=READS_A_TABLE), "hints__npz": b"z" * 900_000}
    submission = sized_submission(tmp_path, model=15_800_000, **files)
    (finding,) = findings_of(RULE, make_case(submission, profile=Profile.TEXT))
    assert finding.verdict is RuleVerdict.FAIL


def test_a_file_that_the_script_opens_and_that_fits_passes(tmp_path: Path) -> None:
    files = {"train_gpt__py": script(start=READS_A_TABLE), "hints__npz": b"z" * 900}
    (finding,) = findings_of(RULE, make_case(sized_submission(tmp_path, model=15_800_000, **files)))
    assert finding.verdict is RuleVerdict.PASS
    assert "with data files 15,860,900" in finding.message


def test_the_model_under_its_usual_name_is_not_counted_twice(tmp_path: Path) -> None:
    files = {"train_gpt__py": script(start=READS_ITS_MODEL), "final_model__int8__ptz": b"z" * 900_000}
    (finding,) = findings_of(RULE, make_case(sized_submission(tmp_path, model=15_800_000, **files)))
    assert finding.verdict is RuleVerdict.PASS
