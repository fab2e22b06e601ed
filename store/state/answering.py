"""Answers a question in a state directory that no launcher uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...agent.errors import AnswerError
from ...agent.waiting.questions import is_token
from .. import clock
from ..crashpoints import reach
from ..shard.batch import Batch
from ..shard.shard import Shard
from ..waiting.answering import answered_record
from ..waiting.tokens import shard_of_token

if TYPE_CHECKING:
    from .directory import StateDirectory, StateView

__all__ = ["answer_at_rest", "checked_shard"]


def checked_shard(view: StateView, token: str) -> int:
    """Return the number of the shard that has a question.

    Raises:
        AnswerError: there can be no question of that token here.
    """
    if not is_token(token):
        raise AnswerError(
            f"{token!r} is not the token of a question.",
            hint="A token is q and 47 hexadecimal digits; tamias waiting lists them.",
        )
    shard = shard_of_token(token)
    if shard >= view.manifest.shards:
        raise AnswerError(
            "The token is of a question in another state directory.",
            hint="tamias waiting lists the questions of this one.",
        )
    return shard


def answer_at_rest(
    state: StateDirectory,
    token: str,
    value: bytes,
    *,
    codec: str = "json",
    by: str | None = None,
    request: str = "",
) -> str:
    """Record an answer, and make its run due, in one commit; the next life goes on with it.

    Args:
        state: the state directory, locked by this process.
        token: the question's.
        value: the encoded answer.
        codec: how it is encoded: "json" or "pickle".
        by: who answers.
        request: names this answer, so that it may be given again without harm.

    Returns:
        The question's name.

    Raises:
        AnswerError: no such question waits.
        LeaseHeldError: a worker of an earlier launcher has not ended yet.
        StoreError: the shard cannot be written.
    """
    number = checked_shard(state, token)
    shard = Shard.acquire(
        state.layout.shard(number),
        number,
        state.manifest.durability,
        store=state.manifest.identity,
        create=False,
    )
    try:
        question = shard.read_waiting(lambda view: view.question(token))
        answered = answered_record(question, value, codec, by=by, now=clock.now(), request=request)
        if answered is not None:
            batch = Batch()
            changes = batch.changes_of_waiting()
            changes.put_question(token, answered.encode())
            changes.wake(answered.number)
            reach("answer.before")
            shard.commit(batch)
            question = answered
    finally:
        shard.close()
    assert question is not None  # noqa: S101 (`answered_record` raises then)
    return question.name
