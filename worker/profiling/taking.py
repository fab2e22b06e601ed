"""One profile that was asked for, while it is taken."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from .memory import MemoryTracking
from .recording import Stretch
from .sampler import ACTION, Samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .recording import Request
    from .sampler import Seen

__all__ = ["ProfileTaking", "Taking", "error_answer", "taking_of"]


class Taking:
    """What a request asks for, from its beginning to its answer.

    Attributes:
        request: the request.
        until: when it ends, in monotonic seconds.
        period: the seconds between two samples; None if it needs none.
    """

    period: float | None = None

    def __init__(self, request: Request) -> None:
        self.request = request
        self.until = time.monotonic() + request.seconds

    def answer(self, slot: int, generation: int) -> bytes:
        """End it, and return what is answered."""
        raise NotImplementedError


class ProfileTaking(Taking):
    """Samples."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.period = 1 / request.hz
        self.samples = Samples(_wanted(request), keys=request.keys)

    def answer(self, slot: int, generation: int) -> bytes:
        """The samples as a stretch."""
        return Stretch.of(self.samples, slot, generation).encode()


class MemoryTaking(Taking):
    """Allocations, by memray."""

    def __init__(self, request: Request, profiles: Path, slot: int) -> None:
        super().__init__(request)
        path = request.answer(profiles, slot).with_suffix(".memray")
        self._tracking = MemoryTracking(path)
        self._tracking.start(native=request.native)

    def answer(self, slot: int, generation: int) -> bytes:
        """The name of memray's file."""
        self._tracking.stop()
        found = {
            "slot": slot,
            "pid": os.getpid(),
            "generation": generation,
            "began": self._tracking.began,
            "seconds": time.time() - self._tracking.began,
            "file": self._tracking.path.name,
        }
        return json.dumps(found).encode()


def taking_of(request: Request, profiles: Path, slot: int) -> Taking:
    """Begin with what a request for a profile asks for. Raises what memray does."""
    if request.kind == "memory":
        return MemoryTaking(request, profiles, slot)
    return ProfileTaking(request)


def error_answer(error: BaseException) -> bytes:
    """The answer that something is not possible, and why."""
    return json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()


def _wanted(request: Request) -> Callable[[Seen], bool] | None:
    """What of all samples a request asks for; None for all."""
    root = f"{ACTION}{request.action}"
    keys = None if request.only is None else {bytes.fromhex(key) for key in request.only}
    if not request.action and keys is None:
        return None

    def is_wanted(seen: Seen) -> bool:
        stack = seen.stack
        if not stack or not stack[0].name.startswith(ACTION):
            return False
        if request.action and stack[0].name != root:
            return False
        return keys is None or (seen.owner is not None and seen.owner.plain_key in keys)

    return is_wanted
