from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case, make_submission
from tests.rules.bytes_builders import sized_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "runtime-side-files"
LOADS = 'import numpy\n\ntable = numpy.load("hints.npz")\n'


def test_a_data_file_that_the_code_names_goes_to_a_person(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py=LOADS, hints__npz=b"z" * 1_770)
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "hints.npz (1,770 bytes) is named at train_gpt.py:3" in finding.message
    assert (finding.places[0].file, finding.places[0].line) == ("train_gpt.py", 3)


def test_a_data_file_that_no_code_names_is_a_remark(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, hints__npz=b"z" * 1_770)))
    assert finding.verdict is RuleVerdict.INFO


def test_a_file_of_the_logged_model_size_is_the_artifact(tmp_path: Path) -> None:
    submission = sized_submission(tmp_path, model=700_000, weights__xz=b"w" * 700_000)
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.PASS


def test_a_committed_model_under_its_usual_name_is_a_remark(tmp_path: Path) -> None:
    names = 'open("final_model.int8.ptz", "wb")\n'
    files = {"train_gpt__py": names, "final_model__int8__ptz": b"w" * 90}
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, **files)))
    assert finding.verdict is RuleVerdict.INFO


def test_validation_shards_are_data_not_artifact(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, fineweb_val_000000__bin=b"s" * 10)
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.NOT_APPLICABLE
