"""`OpenAIEmbeddingModelConnection` and its setup: vectors of texts, in batches."""

from __future__ import annotations

import asyncio
import base64
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from ...agent.models.embedding_model import (
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    EmbeddingResult,
    EmbeddingTokenUsage,
    Vectors,
)
from ...agent.naming.public import public
from ..shared.arguments import check_arguments
from ..shared.sdk_requests import split_options
from .places import KeyedConnection

if TYPE_CHECKING:
    from .service import Answer

__all__ = ["OpenAIEmbeddingModelConnection", "OpenAIEmbeddingModelSetup"]

_PATH = "/embeddings"
_CHARACTERS = 400_000
"""In one request: the service takes 300,000 tokens."""
_AT_ONCE = 4
"""Requests of one call at a time."""


@public
class OpenAIEmbeddingModelConnection(KeyedConnection, BaseEmbeddingModelConnection):
    """The way to OpenAI's embeddings, or to a service that speaks this protocol.

    The key and the address come from ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``, unless they are
    given. Servers of one's own have no key: any will do.
    """

    SERVICE: ClassVar[str] = "OpenAI"
    KEY_VARIABLE: ClassVar[str] = "OPENAI_API_KEY"
    URL_VARIABLE: ClassVar[str] = "OPENAI_BASE_URL"
    TEXTS: ClassVar[int] = 256
    """In one request: the service takes up to 2,048, servers of one's own less."""

    base_url: str | None = Field(default=None, description="The service's address.")
    request_timeout: float = Field(
        default=30, gt=0, description="Seconds that the service may be silent for."
    )
    max_retries: int = Field(
        default=3, ge=0, description="Not used: durable calls have a retry policy of their own."
    )
    default_headers: dict[str, str] | None = Field(default=None, repr=False)

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The vector of a text, or a list of vectors for several, which may be any number.

        Args:
            text: one text, or several.
            kwargs: ``model``, ``dimensions``, ``encoding_format`` and other fields of the service's
                request.

        Raises:
            ModelError: the service refuses, fails, or cannot be reached.
            MissingExtraError: the extra ``openai`` is not installed.
        """
        found: Vectors = self.embed_with_usage(text, **kwargs).embeddings
        return found

    async def aembed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The awaitable form of `embed`; requests for many texts overlap."""
        found: Vectors = (await self.aembed_with_usage(text, **kwargs)).embeddings
        return found

    def embed_with_usage(self, text: str | Sequence[str], **kwargs: Any) -> EmbeddingResult[Any]:
        """As `embed`, with the tokens."""
        service = self._service()
        body, how = _request(kwargs)
        batches = list(_batches(text, self.TEXTS))
        answers = [service.post(_PATH, {**body, "input": batch}, how) for batch in batches]
        return self._result(text, batches, answers)

    async def aembed_with_usage(
        self, text: str | Sequence[str], **kwargs: Any
    ) -> EmbeddingResult[Any]:
        """The awaitable form of `embed_with_usage`."""
        service = self._service()
        body, how = _request(kwargs)
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(batch: list[str]) -> Answer:
            async with places:
                return await service.apost(_PATH, {**body, "input": batch}, how)

        batches = list(_batches(text, self.TEXTS))
        tasks = [asyncio.ensure_future(one(batch)) for batch in batches]
        try:
            answers = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return self._result(text, batches, answers)

    def _result(
        self, text: str | Sequence[str], batches: list[list[str]], answers: Sequence[Answer]
    ) -> EmbeddingResult[Any]:
        vectors = [
            vector
            for batch, answer in zip(batches, answers, strict=True)
            for vector in self._vectors(answer, len(batch))
        ]
        usages = [_usage_of(answer) for answer in answers]
        known = [usage for usage in usages if usage is not None]
        return EmbeddingResult(
            embeddings=vectors[0] if isinstance(text, str) else vectors,
            token_usage=None
            if not known or len(known) < len(usages)
            else EmbeddingTokenUsage(
                prompt_tokens=sum(each.prompt_tokens for each in known),
                total_tokens=sum(each.total_tokens for each in known),
            ),
        )

    def _vectors(self, answer: Answer, count: int) -> list[list[float]]:
        try:
            data = sorted(answer.body["data"], key=lambda each: each["index"])
            vectors = [_vector(each["embedding"]) for each in data]
        except (KeyError, TypeError, ValueError):
            vectors = []
        if len(vectors) != count:
            raise self._service().service.unreadable(str(answer.body)[:200])
        return vectors


@public
class OpenAIEmbeddingModelSetup(BaseEmbeddingModelSetup):
    """An embedding model of OpenAI, or of a service that speaks its protocol."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str = "text-embedding-3-small"
    dimensions: int | None = Field(default=None, gt=0)
    encoding_format: Literal["float", "base64"] | None = Field(
        default=None, description="On the wire; base64 is smaller, where the service has it."
    )
    additional_kwargs: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments."""
        check_arguments(cls, arguments)

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The model and its parameters."""
        fields = {"dimensions": self.dimensions, "encoding_format": self.encoding_format}
        given = {name: value for name, value in fields.items() if value is not None}
        return {"model": self.model, **given, **self.additional_kwargs}


def _request(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of requests but for the texts, and how they are sent."""
    body, how = split_options(kwargs)
    # By itself the library would ask for base64, which not all services have.
    return {"encoding_format": "float", **body}, how


def _batches(text: str | Sequence[str], most: int) -> Iterator[list[str]]:
    """Texts in the portions that a service takes at a time."""
    texts = [text] if isinstance(text, str) else text
    batch: list[str] = []
    length = 0
    for each in texts:
        if batch and (len(batch) == most or length + len(each) > _CHARACTERS):
            yield batch
            batch, length = [], 0
        batch.append(each)
        length += len(each)
    if batch:
        yield batch


def _usage_of(answer: Answer) -> EmbeddingTokenUsage | None:
    """The tokens of one answer; None if the service does not say."""
    usage = answer.body.get("usage")
    if not isinstance(usage, dict):
        return None
    counts = [usage.get(name) for name in ("prompt_tokens", "total_tokens")]
    prompt, total = (count if isinstance(count, int) else None for count in counts)
    if prompt is None and total is None:
        return None
    return EmbeddingTokenUsage(
        prompt_tokens=total or 0 if prompt is None else prompt,
        total_tokens=prompt or 0 if total is None else total,
    )


def _vector(value: Any) -> list[float]:
    if isinstance(value, str):
        numbers = array("f")
        numbers.frombytes(base64.b64decode(value))
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers.tolist()
    return [float(each) for each in value]
