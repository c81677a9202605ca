"""The first process inside a sandbox: ours, trusted, it confines itself a child and becomes the command.

It stays as the parent of everything the command starts (process 1 where there is a process namespace), so it
alone can say how the command ended; the command cannot write to the pipe it says it on.
Order of talk: it reads the plan, reports `ready`, waits for one byte (the caller has put it into its control
group by then), starts the command, reports `ended`, and waits for the caller to end it.
Every start pays for what this module imports, so it is little: no typing, dataclasses, pathlib or json.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import signal

from harness.sandbox.landlock import restrict_self
from harness.sandbox.namespaces import own_mounts, raise_loopback, unshare_all
from harness.sandbox.syscall_filter import refuse_dangerous_calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

LENGTH_BYTES = 4
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_PR_SET_CHILD_SUBREAPER, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, _PR_SET_NO_NEW_PRIVS = 36, 47, 4, 38
_LAST_CAPABILITY = 63
_PROC_WITHOUT_NAMESPACE = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys", "/proc/version")


def main(control: int, status: int) -> NoReturn:
    """Read the plan from `control`, report on `status`; both are pipe descriptors."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.set_inheritable(control, False)
    os.set_inheritable(status, False)
    try:
        plan = _plan(control)
        if plan["unshares"]:
            unshare_all(uses_user_namespace=plan["unshares"] == "user")
        # Both after a change of identity, which resets the first and needs the second as it was.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL if plan["has_pid_namespace"] else signal.SIGTERM)
        _prctl(_PR_SET_DUMPABLE, 0)  # nobody may trace us or read our memory and descriptors
        if plan["unshares"]:
            _become_parent_of_process_1(control, status)
        _supervise(plan, control, status)
    except BaseException as error:  # whatever failed here is the machine's fault or ours
        _say(status, f"fault {type(error).__name__}: {error}")
    os._exit(1)


def _plan(control: int) -> Any:
    size = int.from_bytes(_exactly(control, LENGTH_BYTES), "big")
    return marshal.loads(_exactly(control, size))


def _exactly(descriptor: int, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        chunk = os.read(descriptor, count - len(data))
        if not chunk:
            raise EOFError("the caller has gone")
        data += chunk
    return bytes(data)


def _say(status: int, message: str) -> None:
    """One line: `ready`, `ended CODE PEAK_BYTES` (a negative code is a signal) or `fault REASON`."""
    os.write(status, message.replace("\n", " ").encode("utf-8", "replace")[:4000] + b"\n")


def _become_parent_of_process_1(control: int, status: int) -> None:
    """Returns in the child only; the parent waits for it and ends as it did."""
    child = os.fork()
    if child == 0:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    os.close(control)
    os.close(status)
    os.close(0)
    os.close(1)
    os.close(2)
    os.waitpid(child, 0)
    os._exit(0)


def _supervise(plan: Any, control: int, status: int) -> NoReturn:
    if not plan["has_pid_namespace"]:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGTERM, _kill_all_below)
    has_proc = True
    if plan["unshares"]:
        raise_loopback()
        has_proc = own_mounts(plan["writable_mounts"], plan["hidden"], plan["temporary_bytes"])
    _say(status, "ready")
    _exactly(control, 1)
    errors, report = os.pipe()
    child = os.fork()
    if child == 0:
        _become_command(plan, report, has_proc=has_proc)
    os.close(report)
    for descriptor in (0, 1, 2):
        os.close(descriptor)  # the log ends when the command's own processes have closed it
    failure = os.read(errors, 2**15)
    if failure:
        _say(status, f"fault {failure.decode('utf-8', 'replace')}")
        os._exit(1)
    peak_kilobytes = 0
    while True:
        pid, raw, usage = os.wait4(-1, 0)
        peak_kilobytes = max(peak_kilobytes, usage.ru_maxrss)
        if pid == child:
            break
    code = os.waitstatus_to_exitcode(raw)
    _say(status, f"ended {code} {peak_kilobytes * 1024}")
    while os.read(control, 1):
        pass
    if not plan["has_pid_namespace"]:
        _kill_all_below(0, None)
    os._exit(0)


def _become_command(plan: Any, report: int, *, has_proc: bool) -> NoReturn:
    try:
        # Doors close from the outside in: identity first, then what needs no rights, the filter last.
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.umask(0o022)
        _drop_identity(plan["user"], plan["drops_capabilities"])
        if plan["drops_capabilities"]:
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        os.chdir(plan["workdir"])
        for name, value in plan["limits"].items():
            _limit(getattr(resource, name), value)
        if plan["landlock"] is not None:
            _confine_files(plan["landlock"], has_proc=has_proc)
        if plan["filter"] is not None:
            refuse_dangerous_calls(**plan["filter"])
        command = plan["command"]
        os.execvpe(command[0], command, plan["environment"])
    except BaseException as error:  # the parent turns it into a fault
        os.write(report, f"{type(error).__name__}: {error}".encode()[:4096])
    os._exit(127)


def _drop_identity(user: int | None, drops_capabilities: bool) -> None:
    if drops_capabilities:
        for capability in range(_LAST_CAPABILITY + 1):
            _prctl(_PR_CAPBSET_DROP, capability)  # refused without the right to, and then there is no need
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def _confine_files(wanted: dict[str, Any], *, has_proc: bool) -> None:
    # Without a /proc of our own only its harmless tables and the command's own entry stay open.
    proc = (
        ("/proc",) if has_proc and wanted["own_proc"] else (*_PROC_WITHOUT_NAMESPACE, f"/proc/{os.getpid()}")
    )
    # Threads are named by writing there; root could write kernel settings too, so it gets its own entry only.
    own = proc if has_proc and wanted["own_proc"] and os.getuid() != 0 else (f"/proc/{os.getpid()}",)
    writable = [*wanted["writable"], *own]
    restrict_self([*wanted["readable"], *proc], writable, allows_tcp=wanted["allows_tcp"])


def _limit(which: int, value: int) -> None:
    """Lower both bounds; a bound that is already lower stays."""
    _, hard = resource.getrlimit(which)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (bound, bound))


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero)


def _kill_all_below(_number: int, _frame: object) -> NoReturn:
    """Without a process namespace: end every descendant, adopted ones included, then this process."""
    from harness.sandbox.process_tree import kill_descendants

    kill_descendants(os.getpid())
    os._exit(0)
