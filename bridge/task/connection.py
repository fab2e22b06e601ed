"""The connection to the Flink task: reads its frames and passes each to its receiver.

Inputs and all other frames of the task come over one pipe, and their order matters: a barrier
separates the inputs that are part of a checkpoint from those that are not. So only this module
reads
the pipe while the pool works, and it reads no further than the next inputs: the frames behind them
are processed when the source has passed these inputs on.
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
    """Receives the task's frames and passes each to its receiver."""

    def __init__(
        self,
        pipe: Pipe,
        delivery: TaskDelivery,
        checkpoints: CheckpointReader,
        early: Iterable[Frame],
    ) -> None:
        """`early` are frames that were read before this object existed."""
        self._pipe = pipe
        self._delivery = delivery
        self._checkpoints = checkpoints
        self._frames: deque[Frame] = deque(early)

    def fileno(self) -> int | None:
        """The descriptor to wait for before `next_inputs`; None: there are frames already."""
        return None if self._frames else self._pipe.fileno()

    def next_inputs(self) -> Inputs | None:
        """Process frames up to the next inputs, and return these; None if there are none yet.

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
            self._checkpoints.open(frames.number_of(body))
        elif kind == frames.QUERY:
            self._checkpoints.restrict(*frames.unpack_query(body))
        elif kind == frames.PULL:
            parts = self._checkpoints.next_parts(frames.number_of(body))
            self._pipe.send(frames.pack(frames.PARTS, body[:8], frames.pack_parts(parts)))
        elif kind == frames.DROP:
            self._checkpoints.drop(frames.number_of(body))
