from __future__ import annotations

import harness.exit_status
import reference_model.exit_status


def test_a_run_ends_with_the_numbers_of_golf_check() -> None:
    ours, harness_numbers = reference_model.exit_status.Exit, harness.exit_status.Exit
    assert (ours.OK, ours.FAILED, ours.USAGE) == (
        harness_numbers.OK,
        harness_numbers.FAIL,
        harness_numbers.USAGE,
    )
    assert (ours.SETUP, ours.BUG, ours.INTERRUPTED) == (
        harness_numbers.NOT_CHECKED,
        harness_numbers.BUG,
        harness_numbers.INTERRUPTED,
    )
