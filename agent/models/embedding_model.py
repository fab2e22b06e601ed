"""Embedding models: texts to vectors. As with chat models, setups name a connection.

A class of one's own needs ``embed`` of a connection, and ``model_kwargs`` of a setup. ``aembed`` is
the awaitable form, by default in a thread.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, cast

from pydantic import Field

from ..errors import AgentDefinitionError
from ..naming.public import public
from ..resources.resource import Resource, ResourceType

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
        return await asyncio.to_thread(self.embed, text, **kwargs)


@public
class BaseEmbeddingModelSetup(Resource, ABC):
    """An embedding model as an agent uses it."""

    connection: str = Field(description="Name of the connection.")
    model: str = Field(description="Name of the model, as the service calls it.")

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.EMBEDDING_MODEL`."""
        return ResourceType.EMBEDDING_MODEL

    @property
    @abstractmethod
    def model_kwargs(self) -> dict[str, Any]:
        """The parameters that each call of the connection gets."""

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The vector of a text, or a list of vectors for several.

        ``kwargs`` take precedence over `model_kwargs`. Raises `AgentDefinitionError` when the agent
        has no such connection.
        """
        return self._connection().embed(text, **{**self.model_kwargs, **kwargs})

    async def aembed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The awaitable form of `embed`."""
        return await self._connection().aembed(text, **{**self.model_kwargs, **kwargs})

    def _connection(self) -> BaseEmbeddingModelConnection:
        if self.get_resource is None:
            msg = f"The embedding model needs {self.connection!r}, and belongs to no agent."
            hint = "Declare it as a resource of an agent, and ask the context for it."
            raise AgentDefinitionError(msg, hint=hint)
        kind = ResourceType.EMBEDDING_MODEL_CONNECTION
        return cast("BaseEmbeddingModelConnection", self.get_resource(self.connection, kind))
