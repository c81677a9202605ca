from __future__ import annotations

from tests.programs.ngram_twins import NGRAM_TWINS
from tests.programs.twin_tests import assert_told, each


@each(NGRAM_TWINS)
def test_twin(twin, tmp_path) -> None:
    assert_told(twin, tmp_path)
