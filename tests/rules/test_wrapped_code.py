from __future__ import annotations

import base64
import lzma
from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from tests.builders import findings_of, make_case, make_submission
from tests.rules.bytes_builders import script

if TYPE_CHECKING:
    from pathlib import Path

RULE = "wrapped-code"


def _wrapper(source: str) -> str:
    packed = base64.b85encode(lzma.compress(source.encode())).decode()
    return f'import base64, lzma\nexec(lzma.decompress(base64.b85decode("{packed}")))\n'


def test_a_wrapper_is_named_with_both_sizes(tmp_path: Path) -> None:
    wrapper = _wrapper(script(30_000))
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, train_gpt__py=wrapper)))
    assert finding.verdict is RuleVerdict.INFO
    assert f"a wrapper of {len(wrapper):,} bytes" in finding.message
    assert "around 30,000 bytes of readable code" in finding.message


def test_a_wrapper_that_cannot_be_undone_is_a_question(tmp_path: Path) -> None:
    wrapper = _wrapper(script(30_000)).replace("{Wp48", "{Wp49")
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path, train_gpt__py=wrapper)))
    assert finding.verdict is RuleVerdict.NEEDS_HUMAN
    assert finding.places[0].file == "train_gpt.py"


def test_a_readable_script_is_no_wrapper(tmp_path: Path) -> None:
    (finding,) = findings_of(RULE, make_case(make_submission(tmp_path)))
    assert finding.verdict is RuleVerdict.NOT_APPLICABLE
