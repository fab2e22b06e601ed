"""`LimitedCall`: a durable call that needs admission before each attempt.

``ctx.durable_execute`` and ``ctx.durable_execute_async`` take one in place of a function. It has
several routes, in order of preference: which of them an attempt takes is decided when it is
admitted, by their limits and by what has failed before. A call on record asks for nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from ..tracing.executions import CALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..resources.usage import TokenUsage

__all__ = ["LimitedCall", "Route"]


class Route(NamedTuple):
    """One way to make a call."""

    limit: str
    """The name under which the configuration has its limits: that of a connection."""
    model: str = ""
    """The model, whose prices count."""
    tokens: int = 0
    """The tokens that the call may use, as estimated before it is made."""


class LimitedCall(ABC):
    """A durable call with limits.

    Attributes:
        routes: at least one.
        function: by whose name, together with `arguments`, the call is recognised in a replay.
        arguments: plain data.
        failed_attempts: how often it has failed before it had an answer, once it has one.
        is_repeatable: whether an attempt was made in this process alone, and another one would have
            the same result: then nothing waits for its record, and a crash may have it repeated.
    """

    routes: tuple[Route, ...]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    failed_attempts: int = 0
    is_repeatable: bool = False
    entity: str = CALL
    """What traces call it: an entity type."""

    def __call__(self) -> Any:
        """Make the call by its first route; blocks. Outside of a durable call."""
        return self.attempt_now(0)

    @abstractmethod
    async def attempt(self, route: int) -> Any:
        """Make the call by one of the routes."""

    @abstractmethod
    def attempt_now(self, route: int) -> Any:
        """Make the call by one of the routes; blocks."""

    def model_name(self, route: int, result: Any) -> str:  # noqa: ARG002 (for calls of none)
        """The model that an attempt asks, for metrics; empty if it asks none.

        `result` is None where the attempt has failed.
        """
        return ""

    def entity_name(self) -> str:
        """Its name in traces; empty for the function's."""
        return ""

    def metadata(self) -> dict[str, Any]:
        """What traces say of it before it is made."""
        return {}

    def outcome(self, result: Any) -> dict[str, Any]:
        """What traces say of its result: the tokens, as far as they are known."""
        usage = self.usage(result)
        if usage is None:
            return {}
        return {
            "promptTokens": usage.prompt_tokens,
            "completionTokens": usage.completion_tokens,
            **({"cachedTokens": usage.cached_tokens} if usage.cached_tokens else {}),
            **({"reasoningTokens": usage.reasoning_tokens} if usage.reasoning_tokens else {}),
        }

    def usage(self, result: Any) -> TokenUsage | None:  # noqa: ARG002 (for calls without tokens)
        """What a call with this result has used; None if it is not known."""
        return None
