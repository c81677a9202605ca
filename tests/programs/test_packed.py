"""One packed script only, as walking one takes seconds: `benchmarks.mutation_table --packed` has them all."""

from __future__ import annotations

from harness.finding import RuleVerdict
from tests.programs.judging import judged, rules_of
from tests.programs.packed_twins import PACKED_TWINS, folder_files, packed_bases

SHIPPED = next(twin for twin in PACKED_TWINS if twin.name == "the-shipped-sidecar-adapts-then-scores")


def test_a_large_illegal_script_is_followed_to_the_score_it_adapts_before(tmp_path) -> None:
    findings = judged(packed_bases()[SHIPPED.base], tmp_path, folder_files(SHIPPED.base))
    order = {finding.rule: finding for finding in findings if finding.rule in rules_of(SHIPPED.breach)}
    assert order["ttt-score-first"].verdict is RuleVerdict.FAIL
    assert any("optimizer.step()" in (place.excerpt or "") for place in order["ttt-score-first"].places)
    assert RuleVerdict.PASS not in {finding.verdict for finding in order.values()}
