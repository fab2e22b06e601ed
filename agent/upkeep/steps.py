"""The steps of work on a memory set that waits for models, for both forms of an action.

The work is a generator: it yields steps, and gets what comes of them. So it is written once;
`perform` takes the steps in an action that blocks, `aperform` in one that awaits.

What decides which calls are made has to be the same when the run is executed again. What a set has
need not be: items may have expired since. So what is read of it is put on record first (`Record`),
and the work goes on with what is on record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from ..config.options import PoolOptions
from ..models.instructions import with_schema
from ..resources.model_errors import Overloaded, RateLimited, Unavailable
from ..resources.resource import ResourceType
from ..waiting.retry import RetryPolicy
from .set_metrics import set_metrics

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import TypeAlias

    from ..context import RunnerContext
    from ..long_term.compactable import CompactableSet, Summary
    from ..models.chat_model import BaseChatModelSetup
    from ..resources.chat_message import ChatMessage

    T = TypeVar("T")
    Work: TypeAlias = Generator["Record | Ask | Replace | Search", Any, T]

__all__ = [
    "PATIENT",
    "STUBBORN",
    "Ask",
    "OnRecord",
    "Record",
    "Replace",
    "Search",
    "aperform",
    "perform",
]

_TEMPORARY: Final = (RateLimited, Overloaded, Unavailable, ConnectionError, TimeoutError)
PATIENT: Final = RetryPolicy(attempts=5, wait=2, factor=4, retry_on=_TEMPORARY)
"""How a call is tried again that may be given up: for three minutes, or as the service says."""
STUBBORN: Final = RetryPolicy(attempts=15, wait=2, factor=4, retry_on=_TEMPORARY)
"""How a call is tried again without which an input is lost: for an hour."""


class OnRecord:
    """A function that returns what was read before it was called.

    Called durably it returns what was read at the first execution: that is known by the arguments.
    """

    def __init__(self, value: Any = None) -> None:
        self._value = value

    def __call__(self, *_labels: Any) -> Any:
        """What was read."""
        return self._value

    def __reduce__(self) -> tuple[Any, ...]:
        """Nothing: calls are told apart by this, and what was read may differ."""
        return OnRecord, ()


class Record(NamedTuple):
    """Put on record what was read, and go on with what is on record."""

    labels: tuple[Any, ...]
    value: Any


class Ask(NamedTuple):
    """Ask a chat model. Gives its message."""

    model: str
    messages: list[ChatMessage]
    policy: RetryPolicy
    """How it is tried again, if neither the model nor the job lays that down."""
    schema: dict[str, Any] | None = None
    """The JSON schema of the answer; None for any text."""


class Replace(NamedTuple):
    """Put summaries in the place of their sources. Gives their ids."""

    summaries: Sequence[Summary]


class Search(NamedTuple):
    """Search the set. Gives items."""

    query: str
    limit: int


def perform(ctx: RunnerContext, memory_set: CompactableSet, work: Work[T]) -> T:
    """Take the steps of work, one after the other; blocks."""
    result, error = None, None
    while True:
        try:
            step = work.send(result) if error is None else work.throw(error)
        except StopIteration as end:
            return cast("T", end.value)
        result, error = None, None
        try:
            if isinstance(step, Record):
                result = ctx.durable_execute(OnRecord(step.value), *step.labels)
            elif isinstance(step, Ask):
                setup, messages, more = _question(ctx, memory_set.name, step)
                result = setup.chat(messages, **more)
            elif isinstance(step, Search):
                result = memory_set.search(step.query, step.limit)
            else:
                result = memory_set.replace(step.summaries)
        except Exception as failure:  # noqa: BLE001 (the work decides)
            error = failure


async def aperform(ctx: RunnerContext, memory_set: CompactableSet, work: Work[T]) -> T:
    """The awaitable form of `perform`."""
    result, error = None, None
    while True:
        try:
            step = work.send(result) if error is None else work.throw(error)
        except StopIteration as end:
            return cast("T", end.value)
        result, error = None, None
        try:
            if isinstance(step, Record):
                result = await ctx.durable_execute_async(OnRecord(step.value), *step.labels)
            elif isinstance(step, Ask):
                setup, messages, more = _question(ctx, memory_set.name, step)
                result = await setup.achat(messages, **more)
            elif isinstance(step, Search):
                result = await memory_set.asearch(step.query, step.limit)
            else:
                result = await memory_set.areplace(step.summaries)
        except Exception as failure:  # noqa: BLE001 (the work decides)
            error = failure


def _question(
    ctx: RunnerContext, set_name: str, step: Ask
) -> tuple[BaseChatModelSetup, list[ChatMessage], dict[str, Any]]:
    """The model, with its calls counted for the set, and what it is called with."""
    group = set_metrics(ctx, set_name)
    setup = cast("BaseChatModelSetup", ctx.get_resource(step.model, ResourceType.CHAT_MODEL, group))
    if setup.retry is None and ctx.config.get(PoolOptions.CALL_ATTEMPTS) == 1:
        setup.with_retry(step.policy)
    if step.schema is None:
        return setup, step.messages, {}
    if setup.takes_schema:
        return setup, step.messages, {"output_schema": step.schema}
    return setup, with_schema(step.messages, step.schema), {}
