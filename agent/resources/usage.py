"""`TokenUsage`: what one call of a model has used."""

from __future__ import annotations

from pydantic import BaseModel

from ..naming.public import public

__all__ = ["TokenUsage"]


@public
class TokenUsage(BaseModel):
    """The tokens of one call."""

    prompt_tokens: int = 0
    """Those of the conversation, cached ones included."""
    completion_tokens: int = 0
    """Those of the answer, reasoning included."""
    cached_tokens: int = 0
    """Those of the conversation that the service had in its cache."""
    reasoning_tokens: int = 0
    """Those of the answer that are reasoning."""

    @property
    def total(self) -> int:
        """All tokens of the call."""
        return self.prompt_tokens + self.completion_tokens
