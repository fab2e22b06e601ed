"""One JVM process: start, watch, end, and the reason of its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from ...agent.errors import BridgeError, JvmError
from ...worker.process.reaper import die_with_parent
from .py4j_client import Address, JvmUnreachableError, Py4jClient

if TYPE_CHECKING:
    from .settings import JvmCommand

ENTRY_POINT: Final = "tamias.resources.Resources"
START_SECONDS: Final = 60.0
PING_SECONDS: Final = 1.0
EXIT_OUT_OF_MEMORY: Final = 3
"""Status of a JVM under -XX:+ExitOnOutOfMemoryError."""


class KilledAtStartError(JvmError):
    """The JVM was killed before it was ready: another try may succeed."""


class JvmProcess:
    """A JVM with our entry point.

    It has two threads: one copies what it prints; one pings it every second, and kills it if it
    does not answer within the hang timeout.

    Attributes:
        address: the address of its entry point.
    """

    def __init__(self, command: JvmCommand) -> None:
        """Start it.

        Raises:
            JvmError: it does not start, or lacks our entry point.
        """
        self._hang_timeout = command.hang_timeout
        self._why = ""
        self._last_lines: deque[str] = deque(maxlen=20)
        parent = os.getpid()
        try:
            self._process = subprocess.Popen(
                command.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509 (no thread is left)
            )
        except OSError as error:
            raise JvmError(
                f"The JVM does not start: {error}.", hint="Set TAMIAS_JAVA to a java executable."
            ) from None
        self._printed: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._ending = threading.Event()
        self.address = self._find_entry_point()
        self._client = Py4jClient(self.address)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _find_entry_point(self) -> Address:
        try:
            port, token = self._port_and_token()
            client = Py4jClient(Address("127.0.0.1", int(port), token))
            try:
                target = client.static(ENTRY_POINT, "instance", timeout=START_SECONDS)
            finally:
                client.close()
        except (BridgeError, JvmUnreachableError) as error:
            killed = self.ended(wait=1.0) and self._process.returncode < 0
            self._process.kill()
            self._end()
            if killed:
                raise KilledAtStartError(
                    "The JVM for Java resources was killed while it was starting."
                ) from None
            raise self._not_started(str(error)) from None
        life = f"{self._process.pid}-{uuid4().hex}"
        return Address("127.0.0.1", int(port), token, target, life)

    def _port_and_token(self) -> list[str]:
        if self._ready.wait(START_SECONDS) and len(self._printed) == 2:
            return self._printed
        raise BridgeError

    def _not_started(self, why: str) -> JvmError:
        output = "\n".join(filter(None, [why, *self._last_lines]))
        return JvmError(
            f"The JVM for Java resources does not start: {output or 'it printed nothing'}",
            hint="Check the options java-options and java-classpath.",
        )

    # -- threads ------------------------------------------------------------------------------

    def _read(self) -> None:
        """Read the port and the token, and copy all else that it prints to standard error."""
        for line in self._process.stdout or ():
            if len(self._printed) < 2 and (self._printed or line.strip().isdigit()):
                self._printed.append(line.strip())
                if len(self._printed) == 2:
                    self._ready.set()
                continue
            self._last_lines.append(line.rstrip())
            with suppress(OSError, ValueError):
                sys.stderr.write(line)
                sys.stderr.flush()
        self._ready.set()

    def _watch(self) -> None:
        while not self._ending.wait(PING_SECONDS):
            try:
                self._client.call("ping", timeout=self._hang_timeout)
            except (JvmUnreachableError, BridgeError) as error:
                if getattr(error, "late", False):
                    self.kill(f"it hung for {self._hang_timeout:g} seconds, and was killed")
                return

    # -- the end ------------------------------------------------------------------------------

    def ended(self, wait: float = 0.0) -> bool:
        """Whether it has ended; waits up to `wait` seconds for that."""
        deadline = time.monotonic() + wait
        while self._process.poll() is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def kill(self, why: str) -> None:
        """Kill it, if it is alive; `why` becomes the reason of its end."""
        if self._process.poll() is None:
            self._why = self._why or why
            self._process.kill()

    def reap(self) -> str:
        """Wait for its end; return the reason, which can follow "The JVM has died: "."""
        self._ending.set()
        status = self._end()
        self._watcher.join()
        self._client.close()
        if self._why:
            return self._why
        if status == EXIT_OUT_OF_MEMORY:
            return "it ran out of memory"
        if status < 0:
            return f"it was killed by {signal.Signals(-status).name}"
        return f"it ended with status {status}"

    def _end(self) -> int:
        status = self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return status
