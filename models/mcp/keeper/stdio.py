"""The transport to a server that is a process: JSON lines on its standard input and output.

What it writes to standard error goes to the pool's log, a line at a time with the server's name in
front. The server is started in a session of its own; the kernel kills it when the keeper dies.

The SDK has such a transport. This one differs: it reports how the process has ended and its last
lines, bounds what it sends at once, and reads a long line in linear time.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import sys
from collections import deque
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from ..frames import LONGEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from ..parameters import Parameters

EXIT_SECONDS: Final = 2.0
"""How long a server has to end by itself, and then after SIGTERM."""
KEPT_LINES: Final = 20
LONGEST_LINE: Final = 2000
"""Characters of a line of standard error that are copied."""
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class ServerProcess:
    """A server's process, and what is known of its end.

    Attributes:
        last_lines: the last lines of its standard error.
        fault: why it was given up, if not because it ended.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._process: asyncio.subprocess.Process | None = None
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.fault = ""
        self.ended = asyncio.Event()
        """Set when its output has ended, or it was given up."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[Any, Any]]:
        """Start it, and yield the streams of messages from it and to it.

        Raises:
            OSError: it cannot be started.
        """
        process = self._process = await self._start()
        received, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_server, sent = anyio.create_memory_object_stream[SessionMessage](0)
        tasks = [
            asyncio.create_task(self._read(process, received)),
            asyncio.create_task(self._write(process, sent, received)),
            asyncio.create_task(self._copy_errors(process)),
        ]
        try:
            yield from_server, to_server
        finally:
            self.ended.set()
            with anyio.CancelScope(shield=True):
                await self._stop(process)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for stream in (received, from_server, to_server, sent):
                    stream.close()

    async def _start(self) -> asyncio.subprocess.Process:
        given = self._parameters
        environment = {**get_default_environment(), **given.env}
        keeper = os.getpid()

        def die_with_keeper() -> None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != keeper:
                os._exit(1)

        return await asyncio.create_subprocess_exec(
            _found(given.command, environment),
            *given.args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=given.cwd or None,
            start_new_session=True,
            limit=1 << 16,
            preexec_fn=die_with_keeper,  # it calls the kernel only
        )

    # -- streams

    async def _read(
        self,
        process: asyncio.subprocess.Process,
        received: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        assert process.stdout is not None  # noqa: S101 (a pipe)
        line = bytearray()
        try:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                while data := await process.stdout.read(1 << 18):
                    first, *rest = data.split(b"\n")
                    line += first
                    for following in rest:
                        await self._deliver(bytes(line), received)
                        line = bytearray(following)
                    if len(line) > LONGEST:
                        self.fault = f"it has sent a message of more than {LONGEST >> 20} MiB"
                        return
        finally:
            self.ended.set()
            received.close()

    async def _deliver(
        self, line: bytes, received: MemoryObjectSendStream[SessionMessage | Exception]
    ) -> None:
        if not line.strip():
            return
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            text = line[:200].decode(errors="replace")
            self._log(f"its output has a line that is no message: {text}")
            return
        await received.send(SessionMessage(message))

    async def _write(
        self,
        process: asyncio.subprocess.Process,
        sent: MemoryObjectReceiveStream[SessionMessage],
        received: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        assert process.stdin is not None  # noqa: S101 (a pipe)
        try:
            async for each in sent:
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode() + b"\n")
                await process.stdin.drain()
        except OSError:  # it does not read any more: calls must not wait for it
            self.ended.set()
            received.close()

    async def _copy_errors(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101 (a pipe)
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than the reader's limit
                line = await process.stderr.read(1 << 16)
            if not line:
                return
            text = line.decode(errors="replace").rstrip()[:LONGEST_LINE]
            self.last_lines.append(text)
            self._log(text)

    def _log(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"[mcp {self._parameters.name}] {text}\n")
            sys.stderr.flush()

    # -- the end

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        """Close its input; then end it and all of its session, by force if need be."""
        assert process.stdin is not None  # noqa: S101 (a pipe)
        with suppress(OSError):
            process.stdin.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if await _ends(process):
                break
            with suppress(OSError):
                os.killpg(process.pid, number)
        with suppress(OSError):  # what it has started and left
            os.killpg(process.pid, signal.SIGKILL)
        await _ends(process)

    @property
    def was_started(self) -> bool:
        """Whether there has been a process."""
        return self._process is not None

    async def end(self) -> str:
        """How it has ended, and its last lines; waits a moment for that."""
        if self.fault or self._process is None:
            return self.fault or "it was not started"
        await _ends(self._process, 0.5)
        await asyncio.sleep(0.05)  # its last lines may be still to be read
        return f"{_described(self._process.returncode)}{self.shown_lines()}"

    def shown_lines(self) -> str:
        """The last lines of its standard error, as the end of a message."""
        lines = "".join(f"\n    {line}" for line in self.last_lines)
        return f". Its last lines:{lines}\n" if lines else ", and has written nothing to stderr."


def _found(command: str, environment: dict[str, str]) -> str:
    """Where a command is: on the PATH, or beside this interpreter, as `pip` installs it."""
    if os.sep in command:
        return command
    beside = Path(sys.executable).parent / command
    found = shutil.which(command, path=environment.get("PATH"))
    return found or (str(beside) if os.access(beside, os.X_OK) else command)


async def _ends(process: asyncio.subprocess.Process, seconds: float = EXIT_SECONDS) -> bool:
    """Whether a process ends in time. Not by `wait`, which waits for its pipes, too."""
    deadline = asyncio.get_running_loop().time() + seconds
    while process.returncode is None:
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


def _described(status: int | None) -> str:
    if status is None:
        return "it has closed its output"
    if status < 0:
        return f"it was killed by {signal.Signals(-status).name}"
    return f"it has ended with status {status}"
