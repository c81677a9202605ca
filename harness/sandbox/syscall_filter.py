"""A seccomp filter, as bytes of classic BPF: no new namespaces, no mounts, no sockets that leave the machine.

Namespaces bound what a process sees; this bounds which doors of the kernel it may knock at. AF_VSOCK matters
most: it is not part of a network namespace, so a virtual machine's guest could reach its host.
Runs inside the sandbox just before the untrusted command and imports little.
Source: linux/seccomp.h, linux/filter.h, asm/unistd_64.h and asm-generic/unistd.h of the kernel.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_LOAD_WORD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_FIRST_ARGUMENT = 0, 4, 16
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}
_X32_NUMBERS = 0x40000000
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16

_CLONE3 = 435
# The same numbers on x86-64 and arm64, because they are younger than the common table.
# io_uring_setup, _enter, _register, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr
_YOUNG = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442)
_YOUNG_METADATA = (452, 463, 466, 469)  # fchmodat2, setxattrat, removexattrat, file_setattr


class _Machine:
    """Numbers of one architecture."""

    def __init__(
        self,
        *,
        audit_number: int,
        clone: int,
        socket: int,
        refused: tuple[int, ...],
        metadata: tuple[int, ...],
    ) -> None:
        self.audit_number, self.clone, self.socket, self.refused = audit_number, clone, socket, refused
        self.metadata = metadata


_MACHINES = {
    "x86_64": _Machine(
        audit_number=0xC000003E,
        clone=56,
        socket=41,
        # ptrace, pivot_root, chroot, acct, mount, umount2, swapon, swapoff, reboot, sethostname,
        # init_module, delete_module, kexec_load, add_key, request_key, keyctl, unshare, perf_event_open,
        # name_to_handle_at, open_by_handle_at, setns, process_vm_writev, finit_module, kexec_file_load, bpf,
        # userfaultfd
        refused=(101, 155, 161, 163, 165, 166, 167, 168, 169, 170, 175, 176, 246, 248, 249, 250, 272, 298,
                 303, 304, 308, 311, 313, 320, 321, 323),
        # chmod, fchmod, chown, fchown, lchown, utime, (l, f)setxattr, (l, f)removexattr, utimes, fchownat,
        # futimesat, fchmodat, utimensat
        metadata=(90, 91, 92, 93, 94, 132, 188, 189, 190, 197, 198, 199, 235, 260, 261, 268, 280),
    ),
    "aarch64": _Machine(
        audit_number=0xC00000B7,
        clone=220,
        socket=198,
        refused=(117, 41, 51, 89, 40, 39, 224, 225, 142, 161, 105, 106, 104, 217, 218, 219, 97, 241, 264, 265,
                 268, 271, 273, 294, 280, 282),
        metadata=(52, 53, 54, 55, 88, 5, 6, 7, 14, 15, 16),
    ),
}  # fmt: skip


def filter_program(machine: str, *, allows_internet: bool, keeps_metadata: bool) -> bytes | None:
    """The filter for a machine name of `os.uname()`; None where we have no table for it.

    `allows_internet` leaves sockets of the usual families, for a sandbox whose network namespace is empty;
    without it only pairs of sockets can be made, because a named one could lead to a service of the host.
    `keeps_metadata` makes chmod, chown and the like succeed without effect, for a sandbox that cannot tell
    the command's files from others there; failing would stop every program that copies a file.
    """
    table = _MACHINES.get(machine)
    if table is None:
        return None
    families = (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK) if allows_internet else ()
    refuse = _statement(_RETURN, _REFUSE | errno.EPERM)
    lines = [
        _statement(_LOAD_WORD, _OFFSET_ARCHITECTURE),
        _jump(_JUMP_EQUAL, table.audit_number, 1, 0),
        refuse,
        _statement(_LOAD_WORD, _OFFSET_NUMBER),
        _jump(_JUMP_GREATER_EQUAL, _X32_NUMBERS, 0, 1),
        refuse,
        # its flags lie in memory a filter cannot read; the C library then uses clone
        _jump(_JUMP_EQUAL, _CLONE3, 0, 1),
        _statement(_RETURN, _REFUSE | errno.ENOSYS),
    ]
    for number in (*table.metadata, *_YOUNG_METADATA) if keeps_metadata else ():
        lines += [_jump(_JUMP_EQUAL, number, 0, 1), _statement(_RETURN, _REFUSE)]  # error number 0: done
    for number in (*table.refused, *_YOUNG):
        lines += [_jump(_JUMP_EQUAL, number, 0, 1), refuse]
    lines += [
        _jump(_JUMP_EQUAL, table.clone, 0, 4),
        _statement(_LOAD_WORD, _OFFSET_FIRST_ARGUMENT),
        _jump(_JUMP_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        refuse,
        _statement(_RETURN, _ALLOW),
        _jump(_JUMP_EQUAL, table.socket, 0, len(families) * 2 + 2),
        _statement(_LOAD_WORD, _OFFSET_FIRST_ARGUMENT),
    ]
    for family in families:
        lines += [_jump(_JUMP_EQUAL, family, 0, 1), _statement(_RETURN, _ALLOW)]
    lines += [_statement(_RETURN, _REFUSE | errno.EAFNOSUPPORT), _statement(_RETURN, _ALLOW)]
    return b"".join(lines)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_dangerous_calls(*, allows_internet: bool, keeps_metadata: bool) -> bool:
    """Put the filter on this thread and its future children, for good; False where none is possible."""
    program = filter_program(
        os.uname().machine, allows_internet=allows_internet, keeps_metadata=keeps_metadata
    )
    if program is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs was refused")
    description = _Program(len(program) // 8, program)
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    if libc.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(description), zero, zero) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.EINVAL:
        return False  # a kernel without filters
    raise OSError(number, f"seccomp filter: {os.strerror(number)}")


def _statement(code: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, 0, 0, value)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
