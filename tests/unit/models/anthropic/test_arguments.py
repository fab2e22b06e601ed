"""Arguments of Anthropic's resources that are wrong: said before there are workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tamias import (
    AgentDefinitionError,
    AnthropicChatModelConnection,
    AnthropicChatModelSetup,
    Resource,
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIG_DIR", "API_KEY", "AUTH_TOKEN", "PROFILE"):
        monkeypatch.delenv(f"ANTHROPIC_{name}", raising=False)


@pytest.mark.parametrize(
    ("clazz", "arguments", "message"),
    [
        (AnthropicChatModelConnection, {}, r"has no API key\. Set ANTHROPIC_API_KEY"),
        (AnthropicChatModelConnection, {"api_key": "k", "timeout": 0}, "timeout: Input should"),
        (AnthropicChatModelConnection, {"key": "sk-1"}, r"key: Extra inputs .* It takes api_key"),
        (AnthropicChatModelSetup, {"connection": "c"}, "model: Field required"),
        (AnthropicChatModelSetup, {"connection": "c", "model": "m", "effort": "x"}, "effort: "),
    ],
)
def test_what_is_wrong(clazz: type[Resource], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AgentDefinitionError, match=message) as raised:
        clazz.preload(arguments)
    assert "sk-1" not in str(raised.value)


def test_what_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    AnthropicChatModelConnection.preload({"api_key": "k"})
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "t")
    AnthropicChatModelConnection.preload({})
    AnthropicChatModelSetup.preload({"connection": "c", "model": "m", "thinking": 1024})
