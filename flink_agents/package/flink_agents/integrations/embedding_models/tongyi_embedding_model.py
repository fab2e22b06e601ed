"""As `flink_agents.integrations.embedding_models.tongyi_embedding_model` of Flink Agents.

With DashScope's library installed, as Flink Agents needs it, models are asked by that: what a
program sets there holds. Without it, by Tongyi's endpoint that is compatible with OpenAI's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ConfigDict, Field, SecretStr

import tamias
from tamias import EmbeddingResult, EmbeddingTokenUsage

from ..chat_models.given_clients import plain_key
from ..chat_models.tongyi_chat_model import checked, key_of

try:
    import dashscope
except ImportError:
    dashscope = None

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_REQUEST_TIMEOUT",
    "TongyiEmbeddingModelConnection",
    "TongyiEmbeddingModelSetup",
]

DEFAULT_REQUEST_TIMEOUT: Final = 30.0
DEFAULT_MODEL: Final = "text-embedding-v4"


class TongyiEmbeddingModelConnection(tamias.TongyiEmbeddingModelConnection):
    """The way to Tongyi's embeddings."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    # As in Flink Agents a plain text, which nothing shows by itself.
    api_key: str | SecretStr | None = Field(default=None, repr=False)

    def __init__(self, **data: Any) -> None:
        """Find the key. Raises a ValueError without one."""
        super().__init__(**{**data, "api_key": key_of(data.get("api_key"))})

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments, and that there is a client library."""
        if dashscope is None:
            super().preload(arguments)
        else:
            cls(**arguments)

    def embed_with_usage(self, text: str | Sequence[str], **kwargs: Any) -> EmbeddingResult[Any]:
        """The vector of a text, or those of several, with the tokens."""
        given = {"model": DEFAULT_MODEL, **kwargs}
        if dashscope is None:
            return super().embed_with_usage(text, **_compatible(given))
        given = {"api_key": plain_key(self.api_key), "timeout": self.request_timeout, **given}
        texts = [text] if isinstance(text, str) else list(text)
        batches = [texts[i : i + self.TEXTS] for i in range(0, len(texts), self.TEXTS)]
        answers = [
            checked(
                dashscope.TextEmbedding.call(
                    input=text if isinstance(text, str) else batch, **given
                ),
                "DashScope TextEmbedding call",
            )
            for batch in batches
        ]
        vectors = [each["embedding"] for one in answers for each in one.output["embeddings"]]
        return EmbeddingResult(
            embeddings=vectors[0] if isinstance(text, str) else vectors,
            token_usage=_usage([_tokens(answer) for answer in answers]),
        )

    async def aembed_with_usage(
        self, text: str | Sequence[str], **kwargs: Any
    ) -> EmbeddingResult[Any]:
        """The awaitable form of `embed_with_usage`."""
        if dashscope is None:
            given = {"model": DEFAULT_MODEL, **kwargs}
            return await super().aembed_with_usage(text, **_compatible(given))
        return await asyncio.to_thread(self.embed_with_usage, text, **kwargs)


def _compatible(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments under the names of the other endpoint, which knows no kinds of texts."""
    kept = {name: value for name, value in given.items() if name != "text_type"}
    if "dimension" in kept:
        kept["dimensions"] = kept.pop("dimension")
    return kept


def _tokens(answer: Any) -> tuple[int, int] | None:
    """Those of the texts, and all; None if DashScope does not say."""
    usage = getattr(answer, "usage", None)
    if usage is None and isinstance(answer.output, dict):
        usage = answer.output.get("usage")
    names = ("input_tokens", "prompt_tokens", "total_tokens")
    given = usage if isinstance(usage, Mapping) else {n: getattr(usage, n, None) for n in names}
    prompt = given.get("input_tokens") or given.get("prompt_tokens")
    total = given.get("total_tokens")
    if not isinstance(prompt, int) and not isinstance(total, int):
        return None
    return int(prompt or total or 0), int(total or prompt or 0)


def _usage(counts: list[tuple[int, int] | None]) -> EmbeddingTokenUsage | None:
    """The sum of all calls, if all are known."""
    known = [count for count in counts if count is not None]
    if not known or len(known) < len(counts):
        return None
    prompt, total = (sum(column) for column in zip(*known, strict=True))
    return EmbeddingTokenUsage(prompt_tokens=prompt, total_tokens=total)


class TongyiEmbeddingModelSetup(tamias.TongyiEmbeddingModelSetup):
    """An embedding model of Tongyi."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model: str = DEFAULT_MODEL
    text_type: str | None = Field(default=None, description="``query`` or ``document``.")
    dimension: int | None = Field(default=None, gt=0)

    def __init__(self, **data: Any) -> None:
        """Take the arguments; those that are None, and may not be, are as if not given."""
        may_not = ("additional_kwargs", "model")
        super().__init__(
            **{name: each for name, each in data.items() if each is not None or name not in may_not}
        )

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The model and its parameters."""
        fields = {"text_type": self.text_type, "dimension": self.dimension}
        given = {name: value for name, value in fields.items() if value is not None}
        return {**given, **super().model_kwargs}
