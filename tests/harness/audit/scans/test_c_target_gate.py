"""C helpers whose hints depend on the token they are for."""

from __future__ import annotations

import pytest

from tests.harness.audit.scans.scan_builder import facts_of

pytest.importorskip("tree_sitter_c")

HELPER = """\
void hints(const int *tokens, int *within, const char *starts, long count) {
    for (long i = 0; i < count; i++) {
        int token = tokens[i];
        int is_start = starts[token];
        if (FLAG) {
            within[i] = 1;
        }
        remember(token);
    }
}
"""


def test_a_hint_under_the_class_of_its_own_token_is_found() -> None:
    gates = facts_of("print(1)", helper__c=HELPER.replace("FLAG", "!is_start"))["c_target_gates"]["gates"]
    assert [(one["file"], one["line"], one["token_line"]) for one in gates] == [("helper.c", 6, 3)]


def test_a_hint_under_what_came_before_is_none() -> None:
    assert (
        facts_of("print(1)", helper__c=HELPER.replace("FLAG", "count > 3"))["c_target_gates"]["gates"] == []
    )


def test_c_in_a_string_counts_lines_in_the_script() -> None:
    script = 'SOURCE = """' + HELPER.replace("FLAG", "is_start") + '"""\nprint(1)\n'
    (gate,) = facts_of(script)["c_target_gates"]["gates"]
    assert (gate["file"], gate["line"]) == ("train_gpt.py", 6)
