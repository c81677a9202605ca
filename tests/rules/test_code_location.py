from __future__ import annotations

from typing import TYPE_CHECKING

from harness.case import Profile
from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case
from tests.rules.bytes_builders import SCRIPT_BYTES, script, sized_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "code-location"
CAP = 16_000_000
IMPORTS = script(SCRIPT_BYTES, start="import hint_table")


def test_helpers_that_take_the_total_over_the_cap_go_to_a_person(tmp_path: Path) -> None:
    case = make_case(
        sized_submission(
            tmp_path, model=CAP - SCRIPT_BYTES, train_gpt__py=IMPORTS, hint_table__py=script(5_000)
        )
    )
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert (
        "helper files add 5,000 bytes (hint_table.py 5,000): 16,005,000 bytes, 5,000 over" in finding.message
    )
    assert (finding.places[0].file, finding.places[0].line) == ("train_gpt.py", 1)


def test_the_text_profile_fails_them(tmp_path: Path) -> None:
    submission = sized_submission(
        tmp_path, model=CAP - SCRIPT_BYTES, train_gpt__py=IMPORTS, hint_table__py=script(5_000)
    )
    assert findings_of(RULE, make_case(submission, profile=Profile.TEXT))[0].verdict is RuleVerdict.FAIL


def test_uncounted_helpers_within_the_cap_are_a_warning(tmp_path: Path) -> None:
    case = make_case(
        sized_submission(
            tmp_path, model=CAP - SCRIPT_BYTES - 5_000, train_gpt__py=IMPORTS, hint_table__py=script(5_000)
        )
    )
    assert findings_of(RULE, case)[0].verdict is RuleVerdict.WARN


def test_helpers_in_the_logged_code_size_pass(tmp_path: Path) -> None:
    case = make_case(
        sized_submission(
            tmp_path,
            model=15_900_000,
            logged_code=SCRIPT_BYTES + 5_000,
            train_gpt__py=IMPORTS,
            hint_table__py=script(5_000),
        )
    )
    assert findings_of(RULE, case)[0].verdict is RuleVerdict.PASS


def test_a_file_that_nothing_reaches_is_not_a_helper(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=CAP - SCRIPT_BYTES, hint_table__py=script(5_000)))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.PASS
