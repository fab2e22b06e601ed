"""Embedding models whose class is a Java class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...agent.models.embedding_model import (
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    Vectors,
)
from ...agent.naming.public import public
from .java_resource import JavaResource


@public
class JavaEmbeddingModelConnection(JavaResource, BaseEmbeddingModelConnection):
    """A connection that lives in Java."""

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The vector or vectors. Raises as `tamias.bridge.resources.calls.JavaCalls.call`."""
        vectors: Vectors = self.java_call("embed", text=_given(text), kwargs=kwargs)
        return vectors

    async def aembed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The awaitable form of `embed`."""
        vectors: Vectors = await self.java_acall("embed", text=_given(text), kwargs=kwargs)
        return vectors


@public
class JavaEmbeddingModelSetup(JavaResource, BaseEmbeddingModelSetup):
    """A setup that lives in Java, and finds its connection there or here."""

    connection: str = ""
    model: str = ""

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """Empty: only Java knows the arguments."""
        return {}

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The vector or vectors. Raises as `tamias.bridge.resources.calls.JavaCalls.call`."""
        vectors: Vectors = self.java_call("embed", text=_given(text), kwargs=kwargs)
        return vectors

    async def aembed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The awaitable form of `embed`."""
        vectors: Vectors = await self.java_acall("embed", text=_given(text), kwargs=kwargs)
        return vectors


def _given(text: str | Sequence[str]) -> str | list[str]:
    return text if isinstance(text, str) else list(text)
