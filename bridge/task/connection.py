"""The connection to the Flink task: reads its frames and passes each to its receiver.

Inputs and all other frames of the task come over one pipe, and their order matters: a barrier
separates the inputs that are part of a checkpoint from those that are not. So only this module
reads the pipe while the pool works. Inputs are kept until the pool wants them; all other frames are
processed at once, so that a checkpoint or an acknowledgement waits for no input. For a barrier that
is early enough: no input behind it has been read, and of those before it the checkpoint need not
have the effects (`checkpoints`). The task bounds how many inputs it sends.
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
        self._early: deque[Frame] = deque(early)
        self._inputs: deque[Inputs] = deque()
        self.has_ended = False
        """Whether the task has said that no more inputs come."""

    def fileno(self) -> int | None:
        """The descriptor to wait for before `receive`; None: there is something already."""
        return None if self._early else self._pipe.fileno()

    def receive(self) -> None:
        """Process all frames that have arrived. Never waits.

        Raises:
            TaskEndedError: the task is gone.
        """
        while self._early:
            self._dispatch(*self._early.popleft())
        for kind, body in self._pipe.receive():
            self._dispatch(kind, body)

    def next_inputs(self) -> Inputs | None:
        """Return the next inputs; None if there are none yet."""
        return self._inputs.popleft() if self._inputs else None

    @property
    def is_exhausted(self) -> bool:
        """Whether `next_inputs` has returned all inputs there will ever be."""
        return self.has_ended and not self._inputs

    def _dispatch(self, kind: int, body: bytes) -> None:
        if kind == frames.INPUTS:
            self._inputs.append(frames.unpack_inputs(body))
        elif kind == frames.ACKNOWLEDGE:
            self._delivery.acknowledge(frames.number_of(body))
        elif kind == frames.BARRIER:
            checkpoint, builds = frames.unpack_barrier(body)
            self._checkpoints.open(checkpoint, builds=builds)
        elif kind == frames.QUERY:
            self._checkpoints.restrict(*frames.unpack_query(body))
        elif kind == frames.PULL:
            parts = self._checkpoints.next_parts(frames.number_of(body))
            self._pipe.send(frames.pack(frames.PARTS, body[:8], frames.pack_parts(parts)))
        elif kind == frames.DROP:
            self._checkpoints.drop(frames.number_of(body))
        elif kind == frames.END_OF_INPUT:
            self.has_ended = True
