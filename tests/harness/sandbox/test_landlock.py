"""The kernel's structures for each version of Landlock, as its header defines them."""

from __future__ import annotations

import struct

from harness.sandbox.landlock import handled_rights, landlock_abi, ruleset_attributes


def test_first_version_knows_thirteen_file_rights() -> None:
    assert handled_rights(1) == 0x1FFF


def test_later_versions_add_moving_truncating_and_device_control() -> None:
    assert [handled_rights(abi) for abi in (2, 3, 4, 5, 9)] == [0x3FFF, 0x7FFF, 0x7FFF, 0xFFFF, 0xFFFF]


def test_attributes_grow_with_the_version() -> None:
    assert [len(ruleset_attributes(abi, allows_tcp=False)) for abi in (1, 3, 4, 5, 6)] == [8, 8, 16, 16, 24]


def test_tcp_is_handled_only_when_it_is_to_be_refused() -> None:
    assert struct.unpack("=QQ", ruleset_attributes(4, allows_tcp=False))[1] == 3
    assert struct.unpack("=QQ", ruleset_attributes(4, allows_tcp=True))[1] == 0


def test_version_is_a_number_everywhere() -> None:
    assert landlock_abi() >= 0
