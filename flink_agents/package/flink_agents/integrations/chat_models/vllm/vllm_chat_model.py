"""As `flink_agents.integrations.chat_models.vllm.vllm_chat_model` of Flink Agents."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ConfigDict

import tamias

from ..openai.openai_chat_model import (
    OpenAIChatModelConnection,
    OpenAIChatModelSetup,
)

__all__ = [
    "DEFAULT_VLLM_API_BASE_URL",
    "DEFAULT_VLLM_API_KEY",
    "VLLMChatModelConnection",
    "VLLMChatModelSetup",
]

DEFAULT_VLLM_API_BASE_URL: Final = "http://localhost:8000/v1"
DEFAULT_VLLM_API_KEY: Final = "EMPTY"


class NoModelError(tamias.AgentDefinitionError, ValueError):
    """A setup names no model."""


class VLLMChatModelConnection(OpenAIChatModelConnection, tamias.VLLMChatModelConnection):
    """The way to a server of one's own; the environment says nothing of it."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    def __init__(self, **data: Any) -> None:
        """Take the arguments; blank ones are as if not given."""
        key, url = (str(data.get(name) or "").strip() for name in ("api_key", "api_base_url"))
        given = {"api_key": key or DEFAULT_VLLM_API_KEY}
        given["api_base_url"] = url or DEFAULT_VLLM_API_BASE_URL
        super().__init__(**{**data, **given})

    def supports_native_structured_output(self, model: str | None = None) -> bool:
        """The server forces any model to keep to a schema."""
        return bool((model or "").strip())


class VLLMChatModelSetup(OpenAIChatModelSetup):
    """A chat model on a server of one's own."""

    def __init__(self, **data: Any) -> None:
        """Take the arguments. Raises a ValueError without a model."""
        if not str(data.get("model") or "").strip():
            msg = "model is required for vLLM: its name, as the server calls it."
            raise NoModelError(msg, hint="Give it as `vllm serve` was given it.")
        super().__init__(**data)
