"""The link between an agent's resources and Java: which JVM, what Java may ask, who tries again.

There is one for the resources of a worker. It has a session with the JVM that there is, and makes
another when that one has died. A call that was under way then fails with a `JvmError`; inside a
durable call, which is on record only when it has an outcome, it is made again, as it would be had
the worker itself died.
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
"""How many exceptions are kept that have gone into Java, for when they come out again."""


class JavaCalls:
    """See the module's text. May be used from several threads, and from an event loop."""

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
        """The outcome of a request.

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
                raise self._late(request)
            return self._checked(request, outcome)
        raise AssertionError

    async def acall(self, request: dict[str, Any]) -> Answer:
        """The awaitable form of `call`: nothing of it holds up the event loop. Raises as `call`."""
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
                raise self._late(request) from None
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

    def _late(self, request: dict[str, Any]) -> JavaTimeoutError:
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
        except Exception as error:  # noqa: BLE001 (it is Java's to deal with)
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
        """End the session, and leave the JVM."""
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
        """This is a child that user code has forked: nothing of its parent's may be used.

        Nor may it be closed, which would be heard at the other end.
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
        """Begin what is to be begun, cancel what comes again. It may have to wait for a JVM."""
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
            except Exception as error:  # noqa: BLE001 (it is the caller's)
                fail(submission.future, error)


class _Submission:
    """A call to be begun; the second time that it comes to the sender, to be cancelled."""

    __slots__ = ("context", "future", "number", "request", "session")

    def __init__(self, request: dict[str, Any], context: Context) -> None:
        self.request = request
        self.context = context
        self.future: Future[Answer] = Future()
        self.session: Session | None = None
        self.number = ""


def _attempts() -> list[bool]:
    """For each attempt that a call has, whether it is the last one."""
    more = DURABLE_ATTEMPTS - 1 if inside_durable_call() else 0
    return [False] * more + [True]


def _named(request: dict[str, Any]) -> str:
    return f"{request['method']} of the {request['type']} {request['name']!r}"


_parents: list[object] = []
_links: dict[tuple[JvmSettings, GetResource], tuple[JavaCalls, int]] = {}
"""Each with the number of resources that need it."""
_guard = threading.Lock()


def calls_for(settings: JvmSettings, get_resource: GetResource) -> JavaCalls:
    """The link of the resources that find each other by `get_resource`; each must `release` it."""
    with _guard:
        calls, users = _links.get((settings, get_resource), (None, 0))
        calls = calls or JavaCalls(settings, get_resource)
        _links[settings, get_resource] = calls, users + 1
        return calls


def release(settings: JvmSettings, get_resource: GetResource) -> None:
    """One resource less needs the link; it ends with the last one."""
    with _guard:
        calls, users = _links.pop((settings, get_resource))
        if users > 1:
            _links[settings, get_resource] = calls, users - 1
            return
    calls.close()


def _forked() -> None:
    global _guard  # noqa: PLW0603 (a thread that is not here may hold it)
    _guard = threading.Lock()
    for calls, _ in _links.values():
        calls.forked()


os.register_at_fork(after_in_child=_forked)
