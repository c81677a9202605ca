from __future__ import annotations

from typing import TYPE_CHECKING

from harness.finding import RuleVerdict
from rules import no_network_at_eval
from tests.harness.audit.scans.scan_builder import scanned_case
from tests.rules.late_read_scripts import script

if TYPE_CHECKING:
    from pathlib import Path


def test_a_download_after_training_asks(tmp_path: Path) -> None:
    late = "import urllib.request\n" + script('urllib.request.urlopen("https://example.org")')
    (found,) = no_network_at_eval.check(scanned_case(tmp_path, late))
    assert (found.rule, found.verdict) == ("no-network-at-eval", RuleVerdict.NEEDS_HUMAN)
    assert (found.places[0].file, found.places[0].line) == ("train_gpt.py", 28)


def test_a_download_of_what_is_missing_is_a_remark(tmp_path: Path) -> None:
    guarded = 'if not os.path.exists("x"): urllib.request.urlopen("https://example.org")'
    (found,) = no_network_at_eval.check(scanned_case(tmp_path, "import urllib.request\n" + script(guarded)))
    assert found.verdict is RuleVerdict.INFO


def test_a_script_without_network_calls_passes(tmp_path: Path) -> None:
    (found,) = no_network_at_eval.check(scanned_case(tmp_path, script()))
    assert found.verdict is RuleVerdict.PASS
