"""The connection to the Flink task: one pipe, whose frames go where they belong.

Inputs and everything else that the task says come over one pipe, in order, and the order matters: a
barrier stands between the inputs that are part of a checkpoint and those that are not. So this is
the only place that reads the pipe while the pool works, and it reads no further than the next
inputs: what comes behind them is acted upon when they have been handed on.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from . import frames

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .checkpoints import CheckpointReader
    from .delivery import TaskDelivery
    from .frames import Frame, Inputs
    from .pipe import Pipe


class TaskConnection:
    """Receives the task's frames and hands each to its receiver."""

    def __init__(
        self,
        pipe: Pipe,
        delivery: TaskDelivery,
        checkpoints: CheckpointReader,
        early: Iterable[Frame],
    ) -> None:
        """`early` are frames that have been read before."""
        self._pipe = pipe
        self._delivery = delivery
        self._checkpoints = checkpoints
        self._frames: deque[Frame] = deque(early)

    def fileno(self) -> int | None:
        """What to wait for before `next_inputs` has more; None: it need not be waited for."""
        return None if self._frames else self._pipe.fileno()

    def next_inputs(self) -> Inputs | None:
        """Act upon what the task has sent, up to the next inputs; None: there are none yet.

        Never waits.

        Raises:
            TaskEndedError: the task is gone.
        """
        while True:
            if not self._frames:
                self._frames.extend(self._pipe.receive())
                if not self._frames:
                    return None
            kind, body = self._frames.popleft()
            if kind == frames.INPUTS:
                return frames.unpack_inputs(body)
            self._dispatch(kind, body)

    def _dispatch(self, kind: int, body: bytes) -> None:
        if kind == frames.ACKNOWLEDGE:
            self._delivery.acknowledge(frames.number_of(body))
        elif kind == frames.BARRIER:
            self._checkpoints.hold(frames.number_of(body))
        elif kind == frames.QUERY:
            self._checkpoints.narrow(*frames.unpack_query(body))
        elif kind == frames.PULL:
            parts = self._checkpoints.next_parts(frames.number_of(body))
            self._pipe.send(frames.pack(frames.PARTS, body[:8], frames.pack_parts(parts)))
        elif kind == frames.DROP:
            self._checkpoints.drop(frames.number_of(body))
