"""The core that processes have: that of TAMIAS_CORE, or else nothing is shown about it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def require_core(worker: int) -> None:
    """Check that a worker has the compiled core, if that is what TAMIAS_CORE says.

    A worker that has ended passes. A fork has its zygote's modules from its first moment.

    Raises:
        AssertionError: it has plain modules.
    """
    if os.environ.get("TAMIAS_CORE") != "compiled":
        return
    with suppress(OSError):
        maps = Path(f"/proc/{worker}/maps").read_text(encoding="utf-8", errors="replace")
        assert not maps or "__mypyc" in maps, f"worker {worker} has no compiled core"
