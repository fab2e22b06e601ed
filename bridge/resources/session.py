"""A session: one life of a JVM, as one set of Python resources uses it.

A call that waits (`Session.call`) is sent and answered over one connection. What Java asks
meanwhile comes back in place of the outcome, and is answered by the thread that has made the call.
So nobody has to be called, and a chain of calls from language to language, however long, takes one
thread on this side.

A call that is awaited (`Session.submit`) is only begun. Its outcome comes to the session's
listener, a thread that asks Java what there is to be told: outcomes, of any number of calls, and
questions, which are answered in threads of their own.

A session ends with its JVM: then all of its calls fail with the same `JvmError`.
"""

from __future__ import annotations

import threading
from concurrent.futures import InvalidStateError
from contextlib import suppress
from contextvars import ContextVar, copy_context
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from ...agent.errors import BridgeError, JvmError
from ..jvm.py4j_client import LineDownError, Py4jClient
from .convert import from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from contextvars import Context

    from ..jvm.py4j_client import Address

POLL_SECONDS: Final = 5.0
MARGIN_SECONDS: Final = 3.0
"""A hung JVM is found so by its JVM host, who knows what to say of it; clients wait longer."""

_root: ContextVar[str | None] = ContextVar("tamias-java-root", default=None)
"""What the calls have in common that one call has led to, here and in Java."""


class Jvm(Protocol):
    """Who knows why a JVM is gone."""

    def over(self, life: str) -> str:
        """Why this life of it is over."""


Answer = dict[str, Any]
"""An outcome as it comes from Java: ``{"done": ...}`` or ``{"failed": {...}}``, with metrics."""


class Session:
    """Calls of one JVM; see the module's text.

    Attributes:
        alive: false once its JVM is known to be gone.
    """

    def __init__(
        self,
        address: Address,
        jvm: Jvm,
        answer: Callable[[dict[str, Any]], Answer],
        *,
        patience: float,
    ) -> None:
        """`answer` is for Java's questions; `patience` what a JVM gets to say anything at all."""
        self.alive = True
        self._address = address
        self._jvm = jvm
        self._answer = answer
        self._patience = patience + MARGIN_SECONDS
        self._id = uuid4().hex
        self._client = Py4jClient(address)
        self._numbers = count(1)
        self._pending: dict[str | None, tuple[Future[Answer], Context]] = {}
        self._lock = threading.Lock()
        self._error: JvmError | None = None
        self._listener = threading.Thread(
            target=self._listen, name="tamias-java-listener", daemon=True
        )
        self._listener.start()

    # -- calls --------------------------------------------------------------------------------

    def call(self, request: dict[str, Any], timeout: float) -> Answer | None:
        """The outcome of a request, waited for; None if it does not come in time.

        Raises:
            JvmError: the JVM is gone.
            UnserializableError: the request is not what JSON knows.
        """
        number = self._number()
        millis = int(timeout * 1000)
        text = self._text(number, request)
        try:
            turn = self._ask("call", text, millis, wait=timeout)
            while "ask" in turn:
                reply = to_text(self._in_root(turn["ask"]))
                turn = self._ask("resume", number, reply, millis, wait=timeout)
        except BaseException:
            self._cancel(number)
            raise
        return None if "late" in turn else turn

    def submit(self, request: dict[str, Any], future: Future[Answer], context: Context) -> str:
        """Begin a request; the number by which it can be cancelled.

        `future` gets the outcome, or a `JvmError`; `context` is what questions are answered in.

        Raises as `call`.
        """
        number = self._number()
        text = context.run(self._text, number, request)
        with self._lock:
            self._check()
            self._pending[number] = (future, context)
        self._send("submit", text, wait=self._patience)
        return number

    def cancel(self, number: str) -> None:
        """Forget a request that was submitted, and interrupt it."""
        with self._lock:
            self._pending.pop(number, None)
        self._cancel(number)

    def close(self) -> None:
        """End it, and have Java close its resources."""
        if self.alive:
            self.alive = False
            with suppress(LineDownError, BridgeError):
                self._client.call("close", self._id, timeout=self._patience)
            self._listener.join(POLL_SECONDS)
        self._client.close()

    def _number(self) -> str:
        return f"c{next(self._numbers)}"

    def _text(self, number: str, request: dict[str, Any]) -> str:
        return to_text({**request, "call": number, "root": _root.get()})

    def _ask(self, method: str, *args: str | int, wait: float) -> dict[str, Any]:
        turn: dict[str, Any] = from_text(self._send(method, *args, wait=wait + self._patience))
        return turn

    def _send(self, method: str, *args: str | int, wait: float) -> str:
        self._check()
        try:
            return self._client.call(method, self._id, *args, timeout=wait)
        except LineDownError:
            raise self._lost() from None

    def _check(self) -> None:
        if self._error is not None:
            raise _another(self._error)

    def _cancel(self, number: str) -> None:
        with suppress(LineDownError, BridgeError):  # then there is nothing to interrupt
            self._client.call("cancel", self._id, number, timeout=self._patience)

    def _in_root(self, question: dict[str, Any]) -> Answer:
        token = _root.set(question.get("root"))
        try:
            return self._answer(question)
        finally:
            _root.reset(token)

    def _lost(self) -> JvmError:
        """The JVM is gone: fail all calls."""
        with self._lock:
            if self._error is None:
                why = self._jvm.over(self._address.life)
                self._error = JvmError(
                    f"The JVM has died in the middle of a call: {why}.",
                    hint="The next call gets another one. See its output in the pool's log, and"
                    " the options java-options and java-hang-timeout.",
                )
            self.alive = False
            pending, self._pending = self._pending, {}
        for future, _ in pending.values():
            fail(future, _another(self._error))
        return _another(self._error)

    # -- the listener -------------------------------------------------------------------------

    def _listen(self) -> None:
        millis = int(POLL_SECONDS * 1000)
        while self.alive:
            try:
                wait = POLL_SECONDS + self._patience
                text = self._client.call("poll", self._id, millis, timeout=wait)
            except (LineDownError, BridgeError):
                if self.alive:
                    self._lost()
                return
            for event in from_text(text):
                self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        asked = "question" in event
        with self._lock:
            find = self._pending.get if asked else self._pending.pop
            future, context = find(event.get("call"), (None, None))
        if asked:
            context = context.copy() if context is not None else copy_context()
            # One for each: with a fixed number, answers might wait for each other's threads.
            threading.Thread(
                target=context.run,
                args=(self._reply, event),
                name="tamias-java-answer",
                daemon=True,
            ).start()
        elif future is not None:
            with suppress(InvalidStateError):  # nobody waits for it any more
                future.set_result(event)

    def _reply(self, event: dict[str, Any]) -> None:
        reply = to_text(self._in_root(event["ask"]))
        with suppress(LineDownError, BridgeError):  # the listener will hear of it
            self._client.call("reply", self._id, event["question"], reply, timeout=self._patience)


def fail(future: Future[Answer], error: Exception) -> None:
    """Fail a call, if its caller still waits."""
    with suppress(InvalidStateError):
        future.set_exception(error)


def _another(error: JvmError) -> JvmError:
    """A copy of the error, for another caller to raise."""
    return JvmError(error.message, hint=error.hint)
