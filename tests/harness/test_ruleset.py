"""Rules as dated data."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

import pytest

from harness.case import Profile
from harness.errors import SetupError
from harness.finding import RuleVerdict
from harness.ruleset import RULES_DIR, Limits, load_ruleset
from harness.submission import Track

if TYPE_CHECKING:
    from pathlib import Path

ROOT = RULES_DIR.parent
TABLES = load_ruleset().tables
LIMITS = [f"{table}.{name}" for table, limits in TABLES.items() for name in limits]
MODULES = [path for folder in ("harness", "rules") for path in (ROOT / folder).rglob("*.py")]
SOURCE = "".join(path.read_text() for path in MODULES)
RULE = """
[some-rule]
title = "A rule"
tracks = ["record"]
since = 2026-04-01
severity = "warn"
needs = ["package"]
authority = ["A1 README"]
retro = "{retro}"
[[some-rule.change]]
since = 2026-04-10
profiles = ["text"]
severity = "reject"
"""


def rules_dir(root: Path, catalogue: str, limits: str = "") -> Path:
    (root / "catalogue").mkdir()
    (root / "catalogue" / "one.toml").write_text(catalogue)
    (root / "limits.toml").write_text(limits)
    return root


def some_rule(root: Path, retro: str = "open"):
    return load_ruleset(rules_dir(root, RULE.format(retro=retro))).rules["some-rule"]


def test_a_dated_change_applies_to_its_profile_only(tmp_path: Path):
    rule = some_rule(tmp_path)
    later = datetime.date(2026, 4, 11)
    assert rule.ceiling(Profile.TEXT, later, Track.RECORD) is RuleVerdict.FAIL
    assert rule.ceiling(Profile.PRACTICE, later, Track.RECORD) is RuleVerdict.WARN


def test_a_dated_change_does_not_apply_before_its_date(tmp_path: Path):
    rule = some_rule(tmp_path)
    assert rule.ceiling(Profile.TEXT, datetime.date(2026, 4, 9), Track.RECORD) is RuleVerdict.WARN


def test_an_open_rule_binds_older_submissions_judged_after_it(tmp_path: Path):
    rule = some_rule(tmp_path, "open")
    assert rule.in_force(datetime.date(2026, 3, 20), judged_on=datetime.date(2026, 4, 2))


def test_a_forward_only_rule_does_not_bind_older_submissions(tmp_path: Path):
    rule = some_rule(tmp_path, "no")
    assert not rule.in_force(datetime.date(2026, 3, 20), judged_on=datetime.date(2026, 4, 2))


def test_a_dated_limit_has_the_value_in_force_on_the_day():
    tables = {
        "cap": [
            {"since": datetime.date(2026, 3, 1), "value": 10},
            {"since": datetime.date(2026, 4, 1), "value": 20},
        ]
    }
    assert Limits(tables, datetime.date(2026, 3, 31)).integer("cap") == 10
    assert Limits(tables, datetime.date(2026, 4, 1)).integer("cap") == 20


def test_a_missing_limit_names_itself_and_the_way_out(tmp_path: Path):
    limits = load_ruleset(rules_dir(tmp_path, RULE.format(retro="no"))).limits(datetime.date(2026, 4, 1))
    with pytest.raises(SetupError, match=r"'artifact.cap_bytes'.*--ignore"):
        limits.integer("artifact.cap_bytes")


def test_a_rule_without_a_severity_is_a_setup_error_that_names_it(tmp_path: Path):
    with pytest.raises(SetupError, match=r"some-rule.*severity"):
        load_ruleset(rules_dir(tmp_path, RULE.format(retro="no").replace('severity = "warn"\n', "", 1)))


def test_broken_toml_is_a_setup_error_that_names_the_file(tmp_path: Path):
    with pytest.raises(SetupError, match=r"one\.toml is not valid TOML"):
        load_ruleset(rules_dir(tmp_path, "[unclosed"))


def test_a_folder_without_rules_is_a_setup_error(tmp_path: Path):
    with pytest.raises(SetupError, match="--rules-dir"):
        load_ruleset(tmp_path)


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_is_read_by_some_module(name: str):
    read_whole, read_from_table = rf"""["']{name}["']""", rf"""\["{name.partition(".")[2]}"\]"""
    assert re.search(f"{read_whole}|{read_from_table}", SOURCE)


def test_exactly_the_nine_essential_rules_of_the_catalogue_are_essential():
    assert load_ruleset().essential == {
        "artifact-cap",
        "train-time-cap",
        "eval-time-cap",
        "val-full",
        "c1-causal",
        "c2-normalized",
        "c3-score-before-update",
        "c4-single-pass",
        "seeds-three",
    }


def _shipped_but(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """A copy of the shipped rules folder with one text changed in one file."""
    for path in [*RULES_DIR.glob("*.toml"), *RULES_DIR.glob("catalogue/*.toml")]:
        copy = tmp_path / path.relative_to(RULES_DIR)
        copy.parent.mkdir(exist_ok=True)
        text = path.read_text(encoding="utf-8")
        copy.write_text(text.replace(old, new) if path.name == file else text, encoding="utf-8")
    return tmp_path


def test_a_limit_that_is_no_number_names_itself(tmp_path: Path):
    folder = _shipped_but(tmp_path, "limits.toml", "cap_bytes = 16_000_000", 'cap_bytes = "sixteen"')
    limits = load_ruleset(folder).limits(datetime.date(2026, 5, 2))
    with pytest.raises(SetupError, match=r"artifact\.cap_bytes is 'sixteen'; it must be a number"):
        limits.integer("artifact.cap_bytes")


def test_a_date_written_as_words_names_its_rule(tmp_path: Path):
    folder = _shipped_but(tmp_path, "bytes.toml", "since = 2026-03-18", 'since = "March"')
    with pytest.raises(SetupError, match="'March', not a date"):
        load_ruleset(folder)


def test_an_unknown_severity_names_its_rule_and_the_known_ones(tmp_path: Path):
    folder = _shipped_but(tmp_path, "bytes.toml", 'severity = "reject"', 'severity = "doom"')
    with pytest.raises(SetupError, match="'doom', not one of reject, needs-human, warn, info"):
        load_ruleset(folder)


def test_limits_without_the_package_table_are_a_setup_error(tmp_path: Path):
    folder = _shipped_but(tmp_path, "limits.toml", "[package", "[parcel")
    with pytest.raises(SetupError, match=r"lacks a table \[package\]"):
        _ = load_ruleset(folder).package
