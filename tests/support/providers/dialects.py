"""All protocols that the fake server speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .anthropic import Anthropic
from .ollama import Ollama
from .openai_chat import OpenAIChat
from .openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from .dialect import Dialect


def dialects(**limits: Any) -> tuple[Dialect, ...]:
    """Make one of each; the first one that speaks a request's protocol answers it."""
    return (
        Anthropic(**limits),
        Ollama(**limits),
        OpenAIResponses(**limits),
        OpenAIChat(**limits),
    )
