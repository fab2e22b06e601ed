"""As `flink_agents.plan.actions.chat_model_action` of Flink Agents.

In contexts of tamias its own action serves requests, with models that are its own. What is here
besides does the same for any other context, with nothing but what Flink Agents' contexts have.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from tamias import (
    STRUCTURED_OUTPUT,
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    ErrorHandlingStrategy,
    Event,
    MessageRole,
    OutputSchema,
    ResourceType,
    RunnerContext,
    ToolRequestEvent,
    ToolResponseEvent,
)
from tamias.agent.chat.built_in import chat_model_action

from ...api.core_options import AgentExecutionOptions
from ...api.trace import (
    ExecutionEntityTypes,
    ExecutionProblemCategories,
    ExecutionReporters,
    LLMExecutionMetadataKeys,
)
from .action import built_in

__all__ = ["CHAT_MODEL_ACTION", "chat", "process_chat_request_or_tool_response"]

_logger = logging.getLogger(__name__)

_TOOL_CALL_CONTEXT: Final = "_TOOL_CALL_CONTEXT"
_TOOL_REQUEST_EVENT_CONTEXT: Final = "_TOOL_REQUEST_EVENT_CONTEXT"
_RETRIES: Final = "_RETRY_STATS_CONTEXT"
_FENCE: Final = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)


async def process_chat_request_or_tool_response(event: Event, ctx: RunnerContext) -> None:
    """Ask a chat model: for a request, or with the results of the tools that it has asked for."""
    if isinstance(ctx, RunnerContext):
        await chat_model_action(event, ctx)
    elif event.get_type() == ChatRequestEvent.EVENT_TYPE:
        request = ChatRequestEvent.from_event(event)
        given = (request.prompt_args, request.output_schema)
        await chat(request.id, request.model, request.messages, *given, ctx)
    else:
        await _go_on(ToolResponseEvent.from_event(event), ctx)


async def _go_on(response: ToolResponseEvent, ctx: Any) -> None:
    known = _get_tool_request_event_context(ctx.sensory_memory, response.request_id)
    if not known:
        return
    external = response.external_ids or {}
    results = [
        ChatMessage(
            role=MessageRole.TOOL,
            content=str(result),
            extra_args={"external_id": external[call]} if external.get(call) else {},
        )
        for call, result in response.responses.items()
    ]
    request_id = known["initial_request_id"]
    said = _update_tool_call_context(ctx.sensory_memory, request_id, None, results)
    given = (known["prompt_args"], known["output_schema"])
    await chat(request_id, known["model"], said, *given, ctx)


async def chat(  # noqa: PLR0917 (as in Flink Agents)
    initial_request_id: UUID,
    model: str,
    messages: Sequence[ChatMessage],
    prompt_args: dict[str, Any] | None,
    output_schema: OutputSchema | None,
    ctx: Any,
) -> None:
    """Ask a model, and send its response, or a request of the tools that it asks for."""
    setup = ctx.get_resource(model, ResourceType.CHAT_MODEL)
    strategy = ctx.config.get(AgentExecutionOptions.ERROR_HANDLING_STRATEGY)
    retries, interval = 0, 0
    if strategy == ErrorHandlingStrategy.RETRY:
        retries = max(0, ctx.config.get(AgentExecutionOptions.MAX_RETRIES))
        interval = max(0, ctx.config.get(AgentExecutionOptions.RETRY_WAIT_INTERVAL) or 0)
    failed = 0
    waited: float = 0
    response: ChatMessage | None = None
    while response is None:
        try:
            answer = await _answer(setup, model, messages, prompt_args, ctx)
            if output_schema is not None and not answer.tool_calls:
                _parse(answer, output_schema, ctx)
            response = answer
        except Exception as error:
            if strategy == ErrorHandlingStrategy.IGNORE:
                _logger.warning("the chat model %r has failed, ignored: %s", model, error)
                return
            if failed >= retries:
                raise
            wait = interval * 2**failed
            failed += 1
            _logger.warning("the chat model %r has failed, retry %d: %s", model, failed, error)
            waited += wait
            await asyncio.sleep(wait)
    count, seconds = _add_retries(ctx.sensory_memory, initial_request_id, failed, waited)
    if failed and ctx.action_metric_group is not None:
        group = ctx.action_metric_group.get_sub_group("model", setup.connection)
        group.get_counter("retryCount").inc(failed)
        group.get_counter("retryWaitSec").inc(waited)
    if response.tool_calls:
        given = (list(messages), prompt_args, output_schema)
        _request_tools(initial_request_id, model, response, given, ctx)
        return
    ctx.send_event(
        ChatResponseEvent(
            request_id=initial_request_id,
            response=response,
            retry_count=count,
            total_retry_wait_sec=seconds,
        )
    )


async def _answer(
    setup: Any,
    model: str,
    messages: Sequence[ChatMessage],
    prompt_args: dict[str, Any] | None,
    ctx: Any,
) -> ChatMessage:
    entity = (ExecutionEntityTypes.LLM, model, {LLMExecutionMetadataKeys.MODEL: setup.model})
    ExecutionReporters.started(ctx, *entity)
    try:
        if ctx.config.get(AgentExecutionOptions.CHAT_ASYNC):
            call = ctx.durable_execute_async(setup.chat, messages, prompt_args=prompt_args)
            response: ChatMessage | None = await call
        else:
            response = ctx.durable_execute(setup.chat, messages, prompt_args=prompt_args)
        response = _given(response, model)
    except Exception as error:
        problem = ExecutionProblemCategories.MODEL_CALL_FAILED
        ExecutionReporters.failed(ctx, *entity, error, problem)
        raise
    ExecutionReporters.succeeded(ctx, *entity)
    return response


def _given(response: ChatMessage | None, model: str) -> ChatMessage:
    if response is None:
        msg = f"The chat model {model!r} returned a null response."
        raise ValueError(msg)
    return response


def _parse(response: ChatMessage, output_schema: OutputSchema, ctx: Any) -> None:
    """Put the value that the text is into the message."""
    entity = (ExecutionEntityTypes.PARSER, STRUCTURED_OUTPUT)
    ExecutionReporters.started(ctx, *entity)
    try:
        value = output_schema.parse(_clean_llm_response(response.content))
    except Exception as error:
        problem = ExecutionProblemCategories.MODEL_OUTPUT_PARSE_ERROR
        ExecutionReporters.failed(ctx, *entity, {}, error, problem)
        raise
    ExecutionReporters.succeeded(ctx, *entity)
    response.extra_args[STRUCTURED_OUTPUT] = value


def _clean_llm_response(raw_response: str) -> str:
    """The inside of a fence, if the text is one."""
    text = raw_response.strip()
    fenced = _FENCE.match(text)
    return fenced[1] if fenced else text


def _request_tools(
    request_id: UUID, model: str, response: ChatMessage, given: tuple[Any, Any, Any], ctx: Any
) -> None:
    messages, prompt_args, output_schema = given
    memory = ctx.sensory_memory
    _update_tool_call_context(memory, request_id, messages, [response])
    request = ToolRequestEvent(model=model, tool_calls=response.tool_calls)
    _save_tool_request_event_context(
        memory, request.id, request_id, model, prompt_args, output_schema
    )
    ctx.send_event(request)


# What is in sensory memory is plain data, and under names that programs may look up.


def _update_tool_call_context(
    sensory_memory: Any,
    initial_request_id: UUID,
    initial_messages: Sequence[ChatMessage] | None,
    added_messages: Sequence[ChatMessage],
) -> list[ChatMessage]:
    """Note what was said for a request; returns all of it."""
    known = dict(sensory_memory.get(_TOOL_CALL_CONTEXT) or {})
    key = str(initial_request_id)
    said = known.get(key)
    if said is None:
        said = [each.model_dump(mode="json") for each in initial_messages or ()]
    known[key] = [*said, *(each.model_dump(mode="json") for each in added_messages)]
    sensory_memory.set(_TOOL_CALL_CONTEXT, known)
    return [ChatMessage.model_validate(each) for each in known[key]]


def _save_tool_request_event_context(  # noqa: PLR0917 (as in Flink Agents)
    sensory_memory: Any,
    tool_request_event_id: UUID,
    initial_request_id: UUID,
    model: str,
    prompt_args: dict[str, Any] | None,
    output_schema: OutputSchema | None,
) -> None:
    """Note whom a request of tools is for."""
    known = dict(sensory_memory.get(_TOOL_REQUEST_EVENT_CONTEXT) or {})
    known[str(tool_request_event_id)] = {
        "initial_request_id": str(initial_request_id),
        "model": model,
        "prompt_args": prompt_args or {},
        "output_schema": None if output_schema is None else output_schema.model_dump(),
    }
    sensory_memory.set(_TOOL_REQUEST_EVENT_CONTEXT, known)


def _get_tool_request_event_context(sensory_memory: Any, request_id: UUID) -> dict[str, Any]:
    """Whom a request of tools was for; empty if that is not known."""
    known = (sensory_memory.get(_TOOL_REQUEST_EVENT_CONTEXT) or {}).get(str(request_id))
    if known is None:
        return {}
    schema = known["output_schema"]
    return {
        **known,
        "initial_request_id": UUID(known["initial_request_id"]),
        "output_schema": None if schema is None else OutputSchema.model_validate(schema),
    }


def _add_retries(
    sensory_memory: Any, initial_request_id: UUID, count: int, seconds: float
) -> tuple[int, float]:
    """How often was tried again for a request, and for how long was waited, with this."""
    known = dict(sensory_memory.get(_RETRIES) or {})
    key = str(initial_request_id)
    before = known.get(key) or {"total_retry_count": 0, "total_retry_wait_sec": 0}
    count += before["total_retry_count"]
    seconds += before["total_retry_wait_sec"]
    if count:
        known[key] = {"total_retry_count": count, "total_retry_wait_sec": seconds}
        sensory_memory.set(_RETRIES, known)
    return count, seconds


CHAT_MODEL_ACTION: Final = built_in(
    "chat_model_action", process_chat_request_or_tool_response, ChatRequestEvent, ToolResponseEvent
)
