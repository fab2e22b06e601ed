"""A session: the calls between one set of Python resources and one run of a JVM.

A blocking call (`Session.call`) uses one connection. If Java has a question for Python during the
call, it returns the question instead of the outcome, and the thread that has made the call answers
it. So Java never has to connect to Python, and a chain of calls between the languages, however
long, needs one thread here.

An awaited call (`Session.submit`) is only begun. The session's listener, a thread, polls Java for
events: outcomes of all such calls, and questions, which are answered in threads of their own.

When the JVM dies, all calls of the session fail with the same `JvmError`; when it refuses the
session, with what it has refused.
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
from ..jvm.py4j_client import JvmUnreachableError, Py4jClient
from .convert import from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from contextvars import Context

    from ..jvm.py4j_client import Address

POLL_SECONDS: Final = 5.0
MARGIN_SECONDS: Final = 3.0
"""Clients wait this much longer than the JVM host, which can report why a JVM hung."""

_root: ContextVar[str | None] = ContextVar("tamias-java-root", default=None)
"""Identifies the first call of a chain of calls, here and in Java."""


class Jvm(Protocol):
    """Reports why a JVM has ended."""

    def end_reason(self, life: str) -> str:
        """The reason why this life of it has ended."""


Answer = dict[str, Any]
"""An outcome as Java sends it: ``{"done": ...}`` or ``{"failed": {...}}``, with metrics."""


class Session:
    """A session with one JVM.

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
        """`answer` answers Java's questions; `patience` is the hang timeout in seconds."""
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
        self._error: BridgeError | None = None
        """Why there will be no further answer."""
        self._listener = threading.Thread(
            target=self._listen, name="tamias-java-listener", daemon=True
        )
        self._listener.start()

    # -- calls --------------------------------------------------------------------------------

    def call(self, request: dict[str, Any], timeout: float) -> Answer | None:
        """Make a request and wait for its outcome; None if it does not come in time.

        Raises:
            JvmError: the JVM is gone.
            UnserializableError: the request has a value that JSON does not know.
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

        `future` gets the outcome, or a `JvmError`; questions are answered in `context`.

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
        """Interrupt a submitted request, and drop its outcome."""
        with self._lock:
            self._pending.pop(number, None)
        self._cancel(number)

    def close(self) -> None:
        """End the session; Java closes its resources."""
        if self.alive:
            self.alive = False
            with suppress(JvmUnreachableError, BridgeError):
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
        except JvmUnreachableError:
            raise self._fail_all() from None

    def _check(self) -> None:
        if self._error is not None:
            raise _copy_of(self._error)

    def _cancel(self, number: str) -> None:
        with suppress(JvmUnreachableError, BridgeError):  # then there is nothing to interrupt
            self._client.call("cancel", self._id, number, timeout=self._patience)

    def _in_root(self, question: dict[str, Any]) -> Answer:
        token = _root.set(question.get("root"))
        try:
            return self._answer(question)
        finally:
            _root.reset(token)

    def _fail_all(self, refusal: BridgeError | None = None) -> BridgeError:
        """Fail all calls, since the JVM is gone, or refuses this session; return why."""
        with self._lock:
            if self._error is None:
                self._error = refusal or self._lost()
            self.alive = False
            pending, self._pending = self._pending, {}
        for future, _ in pending.values():
            fail(future, _copy_of(self._error))
        return _copy_of(self._error)

    def _lost(self) -> JvmError:
        why = self._jvm.end_reason(self._address.life)
        return JvmError(
            f"The JVM has died in the middle of a call: {why}.",
            hint="The next call gets another one. See its output in the pool's log, and"
            " the options java-options and java-hang-timeout.",
        )

    # -- the listener -------------------------------------------------------------------------

    def _listen(self) -> None:
        millis = int(POLL_SECONDS * 1000)
        while self.alive:
            try:
                wait = POLL_SECONDS + self._patience
                text = self._client.call("poll", self._id, millis, timeout=wait)
            except JvmUnreachableError:
                if self.alive:
                    self._fail_all()
                return
            except BridgeError as refusal:
                if self.alive:
                    self._fail_all(refusal)
                return
            for event in from_text(text):
                self._process(event)

    def _process(self, event: dict[str, Any]) -> None:
        asked = "question" in event
        with self._lock:
            find = self._pending.get if asked else self._pending.pop
            future, context = find(event.get("call"), (None, None))
        if asked:
            context = context.copy() if context is not None else copy_context()
            # A thread for each: with a fixed number, answers that depend on each other could block.
            threading.Thread(
                target=context.run,
                args=(self._reply, event),
                name="tamias-java-answer",
                daemon=True,
            ).start()
        elif future is not None:
            with suppress(InvalidStateError):  # its caller has cancelled it
                future.set_result(event)

    def _reply(self, event: dict[str, Any]) -> None:
        reply = to_text(self._in_root(event["ask"]))
        with suppress(JvmUnreachableError, BridgeError):  # the listener finds that, too
            self._client.call("reply", self._id, event["question"], reply, timeout=self._patience)


def fail(future: Future[Answer], error: Exception) -> None:
    """Fail a call, if it has no outcome yet."""
    with suppress(InvalidStateError):
        future.set_exception(error)


def _copy_of(error: BridgeError) -> BridgeError:
    """A copy of the error, for another caller to raise."""
    return type(error)(error.message, hint=error.hint)
