from __future__ import annotations

from tests.programs.judging import answer, judged
from tests.programs.packed_twins import PACKED_TWINS, folder_files, packed_bases
from tests.programs.twin_tests import each


@each(PACKED_TWINS)
def test_twin(twin, tmp_path) -> None:
    text = twin.text(packed_bases())
    said = answer(twin, text, judged(text, tmp_path, folder_files(twin.base)))
    assert said.is_right, said.wrong
