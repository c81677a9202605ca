"""Results are kept, and an unusable cache never costs a verdict."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from harness.result_cache import ResultCache, result_key, tool_digest

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stored_document_comes_back_equal_after_reopening(tmp_path: Path):
    with ResultCache(tmp_path) as cache:
        cache.put("k", {"verdict": "reject", "seconds": 0.5})
    with ResultCache(tmp_path) as cache:
        assert cache.get("k") == {"verdict": "reject", "seconds": 0.5}


def test_an_unknown_key_is_absent(tmp_path: Path):
    with ResultCache(tmp_path) as cache:
        assert cache.get("nothing") is None


def test_a_damaged_row_counts_as_absent(tmp_path: Path):
    with ResultCache(tmp_path) as cache:
        cache.put("k", {"verdict": "accept"})
    database = sqlite3.connect(tmp_path / "results.sqlite")
    with database:
        database.execute("UPDATE results SET document = x'00ff'")
    database.close()
    with ResultCache(tmp_path) as cache:
        assert cache.get("k") is None


def test_a_file_that_is_no_database_is_a_warning_and_an_empty_cache(tmp_path: Path):
    (tmp_path / "results.sqlite").write_bytes(b"this is not a database, it is a sentence" * 100)
    with ResultCache(tmp_path) as cache:
        cache.put("k", {"verdict": "accept"})
        assert cache.get("k") is None
        assert "cannot be used as a cache" in (cache.warning or "")


def test_a_path_that_cannot_be_a_folder_is_a_warning(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with ResultCache(tmp_path / "file" / "cache") as cache:
        assert cache.get("k") is None
        assert cache.warning is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_a_warning(tmp_path: Path):
    tmp_path.chmod(0o500)
    with ResultCache(tmp_path / "cache") as cache:
        assert cache.warning is not None


def test_the_key_changes_with_content_options_and_tool():
    keys = {
        result_key(*facts) for facts in [("a", "b", "c"), ("x", "b", "c"), ("a", "x", "c"), ("a", "b", "x")]
    }
    assert len(keys) == 4


def test_the_tool_digest_changes_with_the_rules_data(tmp_path: Path):
    (tmp_path / "limits.toml").write_text("a = 1\n")
    before = tool_digest(tmp_path)
    (tmp_path / "limits.toml").write_text("a = 2\n")
    assert tool_digest(tmp_path) != before


@pytest.mark.parametrize(
    ("path", "is_stale"),
    [
        ("check.py", True),
        ("audit/events.py", True),
        ("reports/report_json.py", True),
        ("reports/report_markdown.py", False),
        ("reports/schema/report.json", False),
        ("runs/seed_job.py", False),
        ("sandbox/bubblewrap.py", True),
        ("dynamic/event_schema.json", True),
    ],
)
def test_results_outlive_changes_of_what_only_renders_them(tmp_path: Path, path: str, is_stale: bool):
    code, rules = tmp_path / "harness", tmp_path / "own_rules"
    rules.mkdir()
    edited = code / path
    edited.parent.mkdir(parents=True)
    edited.write_text("before = 1\n", encoding="utf-8")
    before = tool_digest(rules, code)
    edited.write_text("after = 1\n", encoding="utf-8")
    assert (tool_digest(rules, code) != before) is is_stale
