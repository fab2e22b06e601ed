"""`chat_model_action`: serves requests to chat models, and goes on when their tools have answered.

A model that asks for tools gets a `ToolRequestEvent`, served by another built-in action; its
response comes back here, and the model is asked again, with all that was said before. That is the
conversation: it is in sensory memory, under the names that Flink Agents has for it, until the model
answers without asking for tools, or has been asked `chat.max-turns` times.

Each call of the model is a durable call, so a run that is carried on after a crash asks for nothing
again that is on record.
"""

from __future__ import annotations

import logging
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ..config.agent_options import AgentExecutionOptions, ErrorHandlingStrategy
from ..errors import TamiasError
from ..resources.chat_message import ChatMessage, MessageRole
from ..resources.model_errors import (
    AuthFailed,
    BadRequest,
    BudgetExceeded,
    ContextTooLong,
)
from ..resources.resource import ResourceType
from ..waiting.retry import RetryPolicy
from .events import (
    ChatErrorEvent,
    ChatRequestEvent,
    ChatResponseEvent,
    ToolRequestEvent,
    ToolResponseEvent,
)
from .turn_limit import TurnLimitError

if TYPE_CHECKING:
    from uuid import UUID

    from ..context import RunnerContext
    from ..event import Event
    from ..models.chat_model import BaseChatModelSetup

__all__ = ["REPORTS_ERRORS", "chat_model_action"]

logger = logging.getLogger("tamias.chat")

REPORTS_ERRORS: Final = "reports_errors"
"""The action's setting: whether an action of the agent listens to `ChatErrorEvent`."""

_MESSAGES: Final = "_TOOL_CALL_CONTEXT"
"""In sensory memory: by the id of a request, all that was said."""
_REQUESTS: Final = "_TOOL_REQUEST_EVENT_CONTEXT"
"""In sensory memory: by the id of a request of tools, the conversation that it belongs to."""
_ID_BYTES: Final = 12
_USELESS: Final = (AuthFailed, BadRequest, BudgetExceeded, ContextTooLong)
"""Errors that another attempt would not change."""


class _Conversation(NamedTuple):
    """A conversation with a chat model for one request."""

    request_id: UUID
    model: str
    messages: list[ChatMessage]
    prompt_args: dict[str, Any] | None
    output_schema: Any
    turn: int = 0
    """How often the model was asked."""
    retries: int = 0
    """How often calls of it were tried again."""
    waited: float = 0.0
    """The seconds that the settings have asked to wait for that."""


async def chat_model_action(event: Event, ctx: RunnerContext) -> None:
    """Ask a chat model: for a request, or with the results of the tools that it has asked for."""
    conversation = _conversation_of(event, ctx)
    if conversation is None:
        return
    try:
        await _ask(conversation, ctx)
    except Exception as error:
        if not _is_of_the_model(error):
            raise
        _fail(conversation, ctx, error)


def _conversation_of(event: Event, ctx: RunnerContext) -> _Conversation | None:
    """The conversation that an event begins, or goes on with; None for tools of another one."""
    if event.get_type() == ChatRequestEvent.EVENT_TYPE:
        request = ChatRequestEvent.from_event(event)
        return _Conversation(
            request.id,
            request.model,
            list(request.messages),
            request.prompt_args,
            request.output_schema,
        )
    response = ToolResponseEvent.from_event(event)
    requests = dict(ctx.sensory_memory.get(_REQUESTS) or {})
    known = requests.pop(str(response.request_id), None)
    if known is None:
        return None
    ctx.sensory_memory.set(_REQUESTS, requests)
    said = dict(ctx.sensory_memory.get(_MESSAGES) or {})
    messages = [*said.pop(str(known["initial_request_id"])), *_results(response)]
    ctx.sensory_memory.set(_MESSAGES, said)
    return _Conversation(
        known["initial_request_id"],
        known["model"],
        messages,
        known["prompt_args"],
        known["output_schema"],
        known["turn"],
        known.get("retries", 0),
        known.get("waited", 0.0),
    )


def _results(response: ToolResponseEvent) -> list[ChatMessage]:
    """The messages that tell the model what its tools have returned."""
    if response.messages is not None:
        return list(response.messages)
    messages = []
    for call, result in response.responses.items():
        has_failed = not response.success.get(call, True)
        text = response.error.get(call, str(result)) if has_failed else str(result)
        extra = {"external_id": response.external_ids.get(call) or call}
        messages.append(ChatMessage(role=MessageRole.TOOL, content=text, extra_args=extra))
    return messages


async def _ask(conversation: _Conversation, ctx: RunnerContext) -> None:
    """Ask the model once more, and send what follows."""
    setup = cast(
        "BaseChatModelSetup", ctx.get_resource(conversation.model, ResourceType.CHAT_MODEL)
    )
    config = ctx.config
    attempts = None
    if config.get(AgentExecutionOptions.ERROR_HANDLING_STRATEGY) is ErrorHandlingStrategy.RETRY:
        attempts = config.get(AgentExecutionOptions.MAX_RETRIES) + 1
        wait = config.get(AgentExecutionOptions.RETRY_WAIT_INTERVAL)
        setup.with_retry(RetryPolicy(attempts, wait=wait, jitter=0, give_up_on=_USELESS))
    answer = await setup.answer(
        conversation.messages,
        conversation.prompt_args,
        conversation.output_schema,
        output_attempts=attempts,
    )
    failed = setup.failed_attempts
    wait = config.get(AgentExecutionOptions.RETRY_WAIT_INTERVAL) if attempts else 0.0
    turn = conversation.turn + 1
    conversation = conversation._replace(
        turn=turn,
        retries=conversation.retries + failed,
        waited=conversation.waited + wait * (2**failed - 1),
    )
    if not answer.tool_calls:
        response = ChatResponseEvent(
            request_id=conversation.request_id,
            response=answer,
            retry_count=conversation.retries,
            total_retry_wait_sec=conversation.waited,
        )
        ctx.send_event(response)
        return
    if turn >= (limit := config.get(AgentExecutionOptions.MAX_TURNS)):
        names = ", ".join(sorted({_name(call) for call in answer.tool_calls}))
        raise TurnLimitError(
            f"The chat model {conversation.model!r} was asked {turn} times, and asks for tools"
            f" still: {names}.",
            hint="It may be in a circle; if it is not, raise the option chat.max-turns"
            f" (now {limit}).",
        )
    _request_tools(conversation, answer, ctx)


def _request_tools(conversation: _Conversation, answer: ChatMessage, ctx: RunnerContext) -> None:
    """Send a request for the tools that an answer asks for, and remember whom it is for."""
    calls = [_identified(call, conversation, place) for place, call in enumerate(answer.tool_calls)]
    if answer.raw is None:
        calls = _told_apart(calls)
    answer = answer.model_copy(update={"tool_calls": calls})
    said = dict(ctx.sensory_memory.get(_MESSAGES) or {})
    said[str(conversation.request_id)] = [*conversation.messages, answer]
    ctx.sensory_memory.set(_MESSAGES, said)
    request = ToolRequestEvent(model=conversation.model, tool_calls=calls)
    requests = dict(ctx.sensory_memory.get(_REQUESTS) or {})
    requests[str(request.id)] = {
        "initial_request_id": conversation.request_id,
        "model": conversation.model,
        "prompt_args": conversation.prompt_args,
        "output_schema": conversation.output_schema,
        "turn": conversation.turn,
        "retries": conversation.retries,
        "waited": conversation.waited,
    }
    ctx.sensory_memory.set(_REQUESTS, requests)
    ctx.send_event(request)


def _identified(call: dict[str, Any], conversation: _Conversation, place: int) -> dict[str, Any]:
    """A call of a tool with its id: derived, so it is the same in each replay."""
    digest = blake2b(digest_size=_ID_BYTES)
    digest.update(f"{conversation.request_id}:{conversation.turn}:{place}".encode())
    own = f"call_{digest.hexdigest()}"
    original = call.get("original_id") or call.get("id") or own
    return {**call, "type": "function", "id": own, "original_id": original}


def _told_apart(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls whose ids a service has given twice: the later ones get our own.

    The service refuses a request in which two results have the same id.
    """
    known: set[str] = set()
    told_apart = []
    for call in calls:
        is_new = call["original_id"] not in known
        known.add(call["original_id"])
        told_apart.append(call if is_new else {**call, "original_id": call["id"]})
    return told_apart


def _name(call: dict[str, Any]) -> str:
    return str(call.get("function", {}).get("name"))


# ------------------------------------------------------------------ failures


def _is_of_the_model(error: Exception) -> bool:
    """Whether an exception is what came of a call, and not about the agent or about tamias."""
    return error.is_outcome if isinstance(error, TamiasError) else True


def _fail(conversation: _Conversation, ctx: RunnerContext, error: Exception) -> None:
    """Do what the settings say about a failure.

    Raises:
        Exception: the error itself, if the run is to fail.
    """
    strategy = ctx.config.get(AgentExecutionOptions.ERROR_HANDLING_STRATEGY)
    if strategy is ErrorHandlingStrategy.IGNORE:
        ctx.action_metric_group.get_counter("ignoredErrors").inc()
        logger.warning(
            "the chat model %r has failed, and has no response: %s", conversation.model, error
        )
        return
    # What is temporary is tried again with the run, unless it was tried here.
    is_temporary = getattr(error, "is_temporary", True)
    is_last = strategy is ErrorHandlingStrategy.RETRY or not is_temporary
    if not ctx.get_action_config_value(REPORTS_ERRORS) or not is_last:
        raise error
    failure = ChatErrorEvent(
        request_id=conversation.request_id,
        model=conversation.model,
        error=type(error).__name__,
        message=str(error),
    )
    ctx.send_event(failure)
