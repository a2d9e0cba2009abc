"""Becomes another program, as another user if asked, and has the kernel end it when its parent ends.

Run as a script of its own (`python -I -S tether.py SIGNAL PARENT UID GID PROGRAM ARGUMENT…`) instead of a function
between fork and exec, which is not safe in a process with threads. SIGNAL 0 ties nothing, UID -1 changes no user.
Linux forgets the signal when the user changes, so the user comes first. Other systems have no such signal: there,
a server outlives its crashed owner until the next start in its folder finds and ends it.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def become(signal_number: int, parent: int, account: tuple[int, int], argv: list[str]) -> None:
    """Replace this process by `argv`; does not return."""
    user, group = account
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if signal_number and sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
            sys.exit(f"cannot tie {argv[0]} to its parent: {os.strerror(ctypes.get_errno())}")
        if os.getppid() != parent:
            sys.exit(f"the process that asked for {argv[0]} has ended")
    try:
        os.execvp(argv[0], argv)  # noqa: S606
    except OSError as error:
        print(f"cannot run {argv[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
        sys.exit(127)


if __name__ == "__main__":
    number, parent_pid, uid, gid = map(int, sys.argv[1:5])
    become(number, parent_pid, (uid, gid), sys.argv[5:])
