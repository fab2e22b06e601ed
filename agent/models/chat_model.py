"""Chat models: the connection to a service, and setups of it for particular conversations.

A connection knows where the service is and how to speak to it; a setup names a connection, a
prompt, tools and parameters. Several setups may share a connection. A class of one's own needs
``chat`` of a connection, and ``model_kwargs`` of a setup.

Every ``chat`` has an awaitable form, ``achat``, so that other keys go on meanwhile. By default it
runs ``chat`` in a thread; a connection that can do better overrides it.

Each call of a setup that an action has from its context is a durable call (`DurableResource`).
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from pydantic import BaseModel, Field, PrivateAttr, field_validator

from ..errors import AgentDefinitionError
from ..limits.limited_call import Route
from ..mcp.recorded import find_tools, prompt_messages
from ..naming.public import public
from ..resources.chat_message import ChatDelta, ChatMessage, MessageRole
from ..resources.prompt import Prompt, notice_unfilled
from ..resources.resource import Resource, ResourceType
from ..skills.skill_tools import OfferedSkills
from ..waiting.retry import RetryPolicy
from ..waiting.threads import call_in_thread
from .chat_call import (
    ChatCall,
    ChatRequest,
    ConnectionRoute,
    OutputStrategy,
    ToolMode,
    count_tokens,
)
from .durable_resource import DurableResource, declared_name, own_durability
from .instructions import with_schema
from .output_conversation import OutputConversation
from .output_schema import OutputSchema

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..skills.skill_set import BaseSkills
    from ..tools.tool import Tool

__all__ = ["BaseChatModelConnection", "BaseChatModelSetup"]


class _CountsTokens(Resource, ABC):
    """Reports how many tokens a model has taken and given."""

    def _record_token_metrics(
        self, model_name: str, prompt_tokens: int, completion_tokens: int
    ) -> None:
        """Add to the model's counters ``promptTokens`` and ``completionTokens``."""
        if self.metric_group is not None:
            count_tokens(self.metric_group, model_name, prompt_tokens, completion_tokens)


@public
class BaseChatModelConnection(_CountsTokens, ABC):
    """The way to a service that has chat models."""

    DEFAULT_REASONING_PATTERNS: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"<think>(.*?)</think>", re.DOTALL | re.IGNORECASE),
        re.compile(r"<analysis>(.*?)</analysis>", re.DOTALL | re.IGNORECASE),
        re.compile(r"<reasoning>(.*?)</reasoning>", re.DOTALL | re.IGNORECASE),
        re.compile(r"```(?:think|thought|reasoning)[ \t]*\n(.*?)\n```", re.DOTALL | re.IGNORECASE),
        re.compile(r"(?:^|\n)Reasoning:[ \t]*(.*?)(?:\n{2,}|$)", re.DOTALL | re.IGNORECASE),
    )

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.CHAT_MODEL_CONNECTION`."""
        return ResourceType.CHAT_MODEL_CONNECTION

    @abstractmethod
    def chat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The model's answer to a conversation.

        ``tools`` are those that it may ask for; ``kwargs`` are for the service: ``model``,
        ``temperature``. A connection that `supports_native_structured_output` has a parameter
        ``output_schema``, too: the JSON schema that the answer's content is to match, a dict, or
        None.

        Raises `ModelError`, whose classes say what may be done about it.
        """

    async def achat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        return await call_in_thread(partial(self.chat, messages, tools, **kwargs))

    async def astream(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatDelta]:
        """The answer, bit by bit; the last one has the whole ``message``.

        Unless a connection overrides it, there is one, with all of the answer.
        """
        message = await self.achat(messages, tools, **kwargs)
        yield ChatDelta(text=message.content, reasoning=message.reasoning or "", message=message)

    def supports_native_structured_output(self, model: str | None = None) -> bool:  # noqa: ARG002
        """Whether `chat` takes an ``output_schema``, and the service sees to it, for a model."""
        return False

    @staticmethod
    def _extract_reasoning(
        content: str, patterns: Sequence[re.Pattern[str]] = DEFAULT_REASONING_PATTERNS
    ) -> tuple[str, str | None]:
        """What a model says, without its thoughts, and the thoughts."""
        thoughts: list[str] = []
        for pattern in patterns:
            thoughts += pattern.findall(content)
            content = pattern.sub("", content)
        content = re.sub(r" {2,}", " ", re.sub(r"\n{3,}", "\n\n", content)).strip()
        return content, "\n\n".join(filter(None, map(str.strip, thoughts))) or None


@public
class BaseChatModelSetup(_CountsTokens, DurableResource, ABC):
    """A chat model as an agent uses it: with a prompt, tools and parameters.

    ``fallbacks`` are connections that are asked in place of the first one when that is overloaded
    or cannot be reached: names, mappings with ``connection`` and ``model``, or with the name of
    another ``setup``, whose parameters hold then. With ``tool_mode="schema"`` a model without
    native tools is told them in words, and answers with a call or with its answer.
    ``output_strategy`` says how an answer is made to match a schema: by the service ("native"), in
    words ("prompt"), or whichever will do ("auto"); an answer that does not is asked for again,
    ``output_attempts`` times in all. What its model may run for ``skills``, besides what they
    allow themselves, is in ``allowed_commands`` and ``allowed_script_dirs``. ``retry`` is the
    policy of its durable calls, in place of the job's; ``timeout`` limits each attempt, in seconds.
    """

    _DURABLE: ClassVar[dict[str, str]] = {"chat": "achat"}
    _ANSWER: ClassVar[type[BaseModel] | None] = ChatMessage

    connection: str = Field(description="Name of the connection.")
    # None, and no empty text: texts tell the durable calls of its methods apart, also old ones.
    model: str | None = Field(default=None, description="Name of the model, for the service.")
    prompt: Prompt | str | None = None
    tools: list[str] | None = None
    skills: list[str] | None = None
    allowed_commands: list[str] = Field(default_factory=list)
    allowed_script_dirs: list[str] = Field(default_factory=list)
    fallbacks: list[str | dict[str, str]] = Field(default_factory=list)
    tool_mode: ToolMode = ToolMode.NATIVE
    output_strategy: OutputStrategy = OutputStrategy.AUTO
    output_attempts: int = Field(default=2, ge=1)
    retry: Any = Field(default=None, description="A RetryPolicy, or a mapping of its arguments.")
    timeout: float | None = Field(default=None, gt=0)

    _retry: Any = PrivateAttr(default=None)
    _listed_tools: Any = PrivateAttr(default=None)

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.CHAT_MODEL`."""
        return ResourceType.CHAT_MODEL

    @field_validator("retry")
    @classmethod
    def _policy(cls, value: Any) -> RetryPolicy | None:
        return None if value is None else RetryPolicy.of(value)

    @classmethod
    def references(cls, arguments: Mapping[str, Any]) -> list[tuple[ResourceType, str]]:
        """The connection, its fallbacks, the prompt and the tools."""
        connection = ResourceType.CHAT_MODEL_CONNECTION
        named: list[tuple[ResourceType, Any]] = [(connection, arguments.get("connection"))]
        named.append((ResourceType.PROMPT, arguments.get("prompt")))
        for fallback in arguments.get("fallbacks") or ():
            given = fallback if isinstance(fallback, Mapping) else {"connection": fallback}
            named.append((connection, given.get("connection")))
            named.append((ResourceType.CHAT_MODEL, given.get("setup")))
        named += [(ResourceType.TOOL, tool) for tool in arguments.get("tools") or ()]
        return [(kind, name) for kind, name in named if isinstance(name, str) and name]

    @property
    @abstractmethod
    def model_kwargs(self) -> dict[str, Any]:
        """The parameters that each call of the connection gets."""

    @property
    def takes_schema(self) -> bool:
        """Whether `chat` takes an ``output_schema``: one that a class has overridden may not."""
        own = type(self)
        return own.chat is BaseChatModelSetup.chat and own.achat is BaseChatModelSetup.achat

    @own_durability
    def chat(
        self,
        messages: Sequence[ChatMessage],
        prompt_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The model's answer to a conversation.

        The prompt comes first, filled in with ``prompt_args``, or without them with the
        ``extra_args`` of the messages; messages of users and systems without content are there for
        their ``extra_args`` only. ``kwargs`` take precedence over `model_kwargs`. With
        ``output_schema=`` (see `OutputSchema`) the answer's ``extra_args["structured_output"]`` is
        the value.

        Raises `AgentDefinitionError` when the agent has no such connection, prompt or tool;
        `OutputParseError` when the answer does not match the schema; `ModelError` as the connection
        does.
        """
        given = kwargs.pop("output_schema", None)
        schema = None if given is None else OutputSchema(given)
        prompted = self.prompted(messages, prompt_args)
        conversation = OutputConversation(prompted, schema, self.output_attempts, self._context)
        while True:
            call = self._chat_call(conversation.messages, schema, kwargs)
            answer = conversation.take(self._make(call, **self._call_options()))
            if answer is not None:
                return answer

    @own_durability
    async def achat(
        self,
        messages: Sequence[ChatMessage],
        prompt_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        given = kwargs.pop("output_schema", None)
        schema = None if given is None else OutputSchema(given)
        prompted = await self._aprompted(messages, prompt_args)
        return await self._converse(prompted, schema, self.output_attempts, kwargs)

    async def astream(
        self,
        messages: Sequence[ChatMessage],
        prompt_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatDelta]:
        """The answer, bit by bit; the last piece has the whole ``message``.

        In an action, the message is on record when the last piece has come. A replay gives it as
        one piece. If the service fails on the way and is asked again, the pieces begin anew: until
        the last one they are a preview.
        """
        pieces: asyncio.Queue[ChatDelta | None] = asyncio.Queue()
        prompted = await self._aprompted(messages, prompt_args)
        call = self._chat_call(prompted, None, kwargs, pieces.put_nowait)
        work = asyncio.ensure_future(self._amake(call, **self._call_options()))
        work.add_done_callback(lambda _: pieces.put_nowait(None))
        shown = False
        try:
            while (piece := await pieces.get()) is not None:
                if piece.message is None:
                    shown = True
                    yield piece
            message: ChatMessage = await work
        finally:
            work.cancel()
        if shown:
            yield ChatDelta(message=message)
        else:
            yield ChatDelta(
                text=message.content, reasoning=message.reasoning or "", message=message
            )

    async def answer(
        self,
        messages: Sequence[ChatMessage],
        prompt_args: Mapping[str, Any] | None,
        output_schema: Any,
        *,
        output_attempts: int | None = None,
    ) -> ChatMessage:
        """As `achat`, also of a class of the user's own that overrides that.

        Such a class need not know of schemas: its model is told in words.
        """
        own = {} if prompt_args is None else {"prompt_args": prompt_args}
        schema = None if output_schema is None else OutputSchema(output_schema)
        attempts = max(self.output_attempts, output_attempts or 1)
        if type(self).achat is BaseChatModelSetup.achat:
            prompted = await self._aprompted(messages, prompt_args)
            return await self._converse(prompted, schema, attempts, {})
        told = messages if schema is None else with_schema(messages, schema.json_schema)
        conversation = OutputConversation(told, schema, attempts, self._context)
        while True:
            answer = conversation.take(await self.achat(conversation.messages, **own))
            if answer is not None:
                return answer

    async def _converse(
        self,
        prompted: list[ChatMessage],
        schema: OutputSchema | None,
        attempts: int,
        kwargs: dict[str, Any],
    ) -> ChatMessage:
        conversation = OutputConversation(prompted, schema, attempts, self._context)
        while True:
            call = self._chat_call(conversation.messages, schema, kwargs)
            answer = conversation.take(await self._amake(call, **self._call_options()))
            if answer is not None:
                return answer

    def with_retry(self, policy: RetryPolicy) -> Self:
        """Have the calls of this bound copy made with a policy; returns it."""
        self._retry = policy
        return self

    def _call_options(self) -> dict[str, Any]:
        policy = self._retry or self.retry
        return {} if policy is None else {"retry": policy}

    def _routes(self) -> tuple[Route, ...]:
        return (Route(self.connection or type(self).__name__),)

    # -------------------------------------------------------------- what is asked

    def _chat_call(
        self,
        messages: list[ChatMessage],
        schema: OutputSchema | None,
        kwargs: dict[str, Any],
        pieces: Callable[[ChatDelta], None] | None = None,
    ) -> ChatCall:
        tools: list[Tool] | None = self._listed_tools
        if tools is None and self.tools is not None:
            tools = [cast("Tool", self._other(name, ResourceType.TOOL)) for name in self.tools]
        if self.skills:
            tools = [*(tools or ()), *self.offered_skills().tools()]
        request = ChatRequest(
            messages,
            tools,
            {**({"model": self.model} if self.model else {}), **self.model_kwargs, **kwargs},
            schema,
            self.output_strategy,
            self.tool_mode,
        )
        return ChatCall(
            request,
            self.connection_routes(),
            self._connection,
            metric_group=self.metric_group,
            recorder=self._recorder,
            timeout=self.timeout,
            pieces=pieces,
            declared_name=partial(declared_name, self),
        )

    def connection_routes(self) -> tuple[ConnectionRoute, ...]:
        """The connection and its fallbacks.

        Raises:
            AgentDefinitionError: a fallback is none.
        """
        routes = [ConnectionRoute(self.connection)]
        for fallback in self.fallbacks:
            given = {"connection": fallback} if isinstance(fallback, str) else fallback
            if given.keys() == {"setup"}:
                found = self._other(given["setup"], ResourceType.CHAT_MODEL)
                routes.append(cast("BaseChatModelSetup", found).own_route())
            elif given.get("connection") and given.keys() <= {"connection", "model"}:
                routes.append(ConnectionRoute(given["connection"], given.get("model", "")))
            else:
                msg = f"{fallback!r} is given as a fallback of a chat model."
                hint = (
                    "Give the name of a connection, {'connection': ..., 'model': ...}, or"
                    " {'setup': ...}."
                )
                raise AgentDefinitionError(msg, hint=hint)
        return tuple(routes)

    def offered_skills(self) -> OfferedSkills:
        """The skills of the setup, wherever the agent has them.

        Raises:
            ResourceNotFoundError: the agent has no such skill.
        """
        context = self._context
        names = () if context is None else context.resource_names(ResourceType.SKILLS)
        sets = [cast("BaseSkills", self._other(name, ResourceType.SKILLS)) for name in names]
        return OfferedSkills(
            self.skills or (), sets, self.allowed_commands, self.allowed_script_dirs
        )

    def own_route(self) -> ConnectionRoute:
        """The way by this setup's connection, with its parameters, for others."""
        kwargs = {**({"model": self.model} if self.model else {}), **self.model_kwargs}
        return ConnectionRoute(self.connection, str(kwargs.get("model") or ""), kwargs)

    def prompted(
        self, messages: Sequence[ChatMessage], prompt_args: Mapping[str, Any] | None = None
    ) -> list[ChatMessage]:
        """The list of skills, the prompt, filled in, and the messages behind them."""
        listed = [self.offered_skills().message()] if self.skills else []
        return listed + self._with_prompt(messages, prompt_args)

    def _with_prompt(
        self, messages: Sequence[ChatMessage], prompt_args: Mapping[str, Any] | None
    ) -> list[ChatMessage]:
        prompt = self.prompt
        if prompt is None:
            return list(messages)
        if isinstance(prompt, str):
            prompt = cast("Prompt", self._other(prompt, ResourceType.PROMPT))
        values = self._prompt_values(messages, prompt_args)
        if self._context is not None:
            notice_unfilled(self._context, prompt, values)
        return prompt.format_messages(**values) + self._said(messages)

    async def _aprompted(
        self, messages: Sequence[ChatMessage], prompt_args: Mapping[str, Any] | None
    ) -> list[ChatMessage]:
        """As `prompted`; what MCP servers have of tools and prompts is put on record first."""
        context = self._context
        if (
            context is None
            or context.is_inside_durable_call
            or not context.resource_names(ResourceType.MCP_SERVER)
        ):
            return self.prompted(messages, prompt_args)
        if self.tools is not None:
            self._listed_tools = await find_tools(context, self.tools)
        if isinstance(self.prompt, str):
            values = self._prompt_values(messages, prompt_args)
            filled = await prompt_messages(context, self.prompt, values)
            if filled is not None:
                listed = [self.offered_skills().message()] if self.skills else []
                return listed + filled + self._said(messages)
        return self.prompted(messages, prompt_args)

    @staticmethod
    def _prompt_values(
        messages: Sequence[ChatMessage], prompt_args: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if prompt_args is None:
            for message in messages:
                if message.role not in _ANSWERS:
                    values.update(message.extra_args)
        else:
            values.update(prompt_args)
        # `format_messages` has a parameter of that name.
        values.pop("role", None)
        return {name: str(value) for name, value in values.items()}

    @staticmethod
    def _said(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        return [
            message
            for message in messages
            if message.content or message.blocks or message.role in _ANSWERS
        ]

    def _connection(self, name: str) -> BaseChatModelConnection:
        kind = ResourceType.CHAT_MODEL_CONNECTION
        return cast("BaseChatModelConnection", self._other(name, kind))

    def _other(self, name: str, kind: ResourceType) -> Resource:
        if self.get_resource is None:
            msg = f"The chat model needs {name!r}, and belongs to no agent."
            hint = "Declare it as a resource of an agent, and ask the context for it."
            raise AgentDefinitionError(msg, hint=hint)
        return self.get_resource(name, kind)


_ANSWERS: Final = frozenset({MessageRole.ASSISTANT, MessageRole.TOOL})
"""The roles of messages that no user has written."""
