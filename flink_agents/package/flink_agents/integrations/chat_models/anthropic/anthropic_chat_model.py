"""As `flink_agents.integrations.chat_models.anthropic.anthropic_chat_model` of Flink Agents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, Field, SecretStr

import tamias
from tamias import ChatMessage, MessageRole, ToolMetadata

from ....api.chat_models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from ..chat_model_utils import check_length
from ..given_clients import ClosedClient, GivenAnthropic, PeerConnection, plain_key

__all__ = [
    "DEFAULT_ANTHROPIC_MODEL",
    "DEFAULT_JSON_PREFILL",
    "DEFAULT_MAX_TOKENS",
    "DEFAULT_TEMPERATURE",
    "AnthropicChatModelConnection",
    "AnthropicChatModelSetup",
    "convert_to_anthropic_message",
    "convert_to_anthropic_messages",
    "convert_to_anthropic_system_prompts",
    "to_anthropic_tool",
]

DEFAULT_ANTHROPIC_MODEL: Final = "claude-sonnet-4-20250514"
DEFAULT_MAX_TOKENS: Final = 1024
DEFAULT_TEMPERATURE: Final = 0.1
DEFAULT_JSON_PREFILL: Final = False

_NEWER: Final = r"claude-(?:opus-(?:4-[678]|5)|sonnet-(?:4-6|5)|fable-5|mythos-(?:5|preview))"
_WITHOUT_PREFILL: Final = re.compile(_NEWER)
"""Models that refuse an answer which others have begun."""
_WITH_SCHEMAS: Final = re.compile(rf"{_NEWER}|claude-(?:opus|sonnet|haiku)-4-5(?:-.*)?")
"""Models of which Anthropic says that they keep to a JSON schema."""


def _supports_json_prefill(effective_model: str | None) -> bool:
    return _WITHOUT_PREFILL.fullmatch(effective_model or "") is None


class AnthropicChatModelConnection(
    ClosedClient, PeerConnection, tamias.AnthropicChatModelConnection, BaseChatModelConnection
):
    """The way to Anthropic's models."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    # As in Flink Agents a plain text, which nothing shows by itself.
    api_key: str | SecretStr | None = Field(default=None, repr=False)
    timeout: float = Field(default=60, ge=0, description="Seconds; 0 for no limit.")

    _double: ClassVar = GivenAnthropic

    def _new_client(self) -> Any:
        from anthropic import Anthropic  # noqa: PLC0415 (an extra)

        return Anthropic(
            api_key=plain_key(self.api_key),
            max_retries=self.max_retries,
            timeout=self.timeout or None,
        )

    def supports_native_structured_output(self, model: str | None = None) -> bool:
        """The models of which Anthropic says so; others are told the schema in words."""
        return _WITH_SCHEMAS.fullmatch(model or "") is not None

    def _asked(
        self, output_schema: Any, kwargs: dict[str, Any]
    ) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
        model, schema, given = super()._asked(output_schema, kwargs)
        if "output_config" in given:
            schema = None  # the caller has said it itself
        if given.get("json_prefill") is not True or (
            "output_config" in given or not _supports_json_prefill(model)
        ):
            given = {name: value for name, value in given.items() if name != "json_prefill"}
        return model, schema, given

    def _place(self) -> Any:
        place = super()._place()
        return place if place.read else place._replace(read=float(1 << 31))


class AnthropicChatModelSetup(BaseChatModelSetup, tamias.AnthropicChatModelSetup):
    """A model of Anthropic."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model: str = DEFAULT_ANTHROPIC_MODEL
    max_tokens: int = Field(default=DEFAULT_MAX_TOKENS, ge=1)
    temperature: float | None = Field(default=DEFAULT_TEMPERATURE, ge=0, le=1)
    json_prefill: bool = DEFAULT_JSON_PREFILL

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The model and its parameters."""
        return {"json_prefill": self.json_prefill, **super().model_kwargs}


def to_anthropic_tool(*, metadata: ToolMetadata, skip_length_check: bool = False) -> dict[str, Any]:
    """A tool as the service takes it. Raises a ValueError if its description is too long."""
    check_length(metadata, skip_length_check=skip_length_check)
    return {
        "name": metadata.name,
        "description": metadata.description,
        "input_schema": metadata.get_parameters_dict(),
    }


def convert_to_anthropic_message(message: ChatMessage) -> dict[str, Any]:
    """A message as the service takes it; a tool's result is a block of the user's."""
    if message.role is MessageRole.TOOL:
        result = {
            "type": "tool_result",
            "tool_use_id": message.extra_args.get("external_id"),
            "content": message.content,
        }
        return {"role": "user", "content": [result]}
    blocks = None
    if message.role is MessageRole.ASSISTANT:
        raw = message.raw or {}
        blocks = message.extra_args.get("anthropic_content_blocks") or raw.get("blocks")
    return {"role": message.role.value, "content": blocks or message.content}


def convert_to_anthropic_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as the service takes them, without those of the system."""
    return [
        convert_to_anthropic_message(message)
        for message in messages
        if message.role is not MessageRole.SYSTEM
    ]


def convert_to_anthropic_system_prompts(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The texts of the system's messages."""
    return [
        {"type": "text", "text": message.content}
        for message in messages
        if message.role is MessageRole.SYSTEM
    ]
