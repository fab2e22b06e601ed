"""As `flink_agents.plan.tools.function_tool` of Flink Agents: a tool as plans have it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from docstring_parser import parse
from pydantic import PrivateAttr, create_model, model_serializer

from tamias import ToolMetadata, ToolType
from tamias.agent.tools.schema import described
from tamias.agent.tools.settings import settings_of
from tamias.flink_agents.dialect import dialect

from ...api.tools.function_tool import NamedTool
from ...api.tools.tool_parameter_injection import (
    merge_injected_args,
    normalize_injected_args,
    validate_injected_arg_names,
)
from ...api.tools.utils import create_model_from_java_tool_schema_str
from ..function import JavaFunction, PythonFunction

__all__ = ["FunctionTool", "from_callable"]


class FunctionTool(NamedTool):
    """A tool that is a function by name, with what a model is told of it.

    Of a function in Java, that is known when the runtime has set its adapter.
    """

    func: PythonFunction | JavaFunction

    _derived: ToolMetadata | None = PrivateAttr(default=None)

    def __init__(
        self,
        *,
        metadata: ToolMetadata | Mapping[str, Any] | None = None,
        injected_args: Mapping[str, Any] | None = None,
        **data: Any,
    ) -> None:
        given = metadata if isinstance(metadata, ToolMetadata | None) else ToolMetadata(**metadata)
        super().__init__(metadata=given, injected_args=injected_args, **data)
        if isinstance(self.func, PythonFunction):
            function = self.func.as_callable()
            self.injected_args = merge_injected_args(
                settings_of(function).injected_args,
                self.injected_args,
                tool_name=self.func.qualname,
            )
            validate_injected_arg_names(function, self.injected_args)
            if given is None or given == self._of_function():
                self._given = self._of_function()

    @classmethod
    def tool_type(cls) -> ToolType:
        """`ToolType.FUNCTION`."""
        return ToolType.FUNCTION

    @property
    def metadata(self) -> ToolMetadata | None:  # type: ignore[override]
        """Return the metadata that a model gets; None for a function in Java without an adapter."""
        return self._given

    def _of_function(self) -> ToolMetadata:
        if self._derived is None:
            function = self.func.as_callable()
            found = described(self.func.qualname, function, injected=self.injected_args)
            name = function.__name__
            fields: dict[str, Any] = {
                each: (field.annotation, field)
                for each, field in found.arguments.model_fields.items()
            }
            self._derived = ToolMetadata(
                name=name,
                description=parse(function.__doc__ or "").description or "",
                args_schema=create_model(name, **fields),
            )
        return self._derived

    def set_java_resource_adapter(self, adapter: Any) -> None:
        """Set what calls a function in Java, and ask it what the function is."""
        if not isinstance(self.func, JavaFunction):
            return
        self.func.set_java_resource_adapter(adapter)
        asked: tuple[Any, ...] = (
            self.func.qualname,
            self.func.method_name,
            self.func.parameter_types,
        )
        if dialect() == "0.4":
            asked = (*asked, list(self.injected_args))
        found = adapter.getJavaToolMetadata(*asked)
        name = found["name"]
        annotated = json.loads(found.get("injectedArgs") or "{}")
        self.injected_args = merge_injected_args(
            normalize_injected_args(annotated), self.injected_args, tool_name=name
        )
        schema = found.get("inputSchema") or "{}"
        self._given = ToolMetadata(
            name=name,
            description=found.get("description", ""),
            args_schema=create_model_from_java_tool_schema_str(name, schema),
        )

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.func(*args, **kwargs)

    @model_serializer
    def _write(self) -> dict[str, Any]:
        written: dict[str, Any] = {
            "func": self.func.model_dump(),
            "metadata": None if self._given is None else self._given.model_dump(),
        }
        if dialect() == "0.4":
            injected = {
                name: each.model_dump(mode="json") for name, each in self.injected_args.items()
            }
            written["injected_args"] = injected
        return written

    def __eq__(self, other: object) -> bool:
        """Whether it is the same function, and a model is told the same."""
        if not isinstance(other, FunctionTool):
            return NotImplemented
        return self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]


def from_callable(func: Callable[..., Any]) -> FunctionTool:
    """The tool that a function is."""
    return FunctionTool(func=PythonFunction.from_callable(func))
