"""How a process that is about to become an engine gives up what root may do.

Invariant: after `become` nothing of root is left but the capabilities that were named and that there were, no program
that it starts can gain any, and it belongs to no group but the one named.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection
from pathlib import Path

CAPABILITIES = {"net_bind_service": 10, "net_admin": 12, "net_raw": 13}
"""Those that an engine may be given, with their numbers (linux/capability.h)."""

_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS = 8
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2

# The C library is opened when this module is: between fork and exec there should be little left to go wrong.
_libc = ctypes.CDLL(None, use_errno=True)


def held() -> frozenset[str]:
    """Which of `CAPABILITIES` this process may use."""
    mask = _masks()[1]
    return frozenset(name for name, number in CAPABILITIES.items() if mask >> number & 1)


def become(user: int, group: int, capabilities: Collection[str]) -> None:
    """Turns this process into one of that Unix user and group. Raises OSError when the kernel does not permit it.

    It keeps those of `capabilities` that it has, also over `exec` (as ambient ones); a kernel that refuses them costs
    low ports, not the start.
    """
    kept = sorted(CAPABILITIES[name] for name in held() & set(capabilities))
    os.setgroups(())
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    _limit(kept)
    for number in kept:
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def clear(directory: Path, user: int) -> None:
    """Deletes what engines of other users left in a directory of sockets: HAProxy replaces only what is its own."""
    for path in directory.iterdir():
        if path.lstat().st_uid != user:
            path.unlink()


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def _masks() -> tuple[int, int, int]:
    """The effective, permitted and inheritable capabilities of this process."""
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    if _libc.capget(header, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capget: {os.strerror(number)}")
    effective, permitted, inheritable = (data[index] | data[index + 3] << 32 for index in range(3))
    return effective, permitted, inheritable


def _limit(numbers: Collection[int]) -> None:
    """Gives up all capabilities but these."""
    mask = sum(1 << number for number in numbers)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(*(3 * [mask & 0xFFFFFFFF]), *(3 * [mask >> 32]))
    if _libc.capset(header, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")
