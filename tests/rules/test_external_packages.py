from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "external-packages"


def test_a_package_that_can_load_weights_goes_to_a_person(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py="import torch\nimport transformers\n")
    finding = findings_of(RULE, make_case(submission))[0]
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert (finding.places[0].file, finding.places[0].line) == ("train_gpt.py", 2)


def test_kernels_and_codecs_pass(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py="import torch\nimport flash_attn\nimport brotli\n")
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.PASS
    assert finding.message == "imports brotli, flash_attn, torch"


def test_an_unknown_package_is_a_warning(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py="import torch\nimport oddkernels\n")
    finding = findings_of(RULE, make_case(submission))[0]
    assert finding.verdict is RuleVerdict.WARN
    assert "oddkernels" in finding.message


def test_a_module_of_the_folder_is_no_package(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py="import oddkernels\n", oddkernels__py="x = 1\n")
    (finding,) = findings_of(RULE, make_case(submission))
    assert finding.verdict is RuleVerdict.PASS
