from __future__ import annotations

import types

import pytest
import torch

from harness.dynamic.child.facade.accelerator import install_accelerator


def test_no_accelerator_is_found_whatever_the_build_of_torch_would_say(monkeypatch):
    built_for_cuda = types.SimpleNamespace(
        is_available=lambda: True,
        current_accelerator=lambda check_available=False: torch.device("cuda"),
        device_count=lambda: 1,
    )
    monkeypatch.setattr(torch, "accelerator", built_for_cuda)
    install_accelerator()
    assert torch.accelerator.current_accelerator(check_available=True) is None
    assert (torch.accelerator.is_available(), torch.accelerator.device_count()) == (False, 0)


def test_an_older_torch_without_the_module_is_left_as_it_is(monkeypatch):
    monkeypatch.delattr(torch, "accelerator")
    install_accelerator()
    with pytest.raises(AttributeError):
        torch.accelerator  # noqa: B018 - asking is the test
