"""Children that really die: forked or freshly started, killed with SIGKILL, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tamias.store.shard.batch import Batch

COUNTER = b"\x01#"
"""Prefix of the key under which `commit_until_killed` counts its commits."""


@contextmanager
def python(code: str, *arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program with pipes on stdin and stdout; it is killed at the end if it still lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """Wait for a line of the program's output."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def run(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, however that comes about."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


class Child:
    """A forked child.

    Attributes:
        pid: its process.
    """

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self._pipe = pipe

    def await_signals(self, count: int) -> int:
        """Wait until the child has told so many things, or has died; return how many it told."""
        told = 0
        while told < count:
            data = os.read(self._pipe, count - told)
            if not data:
                break
            told += len(data)
        return told

    def forget_signals(self) -> None:
        """Drop what the child has told so far; waits for one thing at least."""
        os.read(self._pipe, 1 << 16)

    def kill(self) -> None:
        """Kill the child and wait for its death; does nothing if that has been done."""
        if self._pipe >= 0:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self._pipe)
            self._pipe = -1


@contextmanager
def forked(body: Callable[[Callable[[], None]], None]) -> Iterator[Child]:
    """Run `body` in a forked child, which dies at its end, or when the context is left.

    `body` gets a function with which it tells that it has come somewhere.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            body(lambda: _tell(write))
        except BaseException:  # noqa: BLE001 - nothing of the parent's may run on in the child
            sys.excepthook(*sys.exc_info())
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(write)
    child = Child(pid, read)
    try:
        yield child
    finally:
        child.kill()


def _tell(write: int) -> None:
    os.write(write, b".")


def commit_until_killed(
    directory: Path, batches: list[Batch], *, commits: int, point: str | None
) -> None:
    """Commit batches to shard 0 in a child and kill it on the way.

    Each commit also counts itself in the field "n" of the key with the prefix `COUNTER`, so that
    the survivor can tell how many there were.

    Args:
        directory: the shard's directory; it must not be open.
        batches: what to commit, in order.
        commits: how many commits to wait for before the kill, which then comes at any instant.
        point: the crash point at which the child kills itself in commit number `commits` + 1
            instead.
    """
    import tamias.store.shard.shard as module
    from tamias.store.shard.shard import Shard

    def body(tell: Callable[[], None]) -> None:
        shard = Shard.acquire(directory, 0, wait=0)
        done = 0

        def reach(name: str) -> None:
            if name == point and done == commits:
                os.kill(os.getpid(), signal.SIGKILL)

        vars(module)["reach"] = reach
        for done, batch in enumerate(batches):
            batch.put_field(COUNTER, "n", b"%d" % (done + 1))
            shard.commit(batch)
            tell()

    with forked(body) as child:
        child.await_signals(commits if point is None else len(batches) + 1)
