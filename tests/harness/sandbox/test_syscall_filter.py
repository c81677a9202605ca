"""The filter as a program: an interpreter of its few instructions says what it does to a call."""

from __future__ import annotations

import errno
import struct

import pytest

from harness.sandbox.syscall_filter import filter_program

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW = "allow"


def decision(
    number: int,
    argument: int = 0,
    *,
    machine: str = "x86_64",
    architecture: int = X86,
    allows_internet: bool = True,
    keeps_metadata: bool = False,
) -> str | int:
    """`allow`, or the error number the call gets."""
    program = filter_program(machine, allows_internet=allows_internet, keeps_metadata=keeps_metadata)
    assert program is not None
    lines = [struct.unpack_from("=HBBI", program, start) for start in range(0, len(program), 8)]
    data = {0: number, 4: architecture, 16: argument}
    value = place = 0
    while True:
        code, if_true, if_false, constant = lines[place]
        place += 1
        if code == 0x20:
            value = data[constant]
        elif code == 0x06:
            return ALLOW if constant == 0x7FFF0000 else constant & 0xFFFF
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            place += if_true if holds else if_false


@pytest.mark.parametrize("number", [0, 1, 2, 9, 39, 57, 59, 62, 90, 157, 257, 424, 434])
def test_ordinary_calls_pass(number: int) -> None:
    assert decision(number) == ALLOW


@pytest.mark.parametrize(
    "number", [101, 155, 165, 166, 246, 250, 272, 298, 304, 308, 321, 323, 425, 428, 442]
)
def test_calls_that_reach_beyond_the_sandbox_are_refused(number: int) -> None:
    assert decision(number) == errno.EPERM


def test_processes_and_threads_pass_but_new_namespaces_do_not() -> None:
    assert decision(56, 0x3D0F00) == ALLOW
    assert decision(56, 0x10000000) == errno.EPERM


def test_clone3_is_said_not_to_exist() -> None:
    assert decision(435) == errno.ENOSYS


@pytest.mark.parametrize("family", [1, 2, 10, 16])
def test_sockets_of_the_usual_families_pass(family: int) -> None:
    assert decision(41, family) == ALLOW


@pytest.mark.parametrize("family", [17, 21, 38, 40, 44])
def test_packet_vsock_and_other_sockets_are_refused(family: int) -> None:
    assert decision(41, family) == errno.EAFNOSUPPORT


@pytest.mark.parametrize(
    ("family", "expected"), [(1, errno.EAFNOSUPPORT), (2, errno.EAFNOSUPPORT), (10, errno.EAFNOSUPPORT)]
)
def test_no_sockets_but_pairs_without_a_network_namespace(family: int, expected: str | int) -> None:
    assert decision(41, family, allows_internet=False) == expected


@pytest.mark.parametrize("number", [90, 92, 268, 280, 452])
def test_metadata_calls_do_nothing_where_asked(number: int) -> None:
    assert decision(number, keeps_metadata=True) == 0


def test_calls_of_another_architecture_are_refused() -> None:
    assert decision(0, architecture=0x40000003) == errno.EPERM
    assert decision(0x40000000 + 1) == errno.EPERM


def test_arm_has_numbers_of_its_own() -> None:
    assert decision(97, machine="aarch64", architecture=ARM) == errno.EPERM
    assert decision(41, machine="aarch64", architecture=ARM) == errno.EPERM
    assert decision(198, 40, machine="aarch64", architecture=ARM) == errno.EAFNOSUPPORT
    assert decision(64, machine="aarch64", architecture=ARM) == ALLOW


def test_unknown_machine_has_no_filter() -> None:
    assert filter_program("sparc64", allows_internet=True, keeps_metadata=False) is None
