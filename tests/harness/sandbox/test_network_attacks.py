"""Ways out of the machine: all closed, while ranks of one command still meet on loopback."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from harness.sandbox.request import Protection, Sandbox, SandboxLimits
from tests.harness.sandbox.sandboxes import run_program

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = SandboxLimits(wall_seconds=60.0)


def attempt(action: str) -> str:
    return (
        f"import os, socket\ntry:\n    {action}\n    print('possible')\nexcept OSError as error:\n"
        "    print('refused', error)"
    )


@pytest.mark.parametrize(
    "action",
    [
        "socket.create_connection(('192.0.2.1', 80), timeout=20)",
        "socket.create_connection(('2001:db8::1', 80), timeout=20)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "socket.getaddrinfo('example.com', 80)",
        "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 1024))",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    ],
    ids=["tcp", "tcp6", "udp", "dns", "vsock", "packet", "raw"],
)
def test_network_is_refused(sandbox: Sandbox, action: str) -> None:
    ran = run_program(sandbox, attempt(action), limits=MINUTE)
    assert ran.output.startswith("refused")
    assert ran.has(Protection.NO_NETWORK)


def test_service_of_the_host_on_loopback_is_out_of_reach(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        action = f"socket.create_connection(('127.0.0.1', {port}), timeout=20)"
        ran = run_program(sandbox, attempt(action), limits=MINUTE)
        with pytest.raises(TimeoutError):
            server.accept()
    assert ran.output.startswith("refused")


def test_abstract_socket_of_the_host_is_out_of_reach(sandbox: Sandbox) -> None:
    name = f"\0golf-test-{threading.get_native_id()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        action = f"socket.socket(socket.AF_UNIX).connect({name!r})"
        ran = run_program(sandbox, attempt(action), limits=MINUTE)
    assert ran.output.startswith("refused")


def test_named_socket_of_the_host_is_out_of_reach(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        (tmp_path / "s").chmod(0o777)
        action = f"socket.socket(socket.AF_UNIX).connect({str(tmp_path / 's')!r})"
        ran = run_program(sandbox, attempt(action), limits=MINUTE)
    if sandbox.name == "landlock" and ran.has(Protection.LOOPBACK_ONLY):
        pytest.xfail(
            "Landlock does not cover named sockets; with namespaces only those below /run are hidden"
        )
    assert ran.output.startswith("refused")


def test_services_of_the_system_are_out_of_reach(sandbox: Sandbox) -> None:
    program = "import os\nprint(sum(not name.startswith('golf') for name in os.listdir('/run')))"
    ran = run_program(sandbox, program, limits=MINUTE)
    assert ran.output == "0\n" or "PermissionError" in ran.output or "FileNotFoundError" in ran.output


MEETING = """
import socket
server = socket.create_server(('127.0.0.1', 29500))
client = socket.create_connection(('localhost', 29500), timeout=20)
print('met')
"""


def test_ranks_of_one_command_meet_on_loopback(sandbox: Sandbox) -> None:
    ran = run_program(sandbox, MEETING, limits=MINUTE)
    if not ran.has(Protection.LOOPBACK_ONLY):
        pytest.xfail("without a network namespace there are no internet sockets at all")
    assert ran.output == "met\n"
