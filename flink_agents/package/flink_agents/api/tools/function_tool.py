"""As `flink_agents.api.tools.function_tool` of Flink Agents: a tool that is a function by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

import tamias
from tamias import InjectedArg, Tool, ToolMetadata, ToolSettings
from tamias.agent.tools.settings import settings_of

from ..function import JavaFunction, PythonFunction  # noqa: TC001 (pydantic evaluates it)
from .tool_parameter_injection import merge_injected_args, normalize_injected_args

if TYPE_CHECKING:
    from tamias import RunnerContext

__all__ = ["FunctionTool"]


class NamedTool(Tool):
    """A tool that is a function by name. One in Java can be declared, and not be called."""

    func: PythonFunction | JavaFunction
    injected_args: dict[str, InjectedArg] = Field(default_factory=dict)

    def __init__(
        self,
        *,
        metadata: ToolMetadata | None = None,
        injected_args: Mapping[str, Any] | None = None,
        **data: Any,
    ) -> None:
        injected = normalize_injected_args(injected_args)
        super().__init__(metadata=metadata, injected_args=injected, **data)

    def plain(self) -> tamias.FunctionTool:
        """The tool of tamias that it is.

        Raises:
            AgentDefinitionError: the function is not found, or is one in Java.
            ValueError: the function and this say different things of an injected argument.
        """
        function = self.func.as_callable()
        settings = self.settings or settings_of(function)
        injected = merge_injected_args(
            settings.injected_args, self.injected_args, tool_name=self.func.qualname
        )
        if injected != settings.injected_args:
            settings = _with_injected(settings, injected)
        return tamias.FunctionTool(func=function, settings=settings)

    @property
    def call_settings(self) -> ToolSettings:
        """How it is called."""
        return self.plain().call_settings

    def check_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """As `tamias.Tool.check_arguments`, by the types of the parameters."""
        return self.plain().check_arguments(arguments)

    def injected_arguments(self, ctx: RunnerContext) -> dict[str, Any]:
        """As `tamias.FunctionTool.injected_arguments`."""
        return self.plain().injected_arguments(ctx)

    def digest(self) -> str:
        """As `tamias.FunctionTool.digest`."""
        return self.plain().digest()

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.func.as_callable()(*args, **kwargs)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Await the function; one that blocks runs in a thread."""
        return await self.plain().acall(*args, **kwargs)


class FunctionTool(NamedTool):
    """A tool as agents declare it since 0.3."""

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.plain().name

    @property
    def description(self) -> str:
        """The docstring of the function, without its sections."""
        return self.plain().description

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the parameters."""
        return self.plain().parameters

    @property
    def metadata(self) -> ToolMetadata:
        """All that a model is told."""
        return self.plain().metadata


def _with_injected(given: ToolSettings, injected: dict[str, InjectedArg]) -> ToolSettings:
    return ToolSettings(
        approval=given.approval,
        approval_timeout=given.approval_timeout,
        timeout=given.timeout,
        retry=given.retry,
        idempotent=given.idempotent,
        limit=given.limit,
        description=given.description,
        injected_args=injected,
    )
