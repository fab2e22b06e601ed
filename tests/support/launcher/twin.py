"""A pool without processes: each worker is a thread of this process.

`launcher/workers/threads.py` makes these. All else is real: `Pool`, its dispatcher, delivery and
checkpoints. So what a program means can be
tried in milliseconds, where a pool of processes takes half a second to come up.
`tests/integration/test_twin.py` compares it with pools of processes.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tamias.launcher.workers.generation import STARTERS
from tamias.launcher.workers.threads import ThreadStarter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias.worker.process.boot import Boot


@contextmanager
def in_threads() -> Iterator[list[ThreadStarter]]:
    """Have the pools of this block work with threads; gives their starters, the last one last."""
    starters: list[ThreadStarter] = []

    def make(boot: Boot, *_: Any) -> ThreadStarter:
        starters.append(ThreadStarter(boot))
        return starters[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STARTERS, "zygote", make)
        yield starters
