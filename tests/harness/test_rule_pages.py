from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.rule_pages import (
    DEFAULT_DOCS,
    HEADINGS,
    explain,
    list_rules,
    main,
    markdown_page,
    module_path,
    outdated,
    page_of,
    parse_docstring,
    write_pages,
)
from harness.ruleset import RULES_DIR, load_ruleset

RULES = load_ruleset().rules
CHECKED = sorted(rule.id for rule in RULES.values() if rule.is_implemented)
MODULES = sorted(path.stem.replace("_", "-") for path in RULES_DIR.glob("*.py") if path.stem != "__init__")
TESTS = Path(__file__).resolve().parent.parent / "rules"
DOCSTRING = "a-rule: says something.\n\n" + "".join(f"{heading}\n    Words.\n" for heading in HEADINGS)


@pytest.mark.parametrize("rule_id", MODULES)
def test_every_module_checks_a_rule_of_the_catalogue(rule_id):
    assert rule_id in RULES


@pytest.mark.parametrize("rule_id", CHECKED)
def test_every_rule_module_has_all_headings_in_order(rule_id):
    assert tuple(page_of(RULES[rule_id]).sections) == HEADINGS


@pytest.mark.parametrize("rule_id", CHECKED)
def test_every_rule_module_has_a_test_file_of_its_name(rule_id):
    assert (TESTS / f"test_{module_path(RULES[rule_id]).name}").is_file()


@pytest.mark.parametrize("rule_id", sorted(RULES))
def test_every_rule_can_be_explained(rule_id):
    text = explain(rule_id)
    assert text.startswith(f"{rule_id}: ")
    assert "What it cannot see" in text


def test_the_published_pages_are_those_of_the_rules():
    assert outdated(DEFAULT_DOCS, load_ruleset()) == [], "run python -m harness.rule_pages --write docs/rules"


def test_a_rule_nobody_checks_says_what_would_decide_it():
    unchecked = next(rule for rule in RULES.values() if not rule.is_implemented)
    assert "NOT-CHECKED. To decide it takes " in explain(unchecked.id)


def test_the_list_names_every_rule_once():
    lines = list_rules().splitlines()
    assert [line.split()[0].rstrip("*") for line in lines[1 : len(RULES) + 1]] == list(RULES)


def test_an_unknown_rule_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r"there is no rule 'artefact-cap'; did you mean artifact-cap"):
        explain("artefact-cap")


def test_a_complete_docstring_gives_title_and_sections():
    title, sections = parse_docstring(DOCSTRING, "a-rule")
    assert title == "says something"
    assert sections["Example"] == "Words."


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_docstring_without_one_heading_is_refused(heading):
    with pytest.raises(ValueError, match="they must be What it checks"):
        parse_docstring(DOCSTRING.replace(f"{heading}\n", ""), "a-rule")


def test_a_docstring_of_another_rule_is_refused():
    with pytest.raises(ValueError, match="not with 'b-rule: '"):
        parse_docstring(DOCSTRING, "b-rule")


def test_a_heading_with_nothing_below_is_refused():
    with pytest.raises(ValueError, match="nothing stands under Rulings"):
        parse_docstring(DOCSTRING.replace("Rulings\n    Words.\n", "Rulings\n"), "a-rule")


def test_written_pages_are_up_to_date_and_a_changed_one_is_named(tmp_path, capsys):
    ruleset = load_ruleset()
    assert write_pages(tmp_path, ruleset) == len(RULES) + 1
    (tmp_path / "artifact-cap.md").write_text("edited by hand")
    (tmp_path / "gone-rule.md").write_text("a page of no rule")
    assert main(["--check", str(tmp_path)]) == 1
    assert outdated(tmp_path, ruleset) == ["artifact-cap.md", "gone-rule.md"]


def test_writing_mends_what_is_out_of_date(tmp_path):
    write_pages(tmp_path, load_ruleset())
    (tmp_path / "gone-rule.md").write_text("a page of no rule")
    assert main(["--write", str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0


def test_a_page_holds_no_markup_but_its_own():
    page = markdown_page(page_of(RULES["artifact-cap"]))
    assert page.startswith("# artifact-cap\n")
    assert [line for line in page.splitlines() if line.startswith("## ")] == [f"## {h}" for h in HEADINGS]


def test_explaining_a_rule_imports_nothing_heavy():
    code = (
        "import sys; from harness.rule_pages import explain; explain('artifact-cap'); "
        "sys.exit(bool({'rich', 'git', 'scipy', 'rules.artifact_cap'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_explaining_every_rule_is_quick():
    start = time.perf_counter()
    list(map(explain, RULES))
    assert time.perf_counter() - start < 5
