"""A submission, as the program that made it sees it: a future of its outputs."""

from __future__ import annotations

import json
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...agent.errors import ServiceTimeoutError, SubmissionFailedError, UsageError
from ...agent.naming.public import public
from ...store.encoding.codec import loads_json
from ..protocol.frames import FAILED, FORGOTTEN, GENERATION, MISMATCH, OUTPUTS, RELOADED

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .text_parts import TextParts


@public
class Submission:
    """One input under way.

    Attributes:
        sequence: its number, which identifies it to the server.
        key: its key.
    """

    __slots__ = ("_future", "_parts", "key", "sequence")

    def __init__(self, sequence: int, key: object, parts: TextParts | None = None) -> None:
        self.sequence = sequence
        self.key = key
        self._parts = parts
        self._future: Future[bytes] = Future()

    def done(self) -> bool:
        """Whether `result` returns or raises at once."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> list[Any]:
        """Wait for the outputs of the run.

        Args:
            timeout: seconds; None: without a limit.

        Raises:
            SubmissionFailedError: the run has failed.
            ServiceTimeoutError: it is not done yet; it goes on, and `result` may be called again.
            ServiceError: the client was closed, or the server has rejected it.
        """
        try:
            return decoded(self._future.result(timeout), self.sequence)
        except FutureTimeoutError:
            raise ServiceTimeoutError(
                f"Submission {self.sequence} has no outcome after {timeout} s.",
                hint="It is still under way: ask again.",
            ) from None
        except CancelledError:
            raise ServiceTimeoutError(f"Submission {self.sequence} was given up.") from None

    def stream(self) -> TextParts:
        """What its calls write while they are under way: iterate over it, plainly or ``async``.

        `result` is the truth: what is seen here may be cut short, or be that of an attempt that
        has failed.

        Raises:
            UsageError: it was not submitted with ``stream=True``.
        """
        if self._parts is None:
            raise UsageError(
                f"Submission {self.sequence} has no stream.",
                hint="Ask for it: client.submit(key, value, stream=True).",
            )
        return self._parts

    def receive(self, parts: list[list[Any]]) -> None:
        """For the client: note what calls have written."""
        if self._parts is not None:
            self._parts.add(parts)

    @property
    def generation(self) -> int | None:
        """The generation of code that did the run; None before it is done, or if not known."""
        if not self._future.done() or self._future.cancelled() or self._future.exception():
            return None
        outcome = self._future.result()
        if outcome[0] == RELOADED:
            return int(GENERATION.unpack_from(outcome, 1)[0])
        if outcome[0] == FAILED:
            return json.loads(outcome[1:]).get("generation")  # type: ignore[no-any-return]
        return 0 if outcome[0] == OUTPUTS else None

    def add_done_callback(self, callback: Callable[[Submission], object]) -> None:
        """Call `callback` when it is done, in the client's thread; at once if it is done."""
        self._future.add_done_callback(lambda _: callback(self))

    def set_outcome(self, outcome: bytes) -> None:
        """For the client: set the outcome."""
        with suppress(InvalidStateError):  # cancelled by the task that awaited it
            self._future.set_result(outcome)
        if self._parts is not None:
            self._parts.end()

    def fail(self, error: Exception) -> None:
        """For the client: mark as failed; the outcome is unknown."""
        with suppress(InvalidStateError):
            self._future.set_exception(error)
        if self._parts is not None:
            self._parts.end()

    def __repr__(self) -> str:
        state = "done" if self.done() else "under way"
        return f"<{type(self).__name__} {self.sequence} (key {self.key!r}) {state}>"


@public
class AsyncSubmission(Submission):
    """One input under way; ``await`` it for its outputs, as often as wanted."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, list[Any]]:
        from asyncio import shield, wrap_future  # noqa: PLC0415 (only where there is a loop)

        outcome = yield from shield(wrap_future(self._future)).__await__()
        return decoded(outcome, self.sequence)


def decoded(outcome: bytes, sequence: int) -> list[Any]:
    """Return the outputs in an outcome.

    Raises:
        SubmissionFailedError: it has none.
    """
    kind, body = outcome[0], outcome[1:]
    if kind == FORGOTTEN:
        raise SubmissionFailedError(
            f"Submission {sequence} was done before, and its outputs are no longer kept.",
            hint="It was not run again. Begin after the client's `acknowledged`.",
            cause="forgotten",
        )
    if kind == MISMATCH:
        raise SubmissionFailedError(
            f"Another input was submitted as number {sequence} of this client id before.",
            hint="It was not run. Repeat the same inputs in the same order, pass repeat=False to "
            "number on after those on record, or use another client id.",
            cause="mismatch",
        )
    if kind == FAILED:
        report = json.loads(body)
        raise SubmissionFailedError(
            f"Submission {sequence} failed ({report['cause']}): {report['error']}",
            cause=report["cause"],
            user_traceback=report["traceback"],
            offset=report["offset"],
        )
    outputs: list[Any] = loads_json(body[GENERATION.size :] if kind == RELOADED else body)
    return outputs
