from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case
from tests.rules.bytes_builders import SCRIPT_BYTES, script, sized_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "code-bytes-compressed-claim"
CAP = 16_000_000


def test_a_packed_count_with_a_readable_script_over_the_cap_goes_to_a_person(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=CAP - SCRIPT_BYTES + 1, logged_code=45_000))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "train_gpt.py as shipped (60,000 bytes) makes 16,000,001, 1 over the cap" in finding.message
    assert finding.places[0].file == "train_gpt.py"
    assert finding.ask is not None


def test_the_same_count_passes_where_the_readable_script_fits(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=CAP - SCRIPT_BYTES, logged_code=45_000))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.PASS
    assert "16,000,000 in total" in finding.message


def test_shipping_the_packed_script_settles_it(tmp_path: Path) -> None:
    case = make_case(
        sized_submission(
            tmp_path, model=CAP - SCRIPT_BYTES + 1, logged_code=45_000, train_gpt__py=script(45_000)
        )
    )
    assert findings_of(RULE, case)[0].verdict is RuleVerdict.PASS


def test_without_a_script_it_does_not_apply(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=15_900_000, train_gpt__py=None))
    assert findings_of(RULE, case)[0].verdict is RuleVerdict.NOT_APPLICABLE
