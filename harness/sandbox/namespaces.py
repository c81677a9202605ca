"""Own namespaces without a helper program: process ids, network with loopback only, mounts, IPC.

For machines without bubblewrap. Runs before the untrusted command and imports little.
Source: unshare(2), user_namespaces(7), pid_namespaces(7), netdevice(7).
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NEW_NS, _NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR, _ATTR_RDONLY, _AT_FDCWD, _AT_RECURSIVE = 442, 1, -100, 0x8000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def unshare_all(*, uses_user_namespace: bool) -> None:
    """Leave every namespace of the caller; its next child is process 1 of the new one.

    With a user namespace the user keeps its number and gets no other. Raises OSError where not permitted.
    """
    user, group = os.geteuid(), os.getegid()
    flags = _NEW_NS | _NEW_IPC | _NEW_PID | _NEW_NET | (_NEW_USER if uses_user_namespace else 0)
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.unshare(ctypes.c_int(flags)), "unshare")
    if uses_user_namespace:
        _write("/proc/self/setgroups", b"deny")
        _write("/proc/self/gid_map", f"{group} {group} 1".encode())
        _write("/proc/self/uid_map", f"{user} {user} 1".encode())


def raise_loopback() -> None:
    """Bring `lo` up in a new network namespace; ranks of one command meet there."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sH14x", b"lo", 0)
        answer = fcntl.ioctl(probe.fileno(), _SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("H", answer, 16)
        fcntl.ioctl(probe.fileno(), _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def own_mounts(writable: Sequence[str], hidden: Sequence[str], shm_bytes: int) -> bool:
    """Make all but `writable` read-only; cover `hidden`; mount an empty /dev/shm and a /proc of our own.

    Landlock does not cover permissions, owners and times of files; a read-only mount does.
    Whether the new /proc worked:

    a container that masks parts of /proc forbids it, and the caller then keeps /proc closed.
    Raises OSError when any of the rest failed (read-only needs Linux 5.12).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "private mounts")
    for folder in writable:
        name = os.fsencode(folder)
        _checked(libc.mount(name, name, None, ctypes.c_ulong(_MS_BIND | _MS_REC), None), f"binding {folder}")
    _set_read_only(libc, b"/", is_read_only=True)
    for folder in writable:
        _set_read_only(libc, os.fsencode(folder), is_read_only=False)
    for folder in hidden:
        covered = ctypes.c_ulong(_MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        _checked(
            libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", covered, b"size=4k"), f"covering {folder}"
        )
    plain = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    has_proc = bool(libc.mount(b"proc", b"/proc", b"proc", plain, None) == 0)
    options = f"size={shm_bytes},mode=1777".encode()
    shm_flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
    _checked(libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", shm_flags, options), "a private /dev/shm")
    return has_proc


def _set_read_only(libc: ctypes.CDLL, path: bytes, *, is_read_only: bool) -> None:
    """Everything mounted at and below `path` (struct mount_attr: set, clear, propagation, user namespace)."""
    bits = (_ATTR_RDONLY, 0) if is_read_only else (0, _ATTR_RDONLY)
    attributes = struct.pack("=QQQQ", *bits, 0, 0)
    result = libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        path,
        ctypes.c_uint(_AT_RECURSIVE),
        attributes,
        ctypes.c_size_t(len(attributes)),
    )
    _checked(result, f"mount_setattr {os.fsdecode(path)}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _write(path: str, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text)
    finally:
        os.close(descriptor)
