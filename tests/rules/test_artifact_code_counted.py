from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case
from tests.rules.bytes_builders import sized_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "artifact-code-counted"


def test_a_claim_that_is_the_model_alone_is_a_warning_where_it_fits(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=15_900_000, claim=15_900_000))
    finding = findings_of(RULE, case)[0]
    assert finding.verdict is RuleVerdict.WARN
    assert "with the code as shipped it is 15,960,000" in finding.message
    assert finding.places[0].file == "submission.json"


def test_a_claim_that_is_the_model_alone_fails_where_no_code_fits_beside_it(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=15_999_000, claim=15_999_000))
    assert findings_of(RULE, case)[0].verdict is RuleVerdict.FAIL


def test_a_claim_of_model_plus_code_passes(tmp_path: Path) -> None:
    case = make_case(sized_submission(tmp_path, model=15_900_000))
    (finding,) = findings_of(RULE, case)
    assert finding.verdict is RuleVerdict.PASS
    assert finding.message == "3 logs adding 60,000 bytes of code to the model"
