"""Arguments of OpenAI's resources that are wrong: said before there are workers."""

from __future__ import annotations

from typing import Any

import pytest

from tamias import (
    AgentDefinitionError,
    AzureOpenAIChatModelConnection,
    AzureOpenAIChatModelSetup,
    OpenAIChatModelConnection,
    OpenAIChatModelSetup,
    OpenAIEmbeddingModelSetup,
    Resource,
    VLLMChatModelConnection,
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("clazz", "arguments", "message"),
    [
        (OpenAIChatModelConnection, {}, r"has no API key\. Set OPENAI_API_KEY"),
        (OpenAIChatModelConnection, {"api_key": "k", "timeout": 0}, "timeout: Input should be gr"),
        (OpenAIChatModelConnection, {"key": "sk-1"}, r"key: Extra inputs .* It takes api_key, "),
        (OpenAIChatModelSetup, {"connection": "c", "temperature": 3}, "temperature: Input should"),
        (OpenAIChatModelSetup, {}, "connection: Field required"),
        (OpenAIEmbeddingModelSetup, {"connection": "c", "dimensions": -1}, "dimensions: Input"),
        (AzureOpenAIChatModelConnection, {"api_key": "k", "api_version": "v"}, "azure_endpoint"),
        (AzureOpenAIChatModelSetup, {"connection": "c"}, "model: Field required"),
    ],
)
def test_what_is_wrong(clazz: type[Resource], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AgentDefinitionError, match=message) as raised:
        clazz.preload(arguments)
    assert "sk-1" not in str(raised.value)


def test_what_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    VLLMChatModelConnection.preload({})
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    OpenAIChatModelConnection.preload({})
    OpenAIChatModelSetup.preload({"connection": "c", "tools": ["a"]})
