"""Arguments of tools that the model neither sees nor gives.

Their values come from the configuration, from memory or from the context of the action. They are
looked up when a call is made, outside of the durable call, and are no part of what a call is
recognised by: a key that has been changed in the configuration does not keep a run from going on.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import AgentDefinitionError
from ..naming.public import public

if TYPE_CHECKING:
    from ..context import RunnerContext

__all__ = ["InjectedArg", "ToolParameterSource", "annotated_injection", "injected_args_of"]


@public
class ToolParameterSource(str, Enum):
    """Where the value of an injected argument is from."""

    CONFIG = "config"
    """The configuration of the job."""
    SENSORY_MEMORY = "sensory_memory"
    SHORT_TERM_MEMORY = "short_term_memory"
    CONTEXT = "context"
    """The context of the action, or one of its attributes."""

    @classmethod
    def _missing_(cls, value: object) -> ToolParameterSource | None:
        lowered = value.lower() if isinstance(value, str) else value
        return next((source for source in cls if source.value == lowered), None)


@public
class InjectedArg(BaseModel):
    """Says where the value of a parameter is from that the model does not see.

    For ``@tool(injected_args={"token": InjectedArg.from_config("api.token")})``, or in the
    annotation of the parameter: ``Annotated[str, InjectedArg.from_config("api.token")]``. Without
    a key, the name of the parameter is used. Where nothing is found, the parameter's default
    counts, and without one the call fails.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: ToolParameterSource = ToolParameterSource.SENSORY_MEMORY
    key: str | None = None

    @staticmethod
    def from_config(key: str | None = None) -> InjectedArg:
        """From the configuration of the job."""
        return InjectedArg(source=ToolParameterSource.CONFIG, key=key)

    @staticmethod
    def from_sensory_memory(path: str | None = None) -> InjectedArg:
        """From the memory of the run."""
        return InjectedArg(source=ToolParameterSource.SENSORY_MEMORY, key=path)

    @staticmethod
    def from_short_term_memory(path: str | None = None) -> InjectedArg:
        """From the memory of the key."""
        return InjectedArg(source=ToolParameterSource.SHORT_TERM_MEMORY, key=path)

    @staticmethod
    def from_context(attribute: str | None = None) -> InjectedArg:
        """An attribute of the context, ``"key"`` for example; without one, the context itself."""
        return InjectedArg(source=ToolParameterSource.CONTEXT, key=attribute or "")

    def with_default_key(self, key: str) -> InjectedArg:
        """The same with a key, if it has none."""
        return self if self.key is not None else InjectedArg(source=self.source, key=key)

    def find(self, ctx: RunnerContext, missing: Any) -> Any:
        """Return the value for a call that is made with this context; `missing` if there is none.

        Raises:
            AgentDefinitionError: the context has no such attribute.
        """
        key = self.key or ""
        if self.source is ToolParameterSource.CONFIG:
            data = ctx.config.data
            return data[key] if key in data else ctx.config.section(key) or missing
        if self.source is ToolParameterSource.SENSORY_MEMORY:
            return ctx.sensory_memory.get(key, missing)
        if self.source is ToolParameterSource.SHORT_TERM_MEMORY:
            return ctx.short_term_memory.get(key, missing)
        if not key:
            return ctx
        if key.startswith("_") or not hasattr(type(ctx), key):
            raise AgentDefinitionError(
                f"A tool wants {key!r} of the context, which has no such attribute.",
                hint='Give one that it has, as in InjectedArg.from_context("key").',
            )
        return getattr(ctx, key)


def injected_args_of(
    given: Mapping[str, InjectedArg | Mapping[str, Any]] | None,
) -> dict[str, InjectedArg]:
    """Return what ``injected_args=`` of a tool says, by parameter.

    Raises:
        AgentDefinitionError: it says something else than where values are from.
    """
    hint = "As in injected_args={'token': InjectedArg.from_config('api.token')}."
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise AgentDefinitionError(
            f"'injected_args' of a tool is {given!r}, which is no mapping.", hint=hint
        )
    found = {}
    for name, spec in given.items():
        try:
            arg = spec if isinstance(spec, InjectedArg) else InjectedArg.model_validate(spec)
        except ValidationError:
            raise AgentDefinitionError(
                f"The injected argument {name!r} of a tool is {spec!r}.", hint=hint
            ) from None
        found[str(name)] = arg.with_default_key(str(name))
    return found


def annotated_injection(annotation: object) -> InjectedArg | None:
    """Return the `InjectedArg` that is in an ``Annotated[...]``; None if there is none."""
    if get_origin(annotation) is None:
        return None
    for extra in getattr(annotation, "__metadata__", ()) or get_args(annotation)[1:]:
        if isinstance(extra, InjectedArg):
            return extra
    return None
