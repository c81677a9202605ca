"""Own namespaces without a helper program: process ids, network with loopback only, mounts, IPC.

For machines without bubblewrap. Runs before the untrusted command and imports little.
Source: unshare(2), user_namespaces(7), pid_namespaces(7), netdevice(7).
"""

from __future__ import annotations

import ctypes
import os
import struct

_NEW_NS, _NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def unshare_all(*, uses_user_namespace: bool) -> None:
    """Leave every namespace of the caller; its next child is process 1 of the new one.

    With a user namespace the user keeps its number and gets no other. Raises OSError where not permitted.
    """
    user, group = os.geteuid(), os.getegid()
    flags = _NEW_NS | _NEW_IPC | _NEW_PID | _NEW_NET | (_NEW_USER if uses_user_namespace else 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(ctypes.c_int(flags)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")
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


def own_proc_and_shm(shm_bytes: int) -> bool:
    """Mount an empty /dev/shm and a /proc that shows this namespace only; whether the latter worked.

    A container that masks parts of /proc forbids it; the caller then keeps /proc closed.
    Raises OSError when /dev/shm could not be made private: it would be shared with everyone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"making mounts private: {os.strerror(number)}")
    plain = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    has_proc = bool(libc.mount(b"proc", b"/proc", b"proc", plain, None) == 0)
    options = f"size={shm_bytes},mode=1777".encode()
    if libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", ctypes.c_ulong(_MS_NOSUID | _MS_NODEV), options) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"a private /dev/shm: {os.strerror(number)}")
    return has_proc


def _write(path: str, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text)
    finally:
        os.close(descriptor)
