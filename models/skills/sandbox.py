"""Runs one command with limits: ``python -I sandbox.py LIMITS COMMAND...``; a script of its own.

It limits this process, cuts it off from the network if the kernel lets it, and becomes the command.
It imports nothing but the standard library, so that it starts at once.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys

CUT_OFF_FAILED = 97
"""The exit code when the network cannot be cut off, and must be."""
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET, of sched.h


def main() -> None:
    """Limit this process, and become the command."""
    limits = json.loads(sys.argv[1])
    for name, value in limits["resources"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    if not limits["network"]:
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.unshare(_NEW_USER | _NEW_NETWORK) != 0
        if failed and limits["must_cut_off"]:
            os._exit(CUT_OFF_FAILED)
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 (what was allowed)
    except OSError as error:
        sys.stderr.write(f"{sys.argv[2]}: {error.strerror}\n")
        os._exit(127)


if __name__ == "__main__":
    main()
