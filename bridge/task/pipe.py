"""The launcher's end of the pipe to its Flink task.

Standard input and output are the pipe: it is there from the first instant to the last, nothing has
to be found, listened on or cleaned up, nobody else can speak on it, and whoever dies closes it. So
what anybody *prints* must go elsewhere: the descriptors are taken over, and standard output is made
another name of standard error, which the task writes to its own log.
"""

from __future__ import annotations

import fcntl
import os
import sys
from typing import TYPE_CHECKING, Final

from .frames import Deframer

if TYPE_CHECKING:
    from typing_extensions import Self

    from .frames import Frame

_F_SETPIPE_SZ: Final = getattr(fcntl, "F_SETPIPE_SZ", 1031)
_PIPE_BYTES: Final = 1 << 20
_READ_BYTES: Final = 1 << 20


class TaskEndedError(Exception):
    """The task has closed its end, or is dead: the pool has no task to work for."""


class Pipe:
    """Frames in both directions; used by one thread."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        """Take over two descriptors, of which `incoming` will not wait any more."""
        self._incoming = incoming
        self._outgoing = outgoing
        self._deframer = Deframer()
        for descriptor in (incoming, outgoing):
            try:
                fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _PIPE_BYTES)
            except OSError:  # the user's pipes have used up what the kernel gives them
                continue
        os.set_blocking(incoming, False)

    @classmethod
    def take_over(cls) -> Self:
        """Take standard input and output away from everybody else in this process."""
        incoming, outgoing = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        return cls(incoming, outgoing)

    def fileno(self) -> int:
        """What is readable when there are frames."""
        return self._incoming

    def receive(self) -> list[Frame]:
        """The frames that have arrived completely. Never waits.

        Raises:
            TaskEndedError: there will be no more.
        """
        try:
            data = os.read(self._incoming, _READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            raise TaskEndedError
        return self._deframer.feed(data)

    def send(self, pieces: list[bytes | memoryview]) -> None:
        """Write a frame; waits while the pipe is full.

        Raises:
            TaskEndedError: nobody reads any more.
        """
        data = b"".join(pieces)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._outgoing, view) :]
        except BrokenPipeError:
            raise TaskEndedError from None
