"""The precedents load, name rules of the catalogue, and malformed ones are refused with a place."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.ruleset import RULES_DIR, load_ruleset
from harness.rulings import Outcome, list_rulings, load_rulings

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
[[ruling]]
pr = 7
date = 2026-04-02
who = "A2 someone"
rules = ["seeds-three"]
outcome = "rejected"
text = "One seed only."
[[ruling]]
commit = "abc123"
date = 2026-03-19
who = "A1 README"
rules = ["seeds-three", "chrono-open"]
outcome = "text"
text = "Three runs."
"""


def rules_folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "rulings.toml").write_text(text)
    return tmp_path


def test_rulings_come_oldest_first(tmp_path: Path) -> None:
    rulings = load_rulings(rules_folder(tmp_path, GOOD))
    assert [ruling.reference for ruling in rulings] == ["abc123", "#7"]
    assert rulings[1].date == datetime.date(2026, 4, 2)
    assert rulings[1].outcome is Outcome.REJECTED


def test_a_folder_without_rulings_has_none(tmp_path: Path) -> None:
    assert load_rulings(tmp_path) == ()
    assert "no rulings" in list_rulings(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pr = 7", "pr = 7\nissue = 8"),
        ("pr = 7\n", ""),
        ("date = 2026-04-02", 'date = "2026-04-02"'),
        ('outcome = "rejected"', 'outcome = "maybe"'),
        ('text = "One seed only."', ""),
    ],
)
def test_a_malformed_ruling_is_refused_by_number(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(SetupError, match=r"ruling 1:"):
        load_rulings(rules_folder(tmp_path, GOOD.replace(old, new)))


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="TOML"):
        load_rulings(rules_folder(tmp_path, "[[ruling"))


def test_the_list_has_one_line_for_each_ruling(tmp_path: Path) -> None:
    lines = list_rulings(rules_folder(tmp_path, GOOD)).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("2026-04-02  #7")
    assert lines[1].endswith("seeds-three: One seed only.")


def test_every_shipped_ruling_names_rules_of_its_evidence_catalogue_by_known_ids() -> None:
    evidence = {rule.id for rule in load_ruleset().rules.values() if rule.section == "evidence"}
    ruled = {rule for ruling in load_rulings(RULES_DIR) for rule in ruling.rules}
    assert {"seeds-three", "same-config", "report-mean", "sig-p025-chain", "grace"} <= evidence & ruled
