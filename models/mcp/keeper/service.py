"""The keeper: takes requests of workers, and hands them to the servers that they name.

A message has an ``id``, an ``op`` and the ``server``, its parameters. ``cancel`` ends a request
that is not waited for any more. ``bye`` says that a worker needs a server no more: unless another
worker has used it, it is ended, and then the answer is sent. The servers of a worker that crashes
are kept for its successor, for `GRACE_SECONDS` after the last worker has gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, Final

from ..frames import Frames, TooLongError, encode, is_own_user
from ..parameters import Parameters
from .faults import Fault
from .server import Server

GRACE_SECONDS: Final = 10.0
"""How long it waits for a worker, if there is none."""
_READ_BYTES: Final = 1 << 18


class _Worker:
    """A connection of a worker: its requests that go on, and the servers that it has used."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.servers: set[str] = set()
        self._sending = asyncio.Lock()

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message; one that is too long, or no JSON, becomes an error."""
        try:
            data = encode(message)
        except TooLongError as error:
            text = f"The answer of the MCP server is too long: {error}."
            data = encode({"id": message["id"], "fault": Fault("error", text).to_json()})
        except (TypeError, ValueError) as error:
            text = f"The answer of the MCP server is no JSON: {error}."
            data = encode({"id": message["id"], "fault": Fault("error", text).to_json()})
        async with self._sending:
            with suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(self.connection, data)


class Keeper:
    """The servers of a pool, and the workers that use them."""

    def __init__(self, listener: socket.socket, owner: int) -> None:
        """`owner` is the process with which it ends."""
        self._listener = listener
        self._owner = owner
        self._servers: dict[str, Server] = {}
        self._workers: set[_Worker] = set()
        self._ended = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until no worker needs it, or its owner has ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        with suppress(OSError):  # an older kernel; the connections are enough
            descriptor = os.pidfd_open(self._owner)
            loop.add_reader(descriptor, self._ended.set)
        self._await_workers()
        accepting = asyncio.create_task(self._accept())
        await self._ended.wait()
        accepting.cancel()
        await asyncio.gather(*(each.close() for each in self._servers.values()))

    def _await_workers(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(GRACE_SECONDS, self._ended.set)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        serving: set[asyncio.Task[None]] = set()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            if not is_own_user(connection):
                connection.close()
                continue
            connection.setblocking(False)
            task = loop.create_task(self._serve(_Worker(connection)))
            serving.add(task)
            task.add_done_callback(serving.discard)

    async def _serve(self, worker: _Worker) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._workers.add(worker)
        loop, frames = asyncio.get_running_loop(), Frames()
        try:
            while data := await loop.sock_recv(worker.connection, _READ_BYTES):
                for message in frames.add(data):
                    self._take(worker, message)
        except (OSError, TooLongError, ValueError) as error:
            if not isinstance(error, OSError):
                _log(f"a worker has sent what is no message: {error}")
        finally:
            self._workers.discard(worker)
            worker.connection.close()
            for task in worker.tasks.values():
                task.cancel()
            if not self._workers:
                self._await_workers()

    def _take(self, worker: _Worker, message: dict[str, Any]) -> None:
        number = message["id"]
        if message["op"] == "cancel":
            task = worker.tasks.get(number)
            if task is not None:
                task.cancel()
            return
        task = asyncio.create_task(self._perform(worker, message))
        worker.tasks[number] = task
        task.add_done_callback(lambda _: worker.tasks.pop(number, None))

    async def _perform(self, worker: _Worker, message: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"id": message["id"]}
        try:
            if message["op"] == "bye":
                await self._leave(worker, Parameters(**message["server"]).key())
                answer["result"] = None
            else:
                answer["result"] = await self._server(worker, message).perform(message)
        except Fault as fault:
            answer["fault"] = fault.to_json()
        except Exception as error:  # noqa: BLE001 (the worker must not wait for ever)
            _log_error(error)
            text = f"The keeper of MCP servers has failed: {type(error).__name__}: {error}"
            answer["fault"] = Fault("error", text, hint="The pool's log has more.").to_json()
        await worker.send(answer)

    def _server(self, worker: _Worker, message: dict[str, Any]) -> Server:
        parameters = Parameters(**message["server"])
        key = parameters.key()
        server = self._servers.get(key)
        if server is None:
            server = self._servers[key] = Server(parameters)
        worker.servers.add(key)
        return server

    async def _leave(self, worker: _Worker, key: str) -> None:
        """End a server, unless another worker has used it."""
        worker.servers.discard(key)
        if not any(key in each.servers for each in self._workers):
            server = self._servers.pop(key, None)
            if server is not None:
                await server.close()


def _log(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(f"[mcp] {text}\n")
        sys.stderr.flush()


def _log_error(error: BaseException) -> None:
    import traceback  # noqa: PLC0415 (rarely needed)

    _log("".join(traceback.format_exception(type(error), error, error.__traceback__)))


def serve(arguments: str) -> None:
    """Serve as JSON says: ``listener``, a descriptor, and ``owner``, a process."""
    given = json.loads(arguments)
    listener = socket.socket(fileno=given["listener"])
    listener.setblocking(False)
    asyncio.run(Keeper(listener, given["owner"]).run())
