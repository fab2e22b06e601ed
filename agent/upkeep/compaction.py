"""Compaction: a chat model's summaries take the place of the oldest items of a full memory set.

*In a run of its own.* The add that fills a set calls `request`: a timer of the run's key, which
comes at once, so it is set with the run's commit and arrives once. The run of its event asks the
model, and its commit replaces the items. It is a durable call, so a crash before the commit repeats
the commit and not the call.

*In place.* An input of the key may come before that run. If it adds to the set, that is compacted
first, in the run of the input (`make_room`). So a set never exceeds its capacity by more than what
one run adds.

No item goes without a summary that stands for it: what the model leaves out stays. If nothing of an
answer can be used, the model is asked once more; then the set is left as it is, and `make_room`
returns False: the caller evicts.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ..errors import TimerError
from ..long_term.compactable import Summary
from ..long_term.events import MemoryCompactionEvent
from ..resources.chat_message import ChatMessage, MessageRole
from ..resources.model_errors import ContextTooLong
from ..resources.resource import ResourceType
from .failures import is_of_the_model, reason_of
from .set_metrics import set_metrics
from .steps import PATIENT, STUBBORN, Ask, OnRecord, Record, Replace, aperform, perform
from .summaries import (
    SourceText,
    UnusableAnswerError,
    again,
    common_metadata,
    question,
    shown,
    tokens_of,
    topics_in,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..context import RunnerContext
    from ..event import Event
    from ..long_term.compactable import CompactableSet
    from ..long_term.memory_set import CompactionConfig, MemorySetItem
    from ..resources.prompt import Prompt
    from ..waiting.retry import RetryPolicy
    from .steps import Work
    from .summaries import Topic

__all__ = ["amake_room", "compact_on_event", "make_room", "request"]

_FEWEST: Final = 2
"""Items that one summary stands for, at least."""
_MOST_ROUNDS: Final = 10
"""Questions that one compaction asks, if each has helped and the set is full still."""


# -- when -------------------------------------------------------------------------------------


def request(ctx: RunnerContext, memory_set: CompactableSet) -> None:
    """Have a set compacted in a run of its own, unless that is requested already.

    A sub-agent has no timers: its sets are compacted by the next add, with its own models.
    """
    name, shared = memory_set.name, memory_set.shared
    event = MemoryCompactionEvent(memory_set=name, shared=shared)
    with suppress(TimerError):
        ctx.schedule(after=0, event=event, id=_timer_id(name, shared=shared))


def make_room(ctx: RunnerContext, memory_set: CompactableSet, first_id: str) -> bool:
    """Compact a set that was full before this run, for an add. Return whether it has room now.

    Args:
        ctx: the context of the action.
        memory_set: the set; one without a `compaction_config` is left as it is.
        first_id: the id of the first item that is to be added.
    """
    if memory_set.compaction_config is None:
        return True
    labels = "memory-compaction", memory_set.name, memory_set.shared, first_id
    if not _is_due(ctx, memory_set, labels):
        return True
    has_room = perform(ctx, memory_set, _compaction(ctx, memory_set, labels, in_place=True))
    _cancel(ctx, memory_set)
    return has_room


async def amake_room(ctx: RunnerContext, memory_set: CompactableSet, first_id: str) -> bool:
    """The awaitable form of `make_room`."""
    if memory_set.compaction_config is None:
        return True
    labels = "memory-compaction", memory_set.name, memory_set.shared, first_id
    async with memory_set.lock:  # of tasks that add at the same time, one compacts
        if not _is_due(ctx, memory_set, labels):
            return True
        has_room = await aperform(
            ctx, memory_set, _compaction(ctx, memory_set, labels, in_place=True)
        )
        _cancel(ctx, memory_set)
        return has_room


async def compact_on_event(event: Event, ctx: RunnerContext) -> None:
    """Compact the set that the event names."""
    request_event = MemoryCompactionEvent.from_event(event)
    name, shared = request_event.memory_set, request_event.shared
    memory_set: Any = ctx.long_term_memory.get_memory_set(name, shared=shared)
    labels = "memory-compaction", name, shared, ""
    async with memory_set.lock:
        if memory_set.compaction_config is not None and _is_due(ctx, memory_set, labels):
            work = _compaction(ctx, memory_set, labels, in_place=False)
            await aperform(ctx, memory_set, work)


def _is_due(ctx: RunnerContext, memory_set: CompactableSet, labels: tuple[Any, ...]) -> bool:
    """Whether a set is to be compacted now, or was at the first execution of this action."""
    is_full = memory_set.was_full and memory_set.is_full
    return is_full or ctx.is_on_record(OnRecord(), *labels, 0)


def _timer_id(name: str, *, shared: bool) -> str:
    return f"memory-compaction:{'shared:' if shared else ''}{name}"


def _cancel(ctx: RunnerContext, memory_set: CompactableSet) -> None:
    with suppress(TimerError):  # of a sub-agent
        ctx.cancel(_timer_id(memory_set.name, shared=memory_set.shared))


# -- how --------------------------------------------------------------------------------------


class _Plan(NamedTuple):
    """What is to be summarised."""

    limit: int
    """Topics, at most."""
    sources: list[SourceText]


def _compaction(
    ctx: RunnerContext, memory_set: CompactableSet, labels: tuple[Any, ...], *, in_place: bool
) -> Work[bool]:
    """Have the oldest items summarised until the set has room. Return whether it has.

    Raises:
        Exception: in place, the model cannot be asked for the moment; or it is not about the model.
    """
    config = memory_set.compaction_config
    assert config is not None  # noqa: S101 (the callers have seen to it)
    tokens = config.tokens_per_call
    reason: Exception | None = None
    for number in range(_MOST_ROUNDS):
        read = _read(memory_set, config, tokens)
        recorded = yield Record((*labels, number), read)
        if recorded is None:
            break
        plan = _Plan(recorded[0], [SourceText(*source) for source in recorded[1]])
        try:
            topics = yield from _ask(ctx, config, plan, STUBBORN if in_place else PATIENT)
            yield Replace(_summaries(memory_set, plan.sources, topics))
        except ContextTooLong as error:
            tokens = sum(tokens_of(source.text) for source in plan.sources) // 2
            reason = error
            continue
        except Exception as error:
            if not _leaves_the_set(error, in_place=in_place):
                raise
            reason = error
            break
        reason = None
        counters = set_metrics(ctx, memory_set.name)
        counters.get_counter("compactions").inc()
        counters.get_counter("compactedItems").inc(sum(len(topic.positions) for topic in topics))
    if reason is not None:
        _report(ctx, memory_set, reason, config.model)
    return not memory_set.is_full


def _read(
    memory_set: CompactableSet, config: CompactionConfig, tokens: int
) -> tuple[int, list[tuple[str, str, str]]] | None:
    """What the next question is about, as plain data for the record; None for nothing.

    That are the oldest items, as many as the model is to get in one call. An item that is too large
    for a call stays as it is.
    """
    if not memory_set.is_full:
        return None
    sources: list[tuple[str, str, str]] = []
    items = memory_set.own_items()
    if sum(item.keep for item in items) >= memory_set.capacity:
        return None
    for item in sorted((item for item in items if not item.keep), key=_begin):
        text = shown(item.value)
        needed = tokens_of(text)
        if needed > config.tokens_per_call:
            continue
        if needed > tokens:
            break
        tokens -= needed
        sources.append((item.id, f"{_begin(item):%Y-%m-%d}", text))
    if len(sources) < _FEWEST:
        return None
    limit = min(config.limit, memory_set.capacity - 1, len(sources) // _FEWEST)
    return max(limit, 1), sources


def _begin(item: MemorySetItem) -> datetime:
    created = item.created_time
    return created if isinstance(created, datetime) else created.start


def _ask(
    ctx: RunnerContext, config: CompactionConfig, plan: _Plan, policy: RetryPolicy
) -> Work[list[Topic]]:
    """Ask the model, once more if its answer cannot be used.

    Raises:
        UnusableAnswerError: neither can be used.
    """
    messages = question(plan.sources, plan.limit, _prompt(ctx, config))
    answer = yield Ask(config.model, messages, policy)
    try:
        return topics_in(answer, plan.sources, plan.limit)
    except UnusableAnswerError as error:
        messages = again(messages, answer, str(error))
    answer = yield Ask(config.model, messages, policy)
    return topics_in(answer, plan.sources, plan.limit)


def _prompt(ctx: RunnerContext, config: CompactionConfig) -> Prompt | None:
    if isinstance(config.prompt, str):
        return cast("Prompt", ctx.get_resource(config.prompt, ResourceType.PROMPT))
    return config.prompt


def _summaries(
    memory_set: CompactableSet, sources: Sequence[SourceText], topics: Sequence[Topic]
) -> list[Summary]:
    """The items that take the place of others, as far as those are what they were.

    While the model was asked, other tasks of the action may have changed some.
    """
    there = {item.id: item for item in memory_set.own_items()}
    summaries = []
    for topic in topics:
        named = [sources[position] for position in topic.positions]
        items = tuple(
            there[source.id]
            for source in named
            if source.id in there and shown(there[source.id].value) == source.text
        )
        if items:
            is_message = memory_set.item_type is ChatMessage
            value: Any = (
                ChatMessage(role=MessageRole.USER, content=topic.text) if is_message else topic.text
            )
            summaries.append(
                Summary(value, items, common_metadata([item.additional_metadata for item in items]))
            )
    return summaries


# -- when it fails ----------------------------------------------------------------------------


def _leaves_the_set(error: Exception, *, in_place: bool) -> bool:
    """Whether a failure leaves the set as it is; otherwise the run fails.

    What is wrong with a model is no reason to keep inputs of the key from being worked on. Where
    room has to be made at once, it is, if another attempt may succeed: else items would be lost.
    """
    return is_of_the_model(error) and not (in_place and getattr(error, "is_temporary", True))


def _report(ctx: RunnerContext, memory_set: CompactableSet, error: Exception, model: str) -> None:
    set_metrics(ctx, memory_set.name).get_counter("failedCompactions").inc()
    ctx.notice(
        f"the memory set {memory_set.name!r} is full and was not made smaller;"
        f" {reason_of(error, model)}"
    )
