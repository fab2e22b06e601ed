"""The launcher's end of the pipe to its Flink task.

Standard input and output are the pipe. It exists for the whole life of the process, needs no
address and no cleaning up, no third process can write to it, and the death of either side closes
it. What code in this process *prints* must go elsewhere: the pipe gets descriptors of its own, and
standard output becomes a duplicate of standard error, which the task copies to its log.
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
    """The task has closed its end of the pipe, or is dead."""


class Pipe:
    """Frames in both directions; used by one thread."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        """Own two descriptors; `incoming` is made non-blocking."""
        self._incoming = incoming
        self._outgoing = outgoing
        self._deframer = Deframer()
        for descriptor in (incoming, outgoing):
            try:
                fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _PIPE_BYTES)
            except OSError:  # the kernel's limit for pipes of this user is reached
                continue
        os.set_blocking(incoming, False)

    @classmethod
    def of_standard_streams(cls) -> Self:
        """Use standard input and output; nothing else in this process can use them any more."""
        incoming, outgoing = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        return cls(incoming, outgoing)

    def fileno(self) -> int:
        """The descriptor that is readable when frames have arrived."""
        return self._incoming

    def receive(self) -> list[Frame]:
        """Return the frames that have arrived completely; never wait.

        Raises:
            TaskEndedError: the task has closed the pipe.
        """
        try:
            data = os.read(self._incoming, _READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            raise TaskEndedError
        return self._deframer.feed(data)

    def send(self, pieces: list[bytes | memoryview]) -> None:
        """Write a frame; wait while the pipe is full.

        Raises:
            TaskEndedError: the task has closed the pipe.
        """
        data = b"".join(pieces)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._outgoing, view) :]
        except BrokenPipeError:
            raise TaskEndedError from None
