"""As `flink_agents.api.chat_models.chat_model` of Flink Agents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

from pydantic import Field, PrivateAttr, field_validator

import tamias
from tamias import ChatMessage, Overloaded, PoolOptions, RateLimited, RetryPolicy, Tool, Unavailable
from tamias.flink_agents.dialect import dialect

__all__ = ["BaseChatModelConnection", "BaseChatModelSetup", "StructuredOutputStrategy"]

_BOUND: Final = object()
"""In place of a group of metrics that is not given: the one that is bound."""


_TEMPORARY: Final = (RateLimited, Overloaded, Unavailable)
"""What client libraries try again by themselves, which they do not do here."""


class UntranslatedSchemaError(tamias.AgentDefinitionError, NotImplementedError):
    """A connection is given a schema that it has no form for."""


class StructuredOutputStrategy(str, Enum):
    """How an answer is made to match a schema: by the service, in words, or whichever will do."""

    AUTO = "auto"
    NATIVE = "native"
    PROMPT = "prompt"

    def resolves_to_native(self, model_capable: bool) -> bool:  # noqa: FBT001 (as in Flink Agents)
        """Whether the service is told the schema, of a model that takes it or does not."""
        native = StructuredOutputStrategy.NATIVE
        return self is native or (self is StructuredOutputStrategy.AUTO and model_capable)

    @classmethod
    def _missing_(cls, value: object) -> StructuredOutputStrategy | None:
        """Find it by its name or its value, in any case, as Java writes it."""
        wanted = value.lower() if isinstance(value, str) else ""
        return next((each for each in cls if each.value == wanted), None)


class _CountsTokens(tamias.Resource, ABC):
    """Counts tokens in the group that a call was begun with, or in the bound one."""

    def _record_token_metrics(
        self,
        model_name: str,
        prompt_tokens: int,
        completion_tokens: int,
        metric_group: Any = _BOUND,
    ) -> None:
        group: Any = self.metric_group if metric_group is _BOUND else metric_group
        if group is None:
            return
        names = (model_name,) if dialect() == "0.2" else ("model", model_name)
        counters = group.get_sub_group(*names)
        counters.get_counter("promptTokens").inc(prompt_tokens)
        counters.get_counter("completionTokens").inc(completion_tokens)


class BaseChatModelConnection(_CountsTokens, tamias.BaseChatModelConnection, ABC):
    """The way to a service that has chat models."""

    @abstractmethod
    def chat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Any = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The model's answer to a conversation."""

    def _reject_unsupported_output_schema(self, output_schema: Any) -> None:
        """Refuse a schema, for a connection that would drop it."""
        if output_schema is not None:
            msg = f"{type(self).__module__}.{type(self).__qualname__} takes no output schema."
            hint = "Translate it in chat(), or give none: the model is told in words then."
            raise UntranslatedSchemaError(msg, hint=hint)


class BaseChatModelSetup(_CountsTokens, tamias.BaseChatModelSetup, ABC):
    """A chat model as an agent uses it."""

    if dialect() != "0.2":
        model: str = Field(description="Name of the model, for the service.")
    structured_output_strategy: StructuredOutputStrategy = StructuredOutputStrategy.AUTO

    _resolved_connection: Any = PrivateAttr(default=None)

    @field_validator("structured_output_strategy", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return StructuredOutputStrategy.AUTO if value is None else value

    @classmethod
    def references(cls, arguments: Mapping[str, Any]) -> list[tuple[tamias.ResourceType, str]]:
        """What it names; nothing, if it answers itself."""
        return [] if cls._answers_itself() else super().references(arguments)

    @classmethod
    def _answers_itself(cls) -> bool:
        """Whether its class has a `chat` of its own, which need not use a connection."""
        return cls.chat is not tamias.BaseChatModelSetup.chat

    def model_post_init(self, context: Any) -> None:
        """Have the strategy followed where the model is asked."""
        super().model_post_init(context)
        if self.structured_output_strategy is not StructuredOutputStrategy.AUTO:
            strategy = type(self.output_strategy)
            self.output_strategy = strategy(self.structured_output_strategy.value)

    def _call_options(self) -> dict[str, Any]:
        """Those that are given; else the connection's ``max_retries``, which its library had."""
        given = super()._call_options()
        if given or self._context is None or not self.connection or self._answers_itself():
            return given
        if self._context.config.get(PoolOptions.CALL_ATTEMPTS) != 1:
            return given  # the job says it
        retries = getattr(self._connection(self.connection), "max_retries", 0)
        if not isinstance(retries, int) or retries < 1:
            return given
        return {"retry": RetryPolicy(retries + 1, wait=0.5, longest=60, retry_on=_TEMPORARY)}

    def _connection(self, name: str) -> tamias.BaseChatModelConnection:
        """The connection, or the one that a program has put in its place."""
        own: tamias.BaseChatModelConnection | None = self._resolved_connection
        return super()._connection(name) if own is None or name != self.connection else own
