from __future__ import annotations

from tests.programs.order_twins import ORDER_TWINS
from tests.programs.twin_tests import assert_told, each


@each(ORDER_TWINS)
def test_twin(twin, tmp_path) -> None:
    assert_told(twin, tmp_path)
