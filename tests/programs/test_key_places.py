from __future__ import annotations

from tests.programs.key_place_twins import KEY_PLACE_TWINS
from tests.programs.twin_tests import assert_told, each


@each(KEY_PLACE_TWINS)
def test_twin(twin, tmp_path) -> None:
    assert_told(twin, tmp_path)
