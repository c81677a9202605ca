"""Scans as a whole: bounded, deterministic, each on its own."""

from __future__ import annotations

import json

import pytest

from harness.audit.program import Program
from harness.audit.run_profile import Setting
from harness.audit.scans import SCANS, scan_sources
from harness.audit.scans.scanned_program import ProgramIndex, ScannedProgram
from harness.audit.scans.setting_values import UNKNOWN, holds, value_of
from tests.harness.audit.audit_builder import run_profile
from tests.harness.audit.scans.scan_builder import facts_of

LIMIT = {
    "attribute": "limit",
    "is": {"op": "int", "of": [{"env": "LIMIT", "default": {"const": "0"}}]},
}


def test_a_setting_takes_the_printed_value_then_the_environment_then_the_default() -> None:
    def setting(value: str) -> Setting:
        return Setting(value=value, source="run.sh:1", file="run.sh", line=1)

    assert value_of(LIMIT, run_profile()) == 0
    assert value_of(LIMIT, run_profile(environment={"LIMIT": setting("5")})) == 5
    assert value_of(LIMIT, run_profile(attributes={"limit": setting("7")})) == 7


def test_one_refuted_condition_decides_and_an_unknown_one_leaves_it_open() -> None:
    assert holds([None, {"const": 0}], None) is False
    assert holds([None, {"const": 1}], None) is None
    assert value_of({"op": "/", "of": [{"const": 1}, {"const": 0}]}, None) is UNKNOWN


@pytest.mark.parametrize(
    "text", ["", "def f(): f()\nf()\n", "x = " + "(" * 80 + ")" * 80, "import train_gpt\n"]
)
def test_odd_scripts_give_facts_and_no_failure(text: str) -> None:
    facts = facts_of(text)
    assert facts["not_scanned"] == {}
    assert set(SCANS) <= set(facts)


def test_the_same_script_gives_the_same_plain_data() -> None:
    script = "import ctypes\nctypes.CDLL('x')\nfor i in range(3):\n    exec(i)\n"
    program = Program(entry="train_gpt.py", sources={"train_gpt.py": script})
    assert json.dumps(scan_sources(program)) == json.dumps(scan_sources(program))
    assert [one["kind"] for one in scan_sources(program)["hidden_code"]] == ["native", "executed-text"]


def test_a_limit_on_nodes_is_told_before_more_are_listed() -> None:
    program = Program(entry="train_gpt.py", sources={"train_gpt.py": "x = [" + "1," * 5_000 + "]\n"})
    assert program.is_larger_than(4_000)
    assert program.order.nodes == []


def test_a_scope_holds_decorators_of_inner_functions_and_not_their_bodies() -> None:
    program = Program(entry="a.py", sources={"a.py": "@one(1)\ndef f(x=two()):\n    three()\nfour()\n"})
    index = ProgramIndex(ScannedProgram(program))
    assert list(index.own.called(index.trees["a.py"])) == ["one", "four"]
    assert list(index.own.called(index.functions[0].node)) == ["two", "three"]
