"""Services that speak OpenAI's protocol: vLLM and llama.cpp, and Tongyi (Alibaba's Qwen models)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from ...agent.naming.public import public
from .chat_model import ChatCompletions, OpenAIChatModelConnection, SamplingSetup
from .embeddings import OpenAIEmbeddingModelConnection, OpenAIEmbeddingModelSetup

__all__ = [
    "TongyiChatModelConnection",
    "TongyiChatModelSetup",
    "TongyiEmbeddingModelConnection",
    "TongyiEmbeddingModelSetup",
    "VLLMChatModelConnection",
    "VLLMChatModelSetup",
]


class _CompatibleSetup(SamplingSetup):
    """What setups of such models share."""

    model: str
    temperature: float | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    extract_reasoning: bool = Field(
        default=False, description="Keep reasoning in the text of the answer apart."
    )

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The model and its parameters."""
        return {
            "model": self.model,
            **self._sampling(
                "",
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                extract_reasoning=self.extract_reasoning or None,
            ),
            **self.additional_kwargs,
        }


@public
class VLLMChatModelConnection(OpenAIChatModelConnection):
    """The way to a server of one's own: vLLM, llama.cpp's, or another that speaks the protocol.

    It has no key, unless one is given, and is at ``http://localhost:8000/v1`` by default;
    ``VLLM_API_KEY`` and ``VLLM_BASE_URL`` say otherwise.
    """

    SERVICE: ClassVar[str] = "vLLM"
    PROVIDER: ClassVar[str] = "vllm"
    KEY_VARIABLE: ClassVar[str] = "VLLM_API_KEY"
    URL_VARIABLE: ClassVar[str] = "VLLM_BASE_URL"
    DEFAULT_URL: ClassVar[str] = "http://localhost:8000/v1"
    DEFAULT_KEY: ClassVar[str] = "EMPTY"

    def supports_native_structured_output(self, model: str | None = None) -> bool:  # noqa: ARG002
        """These servers force any model to keep to a schema."""
        return True


@public
class VLLMChatModelSetup(_CompatibleSetup):
    """A chat model on a server of one's own."""

    model: str = Field(description="Name of the model, as the server calls it.")
    temperature: float | None = Field(default=None, ge=0, le=2)


@public
class TongyiChatModelConnection(ChatCompletions):
    """The way to Tongyi, by its endpoint that is compatible with OpenAI's.

    The key comes from ``DASHSCOPE_API_KEY``, unless it is given, and the address from
    ``DASHSCOPE_BASE_URL``.
    """

    SERVICE: ClassVar[str] = "Tongyi"
    PROVIDER: ClassVar[str] = "tongyi"
    KEY_VARIABLE: ClassVar[str] = "DASHSCOPE_API_KEY"
    URL_VARIABLE: ClassVar[str] = "DASHSCOPE_BASE_URL"
    DEFAULT_URL: ClassVar[str] = "https://dashscope.aliyuncs.com/compatible-mode/v1"

    request_timeout: float = Field(
        default=60, gt=0, description="Seconds that the service may be silent for."
    )
    api_base_url: str | None = Field(default=None, description="The service's address.")

    def _read_seconds(self) -> float:
        return self.request_timeout


@public
class TongyiChatModelSetup(_CompatibleSetup):
    """A Qwen model of Tongyi."""

    model: str = "qwen-plus"
    temperature: float | None = Field(default=0.7, ge=0, lt=2)


@public
class TongyiEmbeddingModelConnection(OpenAIEmbeddingModelConnection):
    """The way to Tongyi's embeddings, by its endpoint that is compatible with OpenAI's.

    The key comes from ``DASHSCOPE_API_KEY``, unless it is given, and the address from
    ``DASHSCOPE_BASE_URL``.
    """

    SERVICE: ClassVar[str] = "Tongyi"
    PROVIDER: ClassVar[str] = "tongyi"
    KEY_VARIABLE: ClassVar[str] = "DASHSCOPE_API_KEY"
    URL_VARIABLE: ClassVar[str] = "DASHSCOPE_BASE_URL"
    DEFAULT_URL: ClassVar[str] = TongyiChatModelConnection.DEFAULT_URL
    TEXTS: ClassVar[int] = 10


@public
class TongyiEmbeddingModelSetup(OpenAIEmbeddingModelSetup):
    """An embedding model of Tongyi."""

    model: str = "text-embedding-v4"
