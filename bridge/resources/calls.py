"""Calls from an agent's resources to Java: finds the JVM, answers Java's questions, retries.

A worker has one `JavaCalls` for all of its Java resources. It has a session with the JVM, and
makes a new one when the JVM has died. Calls that were running then fail with a `JvmError`. Inside
a durable call they are made again: a durable call is recorded only when it has an outcome, so this
is the same as after the death of the worker.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import traceback
from collections import OrderedDict
from concurrent.futures import Future
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from ...agent.errors import JavaCallError, JavaTimeoutError, JvmError
from ...worker.durable.call_log import inside_durable_call
from ..jvm.jvm_access import access_jvm
from .callbacks import answer
from .convert import to_text
from .session import Session, fail

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from ...agent.resources.resource import Resource, ResourceType
    from ..jvm.jvm_access import GivenJvm, SharedJvm
    from ..jvm.settings import JvmSettings
    from .session import Answer

    GetResource = Callable[[str, ResourceType], Resource]

DURABLE_ATTEMPTS: Final = 3
RAISED: Final = 100
"""How many exceptions that were passed to Java are kept, in case Java passes them back."""


class JavaCalls:
    """Calls to Java; can be used from several threads and from an event loop."""

    def __init__(self, settings: JvmSettings, get_resource: GetResource) -> None:
        self._settings = settings
        self._get_resource = get_resource
        self._raised: OrderedDict[str, Exception] = OrderedDict()
        self._renew()

    def _renew(self) -> None:
        self._starting = threading.Lock()
        self._jvm: GivenJvm | SharedJvm | None = None
        self._session: Session | None = None
        self._submissions: queue.SimpleQueue[_Submission | None] = queue.SimpleQueue()
        self._sender: threading.Thread | None = None

    # -- calls --------------------------------------------------------------------------------

    def call(self, request: dict[str, Any]) -> Answer:
        """Make a request, and return its outcome.

        Raises:
            JvmError: the JVM does not start, or has died.
            JavaTimeoutError: the call has taken too long.
            JavaCallError: Java has thrown an exception.
            ConfigError, MissingExtraError, BridgeError: there can be no JVM here.
            UnserializableError: an argument cannot go to Java.
        """
        timeout = self._settings.call_timeout
        for last in _attempts():
            try:
                outcome = self._current().call(request, timeout)
            except JvmError:
                if last:
                    raise
                continue
            if outcome is None:
                raise self._timeout_error(request)
            return self._checked(request, outcome)
        raise AssertionError

    async def acall(self, request: dict[str, Any]) -> Answer:
        """The awaitable form of `call`; never blocks the event loop. Raises as `call`."""
        for last in _attempts():
            submission = _Submission(request, copy_context())
            self._submit(submission)
            try:
                outcome = await asyncio.wait_for(
                    asyncio.wrap_future(submission.future), self._settings.call_timeout
                )
            except JvmError:
                if last:
                    raise
                continue
            except asyncio.TimeoutError:
                self._submit(submission)
                raise self._timeout_error(request) from None
            except asyncio.CancelledError:
                self._submit(submission)
                raise
            return self._checked(request, outcome)
        raise AssertionError

    def _checked(self, request: dict[str, Any], outcome: Answer) -> Answer:
        failed = outcome.get("failed")
        if failed is None:
            return outcome
        cause = self._raised.pop(failed.get("raised") or "", None)
        text = f"{failed['type']}: {failed['message']}"
        if failed["cause"] and failed["cause"] not in text:
            text += f" (because of {failed['cause']})"
        hint = ""
        if failed["linkage"]:
            hint = "Is the class spelled right, and are its jar and all that it needs on the"
            hint += " java-classpath, in versions that fit?"
        raise JavaCallError(
            f"{_named(request)} has failed in Java: {text}.",
            hint=hint,
            java_type=failed["type"],
            java_stack=failed["stack"],
        ) from cause

    def _timeout_error(self, request: dict[str, Any]) -> JavaTimeoutError:
        return JavaTimeoutError(
            f"{_named(request)} has taken more than {self._settings.call_timeout:g} seconds in"
            " Java, and was interrupted.",
            hint="Where that is to be expected, raise java-call-timeout.",
        )

    # -- Java's questions ---------------------------------------------------------------------

    def _answer(self, question: dict[str, Any]) -> Answer:
        try:
            done = {"done": answer(question, self._get_resource)}
            to_text(done)
        except Exception as error:  # noqa: BLE001 (Java gets any error)
            identity = uuid4().hex
            self._raised[identity] = error
            while len(self._raised) > RAISED:
                self._raised.popitem(last=False)
            text = "".join(traceback.format_exception_only(type(error), error)).strip()
            return {"failed": {"message": text, "id": identity}}
        return done

    # -- the JVM ------------------------------------------------------------------------------

    def _current(self) -> Session:
        with self._starting:
            if self._session is None or not self._session.alive:
                if self._session is not None:
                    self._session.close()
                if self._jvm is None:
                    self._jvm = access_jvm(self._settings)
                self._session = Session(
                    self._jvm.address(),
                    self._jvm,
                    self._answer,
                    patience=self._settings.hang_timeout,
                )
            return self._session

    def close(self) -> None:
        """End the session, and give the JVM up."""
        sender, session, jvm = self._sender, self._session, self._jvm
        self._submissions.put(None)
        self._renew()
        if sender is not None:
            sender.join()
        if session is not None:
            session.close()
        if jvm is not None:
            jvm.leave()

    def forked(self) -> None:
        """Start afresh in a child that user code has forked.

        The parent's connections are neither used nor closed: that would end its session.
        """
        _parents.append((self._jvm, self._session))
        self._renew()

    # -- the sender ---------------------------------------------------------------------------

    def _submit(self, submission: _Submission) -> None:
        with _guard:
            if self._sender is None:
                self._sender = threading.Thread(
                    target=self._send,
                    args=(self._submissions,),
                    name="tamias-java-sender",
                    daemon=True,
                )
                self._sender.start()
        self._submissions.put(submission)

    def _send(self, submissions: queue.SimpleQueue[_Submission | None]) -> None:
        """Begin each submission; cancel it when it comes again. May wait for a JVM to start."""
        while True:
            submission = submissions.get()
            if submission is None:
                return
            if submission.session is not None:
                submission.session.cancel(submission.number)
                continue
            if submission.future.done():
                continue
            try:
                submission.session = session = self._current()
                submission.number = session.submit(
                    submission.request, submission.future, submission.context
                )
            except Exception as error:  # noqa: BLE001 (the caller gets it)
                fail(submission.future, error)


class _Submission:
    """A call for the sender: the first time it is begun, the second time cancelled."""

    __slots__ = ("context", "future", "number", "request", "session")

    def __init__(self, request: dict[str, Any], context: Context) -> None:
        self.request = request
        self.context = context
        self.future: Future[Answer] = Future()
        self.session: Session | None = None
        self.number = ""


def _attempts() -> list[bool]:
    """For each attempt of a call, whether it is the last one."""
    more = DURABLE_ATTEMPTS - 1 if inside_durable_call() else 0
    return [False] * more + [True]


def _named(request: dict[str, Any]) -> str:
    return f"{request['method']} of the {request['type']} {request['name']!r}"


_parents: list[object] = []
_shared: dict[tuple[JvmSettings, GetResource], tuple[JavaCalls, int]] = {}
"""The `JavaCalls` in use, each with the number of resources that use it."""
_guard = threading.Lock()


def calls_for(settings: JvmSettings, get_resource: GetResource) -> JavaCalls:
    """The `JavaCalls` for all resources with this `get_resource`; each must `release` it."""
    with _guard:
        calls, users = _shared.get((settings, get_resource), (None, 0))
        calls = calls or JavaCalls(settings, get_resource)
        _shared[settings, get_resource] = calls, users + 1
        return calls


def release(settings: JvmSettings, get_resource: GetResource) -> None:
    """Give it up for one resource; the last one closes it."""
    with _guard:
        calls, users = _shared.pop((settings, get_resource))
        if users > 1:
            _shared[settings, get_resource] = calls, users - 1
            return
    calls.close()


def _forked() -> None:
    global _guard  # noqa: PLW0603 (a thread of the parent may hold it)
    _guard = threading.Lock()
    for calls, _ in _shared.values():
        calls.forked()


os.register_at_fork(after_in_child=_forked)
