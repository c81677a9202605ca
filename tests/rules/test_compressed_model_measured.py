from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case
from tests.rules.bytes_builders import sized_log, sized_submission

if TYPE_CHECKING:
    from pathlib import Path

    from harness.submission import Submission

RULE = "compressed-model-measured"


def test_sizes_that_add_up_pass_with_the_codec(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(sized_submission(tmp_path, model=15_900_000)))
    assert finding.verdict is RuleVerdict.PASS
    assert finding.message == "3 seeds: model + code = total (quantized+brotli)"


def test_a_total_one_byte_off_the_sum_is_a_warning(tmp_path: Path) -> None:
    log = sized_log(13, model=15_900_000, total=15_960_001)
    submission = sized_submission(tmp_path, model=15_900_000, train_seed13__log=log)
    findings = findings_of(RULE, make_case(submission))
    assert findings[0].verdict is RuleVerdict.WARN
    assert "prints a total of 15,960,001 (1 apart)" in findings[0].message
    assert findings[0].places[0].file == "train_seed13.log"


def test_a_claim_that_the_counted_run_did_not_print_is_a_warning(tmp_path: Path) -> None:
    submission = sized_submission(tmp_path, model=15_900_000, claim=15_950_000)
    finding = findings_of(RULE, make_case(submission))[0]
    assert finding.verdict is RuleVerdict.WARN
    assert "claims 15,950,000 bytes, the counted run printed 15,960,000 (10,000 more)" in finding.message


def test_a_claim_taken_from_another_retry_says_so(tmp_path: Path) -> None:
    other = sized_log(1337, model=15_890_000)
    submission = sized_submission(tmp_path, model=15_900_000, claim=15_950_000, train_seed1337__log=other)
    messages = [finding.message for finding in findings_of(RULE, make_case(submission))]
    assert "which is the total of another run here" in messages[0]


def with_earlier_size(tmp_path: Path, line: str) -> Submission:
    log = sized_log(13, model=15_900_000)
    size = "Serialized model quantized+brotli: 15900000 bytes"
    changed = log.replace(size, f"{line}\n{size}")
    return sized_submission(tmp_path, model=15_900_000, train_seed13__log=changed)


def test_the_checkpoint_before_compression_is_no_second_size(tmp_path: Path) -> None:
    submission = with_earlier_size(tmp_path, "Serialized model: 67000000 bytes")
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.PASS


def test_two_sizes_under_one_label_warn_and_the_one_that_adds_up_counts(tmp_path: Path) -> None:
    submission = with_earlier_size(tmp_path, "Serialized model quantized+brotli: 16100000 bytes")
    finding = findings_of(RULE, make_case(submission))[0]
    assert finding.verdict is RuleVerdict.WARN
    assert finding.message.endswith("15,900,000 are counted")
    assert finding.places[1].line == (finding.places[0].line or 0) - 1


def test_the_largest_of_two_sizes_counts_where_no_total_tells(tmp_path: Path) -> None:
    log = sized_log(13, model=15_900_000, total=16_500_000).replace(
        "Code size", "Serialized model quantized+brotli: 14500000 bytes\nCode size"
    )
    submission = sized_submission(tmp_path, model=15_900_000, train_seed13__log=log)
    seed = next(each for each in make_case(submission).evidence.seeds if each.seed == 13)
    assert seed.model_bytes is not None
    assert seed.model_bytes.value == 15_900_000
