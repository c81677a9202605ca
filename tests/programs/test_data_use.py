from __future__ import annotations

from tests.programs.data_twins import DATA_TWINS
from tests.programs.twin_tests import assert_told, each


@each(DATA_TWINS)
def test_twin(twin, tmp_path) -> None:
    assert_told(twin, tmp_path)
