"""Whether a process is alive that shares a folder with this one, perhaps on another machine."""

import os
import socket

SILENT_AFTER = 120.0
"""Seconds without a sign after which a process counts as dead: killed, or its machine was switched off."""


def is_alive(host: str, pid: int, silent: float) -> bool:
    """Whether a process has given a sign lately, and is there if it is one of this machine.

    Args:
        host: its machine, by ``socket.gethostname``.
        pid: its number there.
        silent: for how many seconds it has given no sign.
    """
    if host == socket.gethostname() and not _is_there(pid):
        return False
    return silent < SILENT_AFTER


def _is_there(pid: int) -> bool:
    """Whether this machine has a process of that number; True on Windows, where asking would end it."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
