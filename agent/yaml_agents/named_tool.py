"""Tools of documents: functions, under the names that documents give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..errors import AgentDefinitionError
from ..tools.injection import InjectedArg
from ..tools.settings import ToolSettings, settings_of
from ..tools.tool import FunctionTool
from .functions import find_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from .specs import ToolSpec


class NamedTool(FunctionTool):
    """A tool that is a function, and is called by another name than the function's."""

    given_name: str = Field(min_length=1)

    @property
    def name(self) -> str:
        """The name in the document, by which setups and actions know the tool, too."""
        return self.given_name


def named_tool(spec: ToolSpec) -> NamedTool:
    """Make the tool of a document: a function of Python.

    What the document says of how it is called is preferred to what ``@tool(...)`` says.

    Raises:
        NotFoundInPythonError: there is no such function.
        AgentDefinitionError: it cannot be a tool, or cannot be called so.
    """
    function = find_function(spec.function)
    given = spec.given_settings
    if isinstance(given.get("approval"), str):
        given["approval"] = find_function(given["approval"])
    if spec.injected_args:
        given["injected_args"] = _injected(spec, function)
    settings = None
    if given:
        own = settings_of(function)
        settings = ToolSettings(**{**{name: getattr(own, name) for name in _NAMES}, **given})
    tool = NamedTool(func=function, given_name=spec.name, settings=settings)
    tool.args_schema  # noqa: B018  (a tool that cannot be described is found out now)
    return tool


_NAMES = tuple(ToolSettings.__dataclass_fields__)


def _injected(spec: ToolSpec, function: Callable[..., Any]) -> dict[str, InjectedArg]:
    """The arguments that the model does not give, by the document and by the function.

    Raises:
        AgentDefinitionError: both say where one is from, and not the same.
    """
    given = {
        name: InjectedArg.model_validate(injected.model_dump()).with_default_key(name)
        for name, injected in spec.injected_args.items()
    }
    own = settings_of(function).injected_args
    for name, injected in given.items():
        other = own.get(name)
        if other is not None and other.with_default_key(name) != injected:
            msg = f"{name!r} is from {injected.source.value} {injected.key!r} here, and by the"
            msg += f" function's own declaration from {other.source.value} {other.key!r}."
            raise AgentDefinitionError(msg, hint="Keep one of them.")
    return {**own, **given}
