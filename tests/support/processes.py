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

    from tamias.store.batch import Batch

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


def forked(body: Callable[[Callable[[], None]], None]) -> tuple[int, int]:
    """Run `body` in a forked child, which dies at its end; return its pid and a pipe to read from.

    `body` gets a function that writes one byte to the pipe.
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
    return pid, read


def _tell(write: int) -> None:
    os.write(write, b".")


def kill_after(pid: int, read: int, signals: int) -> None:
    """Read up to so many bytes from a child's pipe, then kill it and wait for its death."""
    while signals > 0:
        data = os.read(read, signals)
        if not data:
            break
        signals -= len(data)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(read)


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
    import tamias.store.shard as module
    from tamias.store.shard import Shard

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

    pid, read = forked(body)
    kill_after(pid, read, commits if point is None else len(batches) + 1)
