"""`tamias.Client`: hands inputs to a service, and waits for their outputs.

    with Client("state", client_id="orders") as client:
        for done in client.stream(("key", value) for value in values):
            print(done.key, done.result())
            client.acknowledge(done)

**Numbers.** Every submission has a sequence, from 1 on, and the server identifies it by client id
and sequence. So a program that is killed, started again with the same id, and hands in the same
inputs in the same order, repeats its numbers: what was done is not done again, and its recorded
outputs come back. `acknowledge` tells the server which of them are no longer needed. A client
without an id gets one for its life, and acknowledges by itself.

**Backpressure.** The server says how many submissions may be under way (its window, and less when
it is full). Beyond that `submit` waits.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from heapq import heapify, heappop, heappush
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ...agent.errors import ServiceError, ServiceTimeoutError, UsageError
from ...agent.naming.public import public
from ...store.encoding.codec import loads_json
from ...store.encoding.json_text import dumps_json
from ...store.encoding.keys import encode_key
from ..protocol.frames import MAX_KEY, MAX_SEQUENCE, MAX_VALUE
from .connection import Connection
from .opening import steps
from .questions import answer_query, content_of, no_reply, questions_in, questions_query
from .submission import Submission
from .text_parts import TextParts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from typing_extensions import Self

    from ...agent.waiting.questions import Question

S = TypeVar("S", bound=Submission)

CLOSE_SECONDS: Final = 5.0


class BaseClient(Generic[S]):
    """The common part of both clients: numbers submissions, and matches outcomes to them."""

    _kind: type[S]

    def __init__(
        self,
        where: str | Path,
        *,
        client_id: str | None = None,
        keys: str | Path | None = None,
        repeat: bool = True,
        acknowledge: bool | None = None,
    ) -> None:
        self._repeat = repeat
        self._acknowledges = client_id is None if acknowledge is None else acknowledge
        self._lock = threading.Lock()
        self._open: dict[int, S] = {}
        self._next = 1
        self._numbered = False
        self._order: list[int] = []
        """A heap of the sequences not acknowledged yet, and of some that are."""
        self._finished: set[int] = set()
        self._connection = Connection(
            where,
            client_id,
            keys,
            answered=self._answered,
            written=self._written,
            lost=self._lost,
        )

    @property
    def acknowledged(self) -> int:
        """The sequence up to which all was acknowledged, also by earlier runs of this client."""
        return self._connection.floor

    @property
    def recorded(self) -> int:
        """The highest sequence that the server had on record when this client connected."""
        return self._connection.last

    def acknowledge(self, *submissions: Submission) -> None:
        """Tell the server that the outputs of these submissions are no longer needed.

        The server forgets them as soon as all with lower sequences are acknowledged, too. They
        will not run again, even if they are submitted again.
        """
        with self._lock:
            floor = self._finish(submission.sequence for submission in submissions)
        if floor:
            self._connection.acknowledge(floor)

    # -- inside -------------------------------------------------------------------------------

    def _begin(
        self, key: object, value: object, sequence: int | None, *, stream: bool
    ) -> tuple[S, bytes, bytes]:
        """Return a new submission, not sent yet, with its encoded key and value."""
        encoded, data = encode_key(key), dumps_json(value)
        if len(encoded) > MAX_KEY or len(data) > MAX_VALUE:
            raise UsageError(
                f"This input is too large: its key has {len(encoded):,} bytes and its value "
                f"{len(data):,} in JSON.",
                hint=f"At most {MAX_KEY:,} and {MAX_VALUE:,}: hand in a reference to it instead.",
            )
        with self._lock:
            if not self._numbered:
                self._numbered = True
                if not self._repeat:
                    self._next = max(self._next, self._connection.last + 1)
            number = self._next if sequence is None else sequence
            if not 0 < number <= MAX_SEQUENCE:
                raise UsageError(f"{number} is no sequence: they begin at 1.")
            if number in self._open:
                raise UsageError(f"Sequence {number} is under way already.")
            submission = self._kind(number, key, TextParts() if stream else None)
            self._open[number] = submission
            heappush(self._order, number)
            self._next = max(self._next, number + 1)
        return submission, encoded, data

    def _forget(self, submission: S) -> None:
        """Remove a submission that was not handed in; reuse its number if it was the last."""
        with self._lock:
            self._open.pop(submission.sequence, None)
            self._order.remove(submission.sequence)  # or no later one could be acknowledged
            heapify(self._order)
            if self._next == submission.sequence + 1:
                self._next = submission.sequence
        self._connection.wake_next()

    def _answered(self, sequence: int, outcome: bytes) -> None:
        with self._lock:
            submission = self._open.pop(sequence, None)
            floor = self._finish([sequence]) if self._acknowledges else 0
        if submission is not None:
            submission.set_outcome(outcome)
        if floor:
            self._connection.acknowledge(floor)

    def _written(self, sequence: int, body: bytes) -> None:
        with self._lock:
            submission = self._open.get(sequence)
        if submission is not None:
            with suppress(ValueError, KeyError, TypeError):  # of a form that is not known here
                submission.receive(loads_json(body)["parts"])

    def _finish(self, sequences: Iterable[int]) -> int:
        """Mark as finished; return the sequence up to which all are, 0 if that has not changed."""
        finished, order = self._finished, self._order
        finished.update(sequences)
        floor = 0
        while order and order[0] in finished:
            floor = heappop(order)
            finished.remove(floor)
        return floor

    def _lost(self, error: ServiceError) -> None:
        with self._lock:
            lost = list(self._open.values())
            self._open.clear()
        for submission in lost:
            submission.fail(error)


@public
class Client(BaseClient[Submission]):
    """A client of a service, without asyncio; its methods may be called from any thread.

    Args:
        where: the service's state directory, or its address (``tcp://HOST:PORT``).
        client_id: identifies this client to the server when it comes back; None: it will not
            come back.
        keys: the client's key file (`tamias keys add`), for an address.
        repeat: number submissions from 1, for a program that repeats its inputs after a crash;
            False: continue after the highest number that the server has recorded.
        acknowledge: whether outcomes are acknowledged as soon as they arrive here. None: only if
            there is no `client_id`, since then no later client can ask for them.
        timeout: seconds to wait for the service. None: 30, since it may still be starting; 10 if
            its state directory is not in use, 5 if there is no such directory, or no listener.

    Raises:
        ServiceTimeoutError: it could not be reached.
        ServiceError: it has rejected this client.
        UsageError: an address without keys, or the like.
    """

    _kind = Submission

    def __init__(
        self,
        where: str | Path,
        *,
        client_id: str | None = None,
        keys: str | Path | None = None,
        repeat: bool = True,
        acknowledge: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__(
            where, client_id=client_id, keys=keys, repeat=repeat, acknowledge=acknowledge
        )
        try:
            self._wait_until_open(where, timeout)
        except BaseException:
            self._connection.close()
            raise

    def _wait_until_open(self, where: str | Path, timeout: float | None) -> None:
        for step in steps(where, timeout):
            try:
                return self._connection.opened.result(step.seconds)
            except FutureTimeoutError:
                error = step.error()
                if error is not None:
                    raise error from None
        return None

    def submit(
        self,
        key: object,
        value: object,
        *,
        sequence: int | None = None,
        timeout: float | None = None,
        stream: bool = False,
    ) -> Submission:
        """Hand in an input.

        Returns as soon as the server has room for it. The server has recorded it for certain when
        it has a result, or after `flush`.

        Args:
            key: as for any input: inputs of one key are run in order.
            value: anything that can be encoded as JSON (see `store.encoding.json_text`).
            sequence: its number; None: the one after the highest so far.
            timeout: seconds to wait while the server is full; None: without a limit.
            stream: whether `Submission.stream` is wanted: what its calls write while they are
                under way.

        Raises:
            ServiceTimeoutError: there was no room; nothing was handed in.
            InputError, UnserializableError, UsageError: the key or value cannot be sent.
            ServiceError: the client is closed, or the server has rejected it.
        """
        submission, encoded, data = self._begin(key, value, sequence, stream=stream)
        until = None if timeout is None else time.monotonic() + timeout
        try:
            while not self._connection.submit(submission.sequence, encoded, data, streamed=stream):
                left = None if until is None else max(0.0, until - time.monotonic())
                _wait(self._connection.window_open(), left, server_full(timeout))
        except BaseException:
            self._forget(submission)
            raise
        return submission

    def submit_many(
        self, inputs: Iterable[tuple[object, object]], *, timeout: float | None = None
    ) -> list[Submission]:
        """Hand in ``(key, value)`` pairs; `timeout` is for each, as in `submit`."""
        return [self.submit(key, value, timeout=timeout) for key, value in inputs]

    def stream(
        self, inputs: Iterable[tuple[object, object]], *, ordered: bool = False
    ) -> Iterator[Submission]:
        """Hand in ``(key, value)`` pairs, and yield them as they are done.

        Inputs are read as the server has room, in the thread that iterates over this.

        Args:
            inputs: may be endless.
            ordered: yield them in the order of the inputs.

        Yields:
            Submissions whose `result` returns, or raises, at once.
        """
        done: SimpleQueue[Submission] = SimpleQueue()
        waiting: dict[int, Submission] = {}
        for key, value in inputs:
            submission = self.submit(key, value)
            waiting[submission.sequence] = submission
            submission.add_done_callback(done.put)
            yield from _finished(waiting, done, ordered=ordered)
        while waiting:
            submission = next(iter(waiting.values())) if ordered else done.get()
            _wait_until_done(submission)
            del waiting[submission.sequence]
            yield submission

    def answer(
        self, token: str, value: object, *, by: str | None = None, timeout: float | None = None
    ) -> None:
        """Answer a question that a run has asked; return when the answer is on record.

        If the service ends meanwhile, this waits for the next one; an answer counts once.

        Args:
            token: the question's.
            value: anything that can be encoded as JSON.
            by: who answers; None: the name of this process' user, or of the client's key.
            timeout: seconds to wait; None: without a limit.

        Raises:
            AnswerError: no such question waits: it is unknown, answered, or its time is over.
            UnserializableError, UsageError: the value cannot be sent.
            ServiceTimeoutError: there was no reply in time.
            ServiceError: the client is closed, or the server has rejected it.
        """
        self._query(answer_query(token, value, by), timeout)

    def questions(self, timeout: float | None = None) -> list[Question]:
        """Return the questions that wait for an answer, the oldest first.

        A client of the same machine gets all; one with a key those of inputs that were submitted
        with this key. A question's `ask` and `key` are as JSON has them.

        Raises:
            ServiceTimeoutError: there was no reply in so many seconds.
            ServiceError: the client is closed, or the server has rejected it.
        """
        questions: list[Question] = []
        more = True
        while more:
            after = questions[-1].token if questions else ""
            content = self._query(questions_query(after), timeout)
            questions += questions_in(content)
            more = content["more"]
        return questions

    def _query(self, body: bytes, timeout: float | None) -> dict[str, Any]:
        reply = self._connection.query(body)
        try:
            return content_of(reply.result(timeout))
        except FutureTimeoutError:
            reply.cancel()
            raise no_reply(timeout) from None

    def flush(self, timeout: float | None = None) -> None:
        """Wait until the server has recorded all that was handed in.

        Raises:
            ServiceTimeoutError: it has not yet.
        """
        _wait(self._connection.all_recorded(), timeout, not_on_record(timeout))

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Wait until the server has recorded all that was handed in, and end the connection.

        Submissions without a result by then get none here; the server still runs them.

        Raises:
            ServiceTimeoutError: some may not be recorded; the connection is closed all the same.
        """
        try:
            self.flush(timeout)
        except ServiceTimeoutError:
            raise
        except ServiceError:
            pass  # the connection has ended already
        finally:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._connection.close()


def _finished(
    waiting: dict[int, Submission], done: SimpleQueue[Submission], *, ordered: bool
) -> Iterator[Submission]:
    """Yield the submissions that are done and, if `ordered`, have no earlier one unfinished."""
    while not done.empty():
        submission = done.get()
        if not ordered:
            del waiting[submission.sequence]
            yield submission
    while ordered and waiting and (first := next(iter(waiting.values()))).done():
        del waiting[first.sequence]
        yield first


def server_full(timeout: float | None) -> ServiceTimeoutError:
    """The error for a server that stays full."""
    return ServiceTimeoutError(
        f"The service has had no room for {timeout} s.",
        hint="Nothing was handed in: try again later.",
    )


def not_on_record(timeout: float | None) -> ServiceTimeoutError:
    """The error for a server that does not confirm."""
    return ServiceTimeoutError(f"Not all is on the server's record after {timeout} s.")


def _wait(future: Future[Any], timeout: float | None, error: ServiceTimeoutError) -> None:
    try:
        future.result(timeout)
    except FutureTimeoutError:
        future.cancel()
        raise error from None


def _wait_until_done(submission: Submission) -> None:
    """Wait until it is done, with or without success."""
    event = threading.Event()
    submission.add_done_callback(lambda _: event.set())
    event.wait()
