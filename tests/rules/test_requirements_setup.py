from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, good_readme, make_case, make_submission

if TYPE_CHECKING:
    from pathlib import Path

RULE = "requirements-setup"
USES_BROTLI = "import torch\nimport brotli\n"


def test_a_package_that_nothing_mentions_is_a_warning(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, train_gpt__py=USES_BROTLI)))
    assert finding.verdict is RuleVerdict.WARN
    assert (finding.places[0].file, finding.places[0].line) == ("train_gpt.py", 2)


def test_naming_it_in_requirements_is_enough(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py=USES_BROTLI, requirements__txt="Brotli>=1.1\n")
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.PASS


def test_naming_it_in_the_readme_is_enough(tmp_path: Path) -> None:
    readme = good_readme() + "\nInstall flash-attn first.\n"
    submission = make_submission(tmp_path, train_gpt__py="import flash_attn_interface\n", README__md=readme)
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.PASS


def test_the_packages_of_the_image_need_no_mention(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, train_gpt__py="import torch, numpy, sentencepiece\n")
    assert findings_of(RULE, make_case(submission))[0].verdict is RuleVerdict.NOT_APPLICABLE
