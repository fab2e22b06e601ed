"""Shows stored values as JSON: plain ones here, others by child processes, which are kept a while.

A child that is killed by a value is replaced by a fresh one for the next value. A value that has
ended one is not tried again.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from .child import LENGTH
from .plain import NeedsClassesError, plain_payload, plain_value
from .trees import TreeMaker, unreadable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ValueRenderer"]

LARGEST: Final = 16 << 20
"""Bytes of a value that is shown at all."""
_LARGEST_ANSWER: Final = 8 << 20
_SECONDS: Final = 5.0
_START_SECONDS: Final = 10.0
"""For a child to start, and to import the agent's modules."""
_KEPT_SECONDS: Final = 60.0
_MOST_DEATHS: Final = 4
"""In one answer; further values that need a child are not tried."""
_MOST_CULPRITS: Final = 1000
_COMMAND: Final = "from tamias.console.rendering.child import main; main()"


class _DiedError(Exception):
    """The child has ended, or was killed; the text says how."""


class _EndedError(_DiedError):
    """The child has ended by itself."""


class _Child:
    """One process; each value may take so many seconds."""

    def __init__(self, state: Path, seconds: float) -> None:
        self._seconds = seconds
        self._is_new = True
        self._state = state
        self._process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",  # modules of the working directory must not stand in for Python's
            start_new_session=True,
        )

    def show(self, codec: str | None, data: bytes) -> Any:
        """The tree of a value. Raises _DiedError."""
        frame: dict[str, Any] = {"codec": codec, "length": len(data)}
        if self._is_new:
            frame["state"] = str(self._state)
        until = time.monotonic() + self._seconds + (_START_SECONDS if self._is_new else 0.0)
        self._is_new = False
        head = json.dumps(frame).encode()
        try:
            self._write(LENGTH.pack(len(head)) + head + data, until)
            tree = json.loads(self._read_frame(until))["tree"]
        except _DiedError:
            self.kill()
            raise
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            self.kill()
            raise _EndedError(f"the process that reads it has ended ({error})") from error
        return tree

    def _write(self, data: bytes, until: float) -> None:
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        number = self._process.stdin.fileno()
        os.set_blocking(number, False)
        rest = memoryview(data)
        while rest:
            self._wait(number, until, writing=True)
            rest = rest[os.write(number, rest) :]

    def _read_frame(self, until: float) -> bytes:
        (length,) = LENGTH.unpack(self._read(LENGTH.size, until))
        if length > _LARGEST_ANSWER:
            raise _DiedError("what it shows is too long")
        return self._read(length, until)

    def _read(self, length: int, until: float) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 (for the type checker)
        number = self._process.stdout.fileno()
        parts = []
        while length:
            self._wait(number, until)
            part = os.read(number, min(length, 1 << 20))
            if not part:
                raise _EndedError("it ends the process that reads it")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _wait(self, number: int, until: float, *, writing: bool = False) -> None:
        events = select.POLLOUT if writing else select.POLLIN
        poller = select.poll()
        poller.register(number, events)
        if not poller.poll(max(0.0, until - time.monotonic()) * 1000):
            raise _DiedError("it takes too long to be read")

    def kill(self) -> None:
        """End it, with all that it has started and that has stayed in its group."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process.wait()


class ValueRenderer:
    """Shows the values of one job, each in so many seconds.

    Several threads may use it; the child serves one at a time.
    """

    def __init__(self, state: Path, seconds: float = _SECONDS) -> None:
        self._state = state.absolute()
        self._seconds = seconds
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._stamp: Any = None
        self._used = 0.0
        self._culprits: OrderedDict[bytes, str] = OrderedDict()

    def answer(self, stamp: Any) -> AnswerTrees:
        """What makes the trees of one answer; `stamp` changes when the agent's code may have."""
        return AnswerTrees(self, stamp)

    def by_child(self, codec: str | None, data: bytes, stamp: Any) -> tuple[Any, bool]:
        """The tree of a value, made by the child; and whether that has ended the child."""
        digest = blake2b(data, digest_size=16).digest()
        with self._lock:
            known = self._culprits.get(digest)
            if known is not None:
                return unreadable(known), False
            if stamp != self._stamp:
                self._drop()
                self._stamp = stamp
            try:
                tree = self._shown(codec, data)
            except _DiedError as error:
                self._child = None
                self._culprits[digest] = str(error)
                if len(self._culprits) > _MOST_CULPRITS:
                    self._culprits.popitem(last=False)
                return unreadable(str(error)), True
            except OSError as error:
                return unreadable(f"no process can be started that reads it: {error}"), True
            self._used = time.monotonic()
            return tree, False

    def _shown(self, codec: str | None, data: bytes) -> Any:
        if self._child is not None:
            # A value before this one may have ended it without being seen.
            with contextlib.suppress(_EndedError):
                return self._child.show(codec, data)
        self._child = _Child(self._state, self._seconds)
        return self._child.show(codec, data)

    def rest(self) -> None:
        """End the child if it has not been used for a while."""
        if self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._used > _KEPT_SECONDS:
                    self._drop()
            finally:
                self._lock.release()

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()


class AnswerTrees:
    """Makes the trees of one answer; together they are bounded, in size and in what is tried."""

    def __init__(self, renderer: ValueRenderer, stamp: Any) -> None:
        self._renderer = renderer
        self._stamp = stamp
        self._trees = TreeMaker()
        self._deaths = 0

    def plain(self, value: Any) -> Any:
        """The tree of a value of plain types."""
        return self._trees.tree(value)

    def stored(self, data: bytes) -> Any:
        """The tree of a stored value."""
        try:
            return self._trees.tree(plain_value(data))
        except NeedsClassesError:
            return self._by_child(None, data)

    def payload(self, codec: str, data: bytes) -> Any:
        """The tree of an input."""
        try:
            return self._trees.tree(plain_payload(codec, data))
        except NeedsClassesError:
            return self._by_child(codec, data)

    def _by_child(self, codec: str | None, data: bytes) -> Any:
        if len(data) > LARGEST:
            return unreadable(f"it is too large to be shown ({len(data):,} bytes)")
        if self._deaths >= _MOST_DEATHS:
            return unreadable("not tried: others before it have ended the process that reads them")
        tree, died = self._renderer.by_child(codec, data, self._stamp)
        self._deaths += died
        return tree
