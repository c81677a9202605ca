from __future__ import annotations

import io
from fractions import Fraction

import pytest
import torch

from harness.dynamic.child.facade.gpu_objects import on_cpu_when_loaded


def saved(value: object) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return file


def test_what_a_script_saved_is_loaded_as_before_torch_2_6():
    assert on_cpu_when_loaded(torch.load)(saved(Fraction(1, 3))) == Fraction(1, 3)


def test_a_script_that_asks_for_weights_only_gets_that():
    with pytest.raises(Exception, match="Weights only load failed"):
        on_cpu_when_loaded(torch.load)(saved(Fraction(1, 3)), weights_only=True)
