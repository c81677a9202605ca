"""One packed script only, as walking one takes seconds: `benchmarks.mutation_table --packed` has them all."""

from __future__ import annotations

from harness.finding import RuleVerdict
from tests.programs.judging import judged, rules_of
from tests.programs.packed_twins import PACKED_TWINS, folder_files, packed_bases

SHIPPED = next(twin for twin in PACKED_TWINS if twin.name == "the-shipped-sidecar-adapts-then-scores")


def test_a_large_illegal_script_that_is_not_followed_to_its_score_is_not_cleared(tmp_path) -> None:
    findings = judged(packed_bases()[SHIPPED.base], tmp_path, folder_files(SHIPPED.base))
    order = [finding for finding in findings if finding.rule in rules_of(SHIPPED.breach)]
    assert order
    assert RuleVerdict.PASS not in {finding.verdict for finding in order}
