"""Embedding models: texts to vectors. As with chat models, setups name a connection.

A class of one's own needs ``embed`` of a connection, and ``model_kwargs`` of a setup. ``aembed`` is
the awaitable form, by default in a thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final, cast

from pydantic import Field, field_validator
from pydantic_core import to_jsonable_python

from ..errors import AgentDefinitionError
from ..limits.limited_call import Route
from ..naming.public import public
from ..resources.resource import Resource, ResourceType
from ..tracing.executions import EMBEDDING
from ..waiting.retry import RetryPolicy
from ..waiting.threads import call_in_thread
from .durable_resource import DurableResource, ResourceCall, declared_name, own_durability

__all__ = ["BaseEmbeddingModelConnection", "BaseEmbeddingModelSetup"]

Vectors = list[float] | list[list[float]]
"""A vector, or one for each of several texts."""


@public
class BaseEmbeddingModelConnection(Resource, ABC):
    """The way to a service that has embedding models."""

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.EMBEDDING_MODEL_CONNECTION`."""
        return ResourceType.EMBEDDING_MODEL_CONNECTION

    @abstractmethod
    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The vector of a text, or a list of vectors for several; ``kwargs`` are the service's."""

    async def aembed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The awaitable form of `embed`."""
        return await call_in_thread(partial(self.embed, text, **kwargs))


class EmbeddingCall(ResourceCall):
    """A call of an embedding model.

    Args:
        setup: whose connection is asked.
        text: a text, or several.
        kwargs: the arguments for the connection.
    """

    def __init__(
        self, setup: BaseEmbeddingModelSetup, text: str | list[str], kwargs: dict[str, Any]
    ) -> None:
        size = len(text) if isinstance(text, str) else sum(map(len, text))
        route = Route(setup.connection, setup.model, size // _CHARACTERS_PER_TOKEN + 1)
        super().__init__(call_embedding_model, (text, kwargs), (route,))
        self.recorder = setup._recorder  # noqa: SLF001 (its own)
        self._setup = setup
        self._text = text
        self._kwargs = kwargs

    def model_name(self, route: int, result: Any) -> str:  # noqa: ARG002 (as configured)
        """As configured; else the connection."""
        return str(self.routes[route].model or self.routes[route].limit)

    entity = EMBEDDING

    def entity_name(self) -> str:
        """The model's setup, as the agent declares it."""
        setup = self._setup
        return declared_name(setup) or setup.connection

    def metadata(self) -> dict[str, Any]:
        """The model."""
        return {"model": self.routes[0].model} if self.routes[0].model else {}

    def asked(self) -> dict[str, Any]:
        """The texts and arguments."""
        plain: dict[str, Any] = to_jsonable_python(
            {"call": "embed", "text": self._text, "kwargs": self._kwargs}, fallback=repr
        )
        return plain

    async def perform(self, route: int) -> Vectors:  # noqa: ARG002 (there is one)
        """Ask the connection."""
        return await self._setup.embedding_connection().aembed(self._text, **self._kwargs)

    def perform_now(self, route: int) -> Vectors:  # noqa: ARG002 (there is one)
        """Ask the connection; blocks."""
        return self._setup.embedding_connection().embed(self._text, **self._kwargs)


def call_embedding_model(*asked: Any) -> Vectors:
    """Name calls of embedding models in the journal; not called."""
    raise NotImplementedError(asked)


@public
class BaseEmbeddingModelSetup(DurableResource, ABC):
    """An embedding model as an agent uses it.

    Several texts are sent at once, ``batch_size`` of them in one call. ``retry`` is the policy of
    its durable calls, in place of the job's.
    """

    _DURABLE: ClassVar[dict[str, str]] = {"embed": "aembed"}

    connection: str = Field(description="Name of the connection.")
    model: str = Field(description="Name of the model, as the service calls it.")
    batch_size: int = Field(default=256, ge=1)
    retry: Any = Field(default=None, description="A RetryPolicy, or a mapping of its arguments.")

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.EMBEDDING_MODEL`."""
        return ResourceType.EMBEDDING_MODEL

    @field_validator("retry")
    @classmethod
    def _policy(cls, value: Any) -> RetryPolicy | None:
        return None if value is None else RetryPolicy.of(value)

    @classmethod
    def references(cls, arguments: Mapping[str, Any]) -> list[tuple[ResourceType, str]]:
        """The connection."""
        name = arguments.get("connection")
        return [(ResourceType.EMBEDDING_MODEL_CONNECTION, name)] if isinstance(name, str) else []

    @property
    @abstractmethod
    def model_kwargs(self) -> dict[str, Any]:
        """The parameters that each call of the connection gets."""

    @own_durability
    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The vector of a text, or a list of vectors for several.

        ``kwargs`` take precedence over `model_kwargs`. Raises `AgentDefinitionError` when the agent
        has no such connection.
        """
        calls = self._embedding_calls(text, kwargs)
        return _joined(text, [self._make(call, **self._call_options()) for call in calls])

    @own_durability
    async def aembed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The awaitable form of `embed`."""
        calls = self._embedding_calls(text, kwargs)
        return _joined(text, [await self._amake(call, **self._call_options()) for call in calls])

    def _embedding_calls(
        self, text: str | Sequence[str], kwargs: dict[str, Any]
    ) -> list[EmbeddingCall]:
        merged = {**self.model_kwargs, **kwargs}
        if isinstance(text, str):
            return [EmbeddingCall(self, text, merged)]
        texts, size = list(text), self.batch_size
        return [
            EmbeddingCall(self, texts[begin : begin + size], merged)
            for begin in range(0, len(texts), size)
        ]

    def _call_options(self) -> dict[str, Any]:
        return {} if self.retry is None else {"retry": self.retry}

    def _routes(self) -> tuple[Route, ...]:
        return (Route(self.connection or type(self).__name__, self.model),)

    def embedding_connection(self) -> BaseEmbeddingModelConnection:
        """The connection.

        Raises:
            AgentDefinitionError: the agent has none of this name, or the model belongs to no agent.
        """
        if self.get_resource is None:
            msg = f"The embedding model needs {self.connection!r}, and belongs to no agent."
            hint = "Declare it as a resource of an agent, and ask the context for it."
            raise AgentDefinitionError(msg, hint=hint)
        kind = ResourceType.EMBEDDING_MODEL_CONNECTION
        return cast("BaseEmbeddingModelConnection", self.get_resource(self.connection, kind))


def _joined(text: str | Sequence[str], answers: list[Vectors]) -> Vectors:
    if isinstance(text, str):
        return answers[0]
    return [vector for answer in answers for vector in cast("list[list[float]]", answer)]


_CHARACTERS_PER_TOKEN: Final = 4
