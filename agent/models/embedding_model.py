"""Embedding models: texts to vectors. As with chat models, setups name a connection.

A class of one's own needs ``embed`` of a connection, and ``model_kwargs`` of a setup. ``aembed`` is
the awaitable form, by default in a thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar, Final, Generic, TypeVar, cast

from pydantic import Field, field_validator
from pydantic_core import to_jsonable_python

from ..errors import AgentDefinitionError
from ..limits.limited_call import Route
from ..naming.public import public
from ..resources.resource import Resource, ResourceType
from ..resources.usage import TokenUsage
from ..tracing.executions import EMBEDDING
from ..waiting.retry import RetryPolicy
from ..waiting.threads import call_in_thread
from .durable_resource import DurableResource, ResourceCall, declared_name, own_durability

__all__ = [
    "BaseEmbeddingModelConnection",
    "BaseEmbeddingModelSetup",
    "EmbeddingResult",
    "EmbeddingTokenUsage",
]

Vectors = list[float] | list[list[float]]
"""A vector, or one for each of several texts."""

V = TypeVar("V", list[float], list[list[float]], list[float] | list[list[float]])


@public
@dataclass(frozen=True)
class EmbeddingTokenUsage:
    """The tokens that a call of an embedding model has used, as its service counts them."""

    prompt_tokens: int = 0
    total_tokens: int = 0


@public
@dataclass(frozen=True)
class EmbeddingResult(Generic[V]):
    """Vectors, with the tokens that they have cost, if the service says so."""

    embeddings: V
    token_usage: EmbeddingTokenUsage | None = None


@public
class BaseEmbeddingModelConnection(Resource, ABC):
    """The way to a service that has embedding models.

    Vectors that are computed in this process, always the same, may have `is_repeatable`: their
    record is part of the next commit, which nothing waits for.
    """

    is_repeatable: ClassVar[bool] = False

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

    def embed_with_usage(self, text: str | Sequence[str], **kwargs: Any) -> EmbeddingResult[Any]:
        """As `embed`, with the tokens; unless a connection overrides it, they are not known."""
        return EmbeddingResult(embeddings=self.embed(text, **kwargs))

    async def aembed_with_usage(
        self, text: str | Sequence[str], **kwargs: Any
    ) -> EmbeddingResult[Any]:
        """The awaitable form of `embed_with_usage`."""
        base, own = BaseEmbeddingModelConnection, type(self)
        if own.embed_with_usage is base.embed_with_usage:
            return EmbeddingResult(embeddings=await self.aembed(text, **kwargs))
        return await call_in_thread(partial(self.embed_with_usage, text, **kwargs))


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
        connection = self._setup.embedding_connection()
        self.is_repeatable = connection.is_repeatable
        return await connection.aembed(self._text, **self._kwargs)

    def perform_now(self, route: int) -> Vectors:  # noqa: ARG002 (there is one)
        """Ask the connection; blocks."""
        connection = self._setup.embedding_connection()
        self.is_repeatable = connection.is_repeatable
        return connection.embed(self._text, **self._kwargs)


class MeasuredEmbeddingCall(EmbeddingCall):
    """A call of an embedding model whose result has the tokens."""

    def __init__(
        self, setup: BaseEmbeddingModelSetup, text: str | list[str], kwargs: dict[str, Any]
    ) -> None:
        super().__init__(setup, text, kwargs)
        self.function = measure_embedding_model

    def asked(self) -> dict[str, Any]:
        """As of one without the tokens, with another name."""
        return {**super().asked(), "call": "embed_with_usage"}

    def usage(self, result: Any) -> TokenUsage | None:
        """The tokens of the texts."""
        found = result.token_usage if isinstance(result, EmbeddingResult) else None
        return None if found is None else TokenUsage(prompt_tokens=found.prompt_tokens)

    def to_json(self, answer: Any) -> Any:
        """The vectors and the tokens."""
        return asdict(answer)

    def from_json(self, recorded: Any) -> Any:
        """The result."""
        usage = recorded["token_usage"]
        found = None if usage is None else EmbeddingTokenUsage(**usage)
        return EmbeddingResult(embeddings=recorded["embeddings"], token_usage=found)

    async def perform(self, route: int) -> Any:  # noqa: ARG002 (there is one)
        """Ask the connection."""
        connection = self._setup.embedding_connection()
        return await connection.aembed_with_usage(self._text, **self._kwargs)

    def perform_now(self, route: int) -> Any:  # noqa: ARG002 (there is one)
        """Ask the connection; blocks."""
        return self._setup.embedding_connection().embed_with_usage(self._text, **self._kwargs)


def call_embedding_model(*asked: Any) -> Vectors:
    """Name calls of embedding models in the journal; not called."""
    raise NotImplementedError(asked)


def measure_embedding_model(*asked: Any) -> EmbeddingResult[Any]:
    """Name calls that return the tokens, too, in the journal; not called."""
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

    def embed_with_usage(self, text: str | Sequence[str], **kwargs: Any) -> EmbeddingResult[Any]:
        """As `embed`, with the tokens, if the service says so."""
        calls = self._embedding_calls(text, kwargs, MeasuredEmbeddingCall)
        return _summed(text, [self._make(call, **self._call_options()) for call in calls])

    async def aembed_with_usage(
        self, text: str | Sequence[str], **kwargs: Any
    ) -> EmbeddingResult[Any]:
        """The awaitable form of `embed_with_usage`."""
        calls = self._embedding_calls(text, kwargs, MeasuredEmbeddingCall)
        return _summed(text, [await self._amake(call, **self._call_options()) for call in calls])

    def _embedding_calls(
        self,
        text: str | Sequence[str],
        kwargs: dict[str, Any],
        kind: type[EmbeddingCall] = EmbeddingCall,
    ) -> list[EmbeddingCall]:
        merged = {**self.model_kwargs, **kwargs}
        if isinstance(text, str):
            return [kind(self, text, merged)]
        texts, size = list(text), self.batch_size
        return [
            kind(self, texts[begin : begin + size], merged) for begin in range(0, len(texts), size)
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


def _summed(text: str | Sequence[str], results: list[EmbeddingResult[Any]]) -> EmbeddingResult[Any]:
    """The vectors of all calls, and the sum of their tokens, if all say them."""
    vectors = _joined(text, [result.embeddings for result in results])
    known = [result.token_usage for result in results if result.token_usage is not None]
    if not results or len(known) < len(results):
        return EmbeddingResult(embeddings=vectors)
    usage = EmbeddingTokenUsage(
        prompt_tokens=sum(each.prompt_tokens for each in known),
        total_tokens=sum(each.total_tokens for each in known),
    )
    return EmbeddingResult(embeddings=vectors, token_usage=usage)


_CHARACTERS_PER_TOKEN: Final = 4
