"""Passes answers to the workers that have the questions, and their replies to those who answer.

A question is in a shard. If its worker dies, or the shard moves, before there is a reply, the next
owner gets the same request again, under the same id: a worker to which a request comes twice
replies the second time as it did the first.
"""

from __future__ import annotations

import base64
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from ...agent.errors import AnswerError, PoolError
from ...agent.failures.error_json import error_from_json
from ...agent.waiting.questions import is_token
from ...store.waiting.tokens import shard_of_token
from ...worker import wire
from ..control.commands import ended, fail, succeed

if TYPE_CHECKING:
    from collections.abc import Container

    from ..connection.transport import WorkerTransport
    from ..control.commands import Answer, AnswerQuestion
    from ..dispatch.placement import Placement
    from ..workers.registry import WorkerHandle, WorkerRegistry


class _Request(NamedTuple):
    """An answer that a worker has not replied to."""

    shard: int
    message: bytes
    reply: Answer


class Answers:
    """The answers that are on their way in one pool."""

    def __init__(
        self, placement: Placement, registry: WorkerRegistry, transport: WorkerTransport
    ) -> None:
        self._placement = placement
        self._registry = registry
        self._transport = transport
        self._requests: dict[str, _Request] = {}

    def begin(self, command: AnswerQuestion, reply: Answer) -> None:
        """Send an answer to the worker that has the question; `reply` gets what it replies.

        Raises:
            AnswerError: there can be no such question.
        """
        token = command.token
        if not is_token(token) or shard_of_token(token) >= self._placement.shards:
            raise AnswerError(
                f"{token!r} is not the token of a question of this job.",
                hint="tamias waiting lists the questions.",
            )
        number = command.request or token_hex(8)
        body = {
            "id": number,
            "token": token,
            "value": base64.b64encode(command.value).decode(),
            "codec": command.codec,
            "by": command.by,
        }
        shard = shard_of_token(token)
        request = _Request(shard, wire.pack(wire.ANSWER, body), reply)
        earlier = self._requests.get(number)
        if earlier is not None:
            fail(earlier.reply, PoolError("This answer was sent again; the second request waits."))
        self._requests[number] = request
        slot = self._placement.owner(shard)
        worker = self._registry.current(slot.number) if slot is not None else None
        if worker is not None and worker.ready:
            self._transport.send(worker.identity, request.message)

    def resend(self, worker: WorkerHandle, shards: Container[int]) -> None:
        """Send a worker that has got these shards the answers to their questions."""
        for request in self._requests.values():
            if request.shard in shards:
                self._transport.send(worker.identity, request.message)

    def finish(self, body: dict[str, Any]) -> None:
        """A worker has replied."""
        request = self._requests.pop(body["id"], None)
        if request is None:
            return  # the second reply
        if body["error"] is None:
            succeed(request.reply, {"answered": True})
        else:
            fail(request.reply, error_from_json(body["error"]))

    def close(self) -> None:
        """Fail all that have had no reply: the pool has ended."""
        for request in self._requests.values():
            fail(request.reply, ended())
        self._requests.clear()
