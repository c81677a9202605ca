"""Tries from inside what a sandbox should forbid, and prints what was possible; also reads that answer.

The program is text because it runs where only the interpreter is sure to be seen. It changes nothing: files
are made without a name, a datagram socket is connected but nothing is sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

PROBE = r"""
import ctypes, json, os, resource, socket, sys, tempfile
canary = sys.argv[1]

def can(action):
    try:
        action()
    except OSError:
        return False
    return True

def connect(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.connect(address)

def loopback():
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0)); server.listen(); client.settimeout(5)
        client.connect(server.getsockname())

def unnamed(folder):
    os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600))

def status():
    with open("/proc/self/status") as table:
        return dict(row.rstrip("\n").split(":\t", 1) for row in table if ":\t" in row)

def temporary():
    with tempfile.TemporaryFile() as file:
        file.write(b"x")

def new_user_namespace():
    child = os.fork()
    if child == 0:
        os._exit(0 if ctypes.CDLL(None).unshare(0x10000000) == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

own = {}
can(lambda: own.update(status()))
print(json.dumps({
    "internet": can(lambda: connect(socket.AF_INET, ("192.0.2.1", 9)))
        or can(lambda: connect(socket.AF_INET6, ("2001:db8::1", 9))),
    "loopback": can(loopback),
    "parent_is_1": os.getppid() == 1,
    "writes_system": any(can(lambda: unnamed(one)) for one in ("/", "/usr", "/etc", "/var", "/usr/lib")),
    "reads_canary": can(lambda: open(canary).close()),
    "sees_canary": can(lambda: os.stat(canary)) and can(lambda: os.listdir(os.path.dirname(canary))),
    "writes_temporary": can(temporary),
    "user": os.getuid(),
    "capabilities": own.get("CapEff", "unknown"),
    "filter": own.get("Seccomp", "0"),
    "new_user_namespace": new_user_namespace(),
    "tasks": resource.getrlimit(resource.RLIMIT_NPROC)[0],
    "environment": sorted(os.environ),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """What was possible inside. `tasks` is the bound in force, -1 for none."""

    internet: bool
    loopback: bool
    parent_is_1: bool
    writes_system: bool
    reads_canary: bool
    sees_canary: bool
    writes_temporary: bool
    user: int
    capabilities: str
    filter: str
    new_user_namespace: bool
    tasks: int
    environment: frozenset[str]


def probe_answer(output: bytes) -> ProbeAnswer | None:
    """The last line of the output, if it is one."""
    lines = output.strip().splitlines()
    try:
        values = json.loads(lines[-1])
        return ProbeAnswer(**{**values, "environment": frozenset(values["environment"])})
    except (IndexError, ValueError, TypeError, KeyError):
        return None
