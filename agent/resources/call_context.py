"""`CallContext`: what a resource needs to know of the context that it is used in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..config.configuration import Configuration
    from ..tracing.executions import Execution

__all__ = ["CallContext"]


class CallContext(Protocol):
    """The part of a `RunnerContext` by which resources make their calls durable."""

    @property
    def is_inside_durable_call(self) -> bool:
        """Whether the caller runs inside a durable function, so that its calls are part of it."""

    @property
    def config(self) -> Configuration:
        """The configuration of the job."""

    def execution(
        self, entity: str, name: str, metadata: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[Execution]:
        """Have a trace show what the block does as one."""

    def resource_name(self, resource: Any) -> str:
        """The name by which the agent declares a resource; empty if it does not."""

    def notice(self, text: str) -> None:
        """Report a probable mistake of the agent: once for each text."""

    def durable_execute(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call ``func`` once, whatever crashes."""

    def durable_execute_async(
        self, func: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Awaitable[Any]:
        """The awaitable form."""
