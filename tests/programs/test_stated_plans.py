"""What a README says of test-time training, beside a script that does none and without any log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.finding import RuleVerdict
from tests.builders import good_json
from tests.programs.judging import judged
from tests.programs.loss_script import scored_by

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = scored_by("loss_sum += F.cross_entropy(model(x), y, reduction='sum').item()\n")


def _order(root: Path, readme: str) -> RuleVerdict:
    files = {"README.md": readme, "submission.json": json.dumps(good_json())}
    found = judged(_SCRIPT, root, files)
    return next(one.verdict for one in found if one.rule == "c3-score-before-update")


@pytest.mark.parametrize(
    "readme",
    [
        "# A model\n\n## Future directions\n\n- Combine with TTT\n\n## Files\n",
        "# A model\n\n## Next steps\n\n### Evaluation\n\nTry test-time training.\n",
        "# A model\n\n## What was not tried\n\n- TTT\n",
    ],
)
def test_training_that_is_only_planned_says_nothing_of_the_claim(tmp_path: Path, readme: str) -> None:
    assert _order(tmp_path, readme) is RuleVerdict.PASS


@pytest.mark.parametrize(
    "readme",
    [
        "# A model\n\n## Method\n\n- Combined with TTT\n",
        "# A model\n\n## Future directions\n\n- More layers\n\n## Method\n\nScored with TTT.\n",
        "# A model\n\n## Future directions\n\n- TTT twice\n\n# Results\n\nTTT gives 1.10.\n",
        "# A model\n\n```\n# future\n```\n\nScored with TTT.\n",
        "# A model with TTT\n\n## Future directions\n\n- TTT twice\n",
    ],
)
def test_training_that_the_readme_claims_leaves_the_order_open(tmp_path: Path, readme: str) -> None:
    assert _order(tmp_path, readme) is RuleVerdict.NOT_CHECKED
