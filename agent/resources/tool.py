"""Tools: functions that a model may ask to be called, with what it needs to know about them.

`FunctionTool` makes one of a plain function: the name, the docstring, and a JSON schema of the
parameters from their annotations. The schema is built when it is first asked for, and left behind
when a tool is pickled, so that a tool travels as its function and nothing else.
"""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model
from pydantic.fields import FieldInfo

from ..errors import AgentDefinitionError
from ..naming.public import public
from .resource import ResourceType, SerializableResource

__all__ = ["FunctionTool", "Tool"]

_UNNAMED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@public
class Tool(SerializableResource, ABC):
    """Base of all tools."""

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.TOOL`."""
        return ResourceType.TOOL

    @staticmethod
    def from_callable(func: Callable[..., Any]) -> FunctionTool:
        """A tool that calls ``func``."""
        return FunctionTool(func=func)

    @property
    @abstractmethod
    def name(self) -> str:
        """The name a model calls the tool by."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What the tool does, in words for a model."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """The JSON schema, an object, of the arguments."""

    @abstractmethod
    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the tool. What an ``async`` tool returns has to be awaited."""

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """The awaitable form of `call`, for tools of either sort; others wait in a thread."""
        import asyncio  # noqa: PLC0415 (imported already where this is awaited)

        result = await asyncio.to_thread(self.call, *args, **kwargs)
        return await result if inspect.isawaitable(result) else result


@public
class FunctionTool(Tool):
    """A tool that is a function."""

    model_config = ConfigDict(frozen=True)

    func: Callable[..., Any] = Field(exclude=True)

    @property
    def name(self) -> str:
        """The name of the function."""
        return str(getattr(self.func, "__name__", type(self.func).__name__))

    @property
    def description(self) -> str:
        """The docstring of the function, without its indentation."""
        return inspect.getdoc(self.func) or ""

    @property
    def args_schema(self) -> type[BaseModel]:
        """A pydantic model with one field per parameter.

        Raises `AgentDefinitionError` for parameters that cannot be described: ``*args``,
        ``**kwargs``, and types without a schema.
        """
        cached: type[BaseModel] | None = self.__dict__.get("_args_schema")
        if cached is None:
            cached = self.__dict__["_args_schema"] = _arguments_model(self.name, self.func)
        return cached

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the parameters."""
        return self.args_schema.model_json_schema()

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.func(*args, **kwargs)

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        fields = dict(state["__dict__"])
        fields.pop("_args_schema", None)
        return {**state, "__dict__": fields}


def _arguments_model(name: str, func: Callable[..., Any]) -> type[BaseModel]:
    try:
        hints = get_type_hints(func, include_extras=True)
    except (NameError, TypeError):
        # Annotations that name what only a type checker sees, or a callable without any.
        hints = {}
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(func).parameters.values():
        if parameter.kind in _UNNAMED:
            msg = f"The tool {name!r} takes {parameter}, which cannot be described to a model."
            raise AgentDefinitionError(msg, hint="Give each parameter a name and a type.")
        default = ... if parameter.default is parameter.empty else parameter.default
        if not isinstance(default, FieldInfo):
            default = Field(default=default)
        fields[parameter.name] = (hints.get(parameter.name, Any), default)
    try:
        with warnings.catch_warnings():
            # A parameter may well be called `copy` or `schema`, as methods of every model are.
            warnings.simplefilter("ignore", UserWarning)
            model: type[BaseModel] = create_model(name, **fields)
        model.model_json_schema()
    except (PydanticUserError, TypeError, ValueError, NameError) as error:
        msg = f"The parameters of the tool {name!r} cannot be described to a model: {error}"
        hint = "Annotate them with types that have a JSON schema."
        raise AgentDefinitionError(msg, hint=hint) from error
    return model
