from __future__ import annotations

from tests.programs.judging import answer, judged, rules_of
from tests.programs.packed_twins import TESTED_TWINS, folder_files, packed_bases
from tests.programs.twin_tests import each


@each(TESTED_TWINS)
def test_twin(twin, tmp_path) -> None:
    text = twin.text(packed_bases())
    said = answer(twin, text, judged(text, tmp_path, folder_files(twin.base), rules_of(twin.breach)))
    assert said.is_right, said.wrong
