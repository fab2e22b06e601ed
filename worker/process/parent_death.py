"""The kernel's signal to a process whose parent has died.

It comes when the thread that made the process ends (`PR_SET_PDEATHSIG`, see prctl(2)). Without
Linux there is no such signal, and only the zygote's control socket shows that the launcher is dead.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send `number` to this process when its parent dies.

    Sends it at once if `parent` is not the parent any more: it died before the request was made.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
