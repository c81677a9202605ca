from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import SEEDS, findings_of, good_json, good_log, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "artifact-roundtrip"


def test_a_score_after_the_compressed_model_passes(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path)))
    assert finding.verdict is RuleVerdict.PASS
    assert "3 seeds" in finding.message


def test_counting_a_validation_during_training_goes_to_a_person(tmp_path: Path) -> None:
    document = json.dumps(good_json(dict.fromkeys(SEEDS, 1.2141)))
    log = good_log(13, final="", exact="")
    submission = make_submission(
        tmp_path,
        submission__json=document,
        README__md="# Example\n",
        train_seed13__log=log,
        train_seed1337__log=None,
        train_seed1111__log=None,
    )
    finding = findings_of(RULE, make_case(submission))[0]
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert "1.21410000" in finding.message
    assert "printed before the model was compressed" in finding.message
    assert finding.places[0].file == "train_seed13.log"
