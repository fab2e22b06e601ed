"""The stream of the call that is under way: text that its client sees before there is a result.

A client of a service may ask for the stream of its submission. Then each durable call of the run
has a stream, which the function that is called finds here (`call_stream`); in all other cases there
is none, and nothing is to be sent. What is written is shown and forgotten: it is in no record, and
when the call is made again, its client is told to drop what it has seen (`attempt`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["AttemptStream", "CallStream", "call_stream", "streaming_to"]


class AttemptStream(ABC):
    """Takes the text of one attempt of a call, from its beginning to its end."""

    @abstractmethod
    def write(self, text: str = "", *, reasoning: str = "") -> None:
        """Send more text; from any thread. What cannot be sent in time is dropped."""


class CallStream(ABC):
    """The stream of one call."""

    @abstractmethod
    def write(self, text: str = "", *, reasoning: str = "") -> None:
        """Write to the present attempt, or begin the first one."""

    @abstractmethod
    def attempt(self) -> AttemptStream:
        """Begin an attempt: what earlier ones have written is void."""


_STREAM: ContextVar[CallStream | None] = ContextVar("tamias_call_stream", default=None)


def call_stream() -> CallStream | None:
    """The stream of the durable call that is under way; None if no client has asked for it."""
    return _STREAM.get()


@contextmanager
def streaming_to(stream: CallStream | None) -> Iterator[None]:
    """In this block, `call_stream` returns this stream."""
    token = _STREAM.set(stream)
    try:
        yield
    finally:
        _STREAM.reset(token)
