from __future__ import annotations

import builtins
import symtable

import pytest

from tests.programs.all_twins import BASES, TWINS
from tests.programs.edits import Edit, Expected, StaleEditError
from tests.programs.judging import rules_of
from tests.programs.packed_twins import PACKED_TWINS, packed_bases

ALL_BASES = {**BASES, **packed_bases()}
ALL_TWINS = (*TWINS, *PACKED_TWINS)
EACH = pytest.mark.parametrize("twin", ALL_TWINS, ids=lambda twin: twin.name)


def unbound_names(text: str) -> set[str]:
    """Names that functions read and nothing defines."""
    module = symtable.symtable(text, "script", "exec")
    known = {*dir(builtins), "__name__", "__file__"}
    known |= {s.get_name() for s in module.get_symbols() if s.is_assigned() or s.is_imported()}
    unbound: set[str] = set()
    tables = list(module.get_children())
    while tables:
        table = tables.pop()
        unbound |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()} - known
        tables.extend(table.get_children())
    return unbound


@EACH
def test_edits_apply_once_and_give_a_script_that_compiles(twin) -> None:
    text = twin.text(ALL_BASES)
    compile(text, twin.name, "exec")
    if twin.shows:
        assert twin.shown_line(text) > 0


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_every_name_of_an_example_is_defined(twin) -> None:
    assert unbound_names(twin.text(BASES)) == set()


def test_twins_have_names_of_their_own() -> None:
    assert len({twin.name for twin in ALL_TWINS}) == len(ALL_TWINS)


def test_every_illegal_twin_differs_from_its_base() -> None:
    as_they_stand = [twin for twin in TWINS if twin.text(BASES) == BASES[twin.base]]
    assert all(twin.expected is not Expected.VIOLATION for twin in as_they_stand)


def test_every_base_is_judged_as_it_stands() -> None:
    as_they_stand = {twin.base for twin in TWINS if not twin.edits}
    assert as_they_stand == set(BASES)


def test_every_breach_has_rules() -> None:
    assert all(rules_of(twin.breach) for twin in ALL_TWINS)


@pytest.mark.parametrize("text", ["nothing here", "twice twice"])
def test_an_edit_that_no_longer_fits_fails_loudly(text) -> None:
    with pytest.raises(StaleEditError, match="places hold 'twice'"):
        Edit("twice", "once").apply(text)
