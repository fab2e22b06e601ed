"""`ToolSettings`: how a tool is called: approval, time limit, retries, what a crash means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from pydantic_core import core_schema

from ..config.values import parse_duration
from ..errors import AgentDefinitionError, ConfigError
from ..naming.public import public
from ..waiting.retry import RetryPolicy
from .injection import InjectedArg, injected_args_of

__all__ = ["Approval", "ToolSettings", "mark_tool", "settings_of"]

Approval: TypeAlias = bool | Callable[[dict[str, Any], Any], bool | Awaitable[bool]]
"""Whether a call needs an approval: always, never, or what a function of (arguments, ctx) says."""

_MARK = "_tamias_tool"


@public
@dataclass(frozen=True, init=False)
class ToolSettings:
    """How a tool is called.

    Attributes:
        approval: whether a call has to be approved before it is made: True, or a function of
            ``(arguments, ctx)``, plain or ``async``, that returns whether this one has to.
        approval_timeout: seconds to wait for an approval; None for what the option
            ``tool-call.approval-timeout`` says.
        timeout: the time limit of each attempt, in seconds; None for what the option
            ``tool-call.timeout`` says. A plain function cannot be stopped: its late result is
            dropped.
        retry: how often a call is tried again that failed for a temporary reason, or with an
            exception that the policy's ``retry_on`` names.
        idempotent: whether it does no harm to call the tool again when a crash has cut a call off.
            If not, it is not called again, and the model is told that what came of it is unknown.
        limit: the name of limits in the configuration that its calls are subject to.
        description: what the model is told in place of the docstring.
        injected_args: parameters that the model does not see, and where their values are from.
    """

    approval: Approval
    approval_timeout: float | None
    timeout: float | None
    retry: RetryPolicy | None
    idempotent: bool
    limit: str
    description: str | None
    injected_args: Mapping[str, InjectedArg] = field(hash=False)

    def __init__(
        self,
        *,
        approval: Approval = False,
        approval_timeout: float | str | timedelta | None = None,
        timeout: float | str | timedelta | None = None,
        retry: RetryPolicy | Mapping[str, Any] | int | None = None,
        idempotent: bool = True,
        limit: str = "",
        description: str | None = None,
        injected_args: Mapping[str, InjectedArg | Mapping[str, Any]] | None = None,
    ) -> None:
        """Convert and check all that is given.

        Raises:
            AgentDefinitionError: something is of no use.
        """
        if not (isinstance(approval, bool) or callable(approval)):
            raise AgentDefinitionError(
                f"The approval of a tool is {approval!r}.",
                hint="Give True, False, or a function of (arguments, ctx) that returns a bool.",
            )
        if not isinstance(idempotent, bool):
            raise AgentDefinitionError(f"'idempotent' of a tool is {idempotent!r}, wanted: a bool.")
        if not isinstance(limit, str):
            raise AgentDefinitionError(
                f"'limit' of a tool is {limit!r}, wanted: the name of limits in the configuration."
            )
        if not (description is None or isinstance(description, str)):
            raise AgentDefinitionError(
                f"'description' of a tool is {description!r}, wanted: a text."
            )
        assign = object.__setattr__
        assign(self, "approval", approval)
        assign(self, "approval_timeout", _seconds("approval_timeout", approval_timeout))
        assign(self, "timeout", _seconds("timeout", timeout))
        assign(self, "retry", _policy(retry))
        assign(self, "idempotent", idempotent)
        assign(self, "limit", limit)
        assign(self, "description", description)
        assign(self, "injected_args", injected_args_of(injected_args))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: object
    ) -> core_schema.CoreSchema:
        return core_schema.is_instance_schema(cls)


def _seconds(name: str, value: float | str | timedelta | None) -> float | None:
    if value is None:
        return None
    given = value.total_seconds() if isinstance(value, timedelta) else value
    try:
        seconds = parse_duration(given)
    except ValueError as error:
        raise AgentDefinitionError(f"{name!r} of a tool is {value!r}: {error}.") from None
    if seconds <= 0:
        raise AgentDefinitionError(
            f"{name!r} of a tool is {value!r}, wanted: longer than 0, or None for no limit."
        )
    return seconds


def _policy(retry: RetryPolicy | Mapping[str, Any] | int | None) -> RetryPolicy | None:
    if retry is None:
        return None
    try:
        if isinstance(retry, int) and not isinstance(retry, bool):
            return RetryPolicy(attempts=retry)
        return RetryPolicy.of(retry, "retry")
    except ConfigError as error:
        raise AgentDefinitionError(error.message, hint=error.hint) from None


_DEFAULT = ToolSettings()


def mark_tool(function: Any, settings: ToolSettings) -> None:
    """Leave settings on a function.

    Raises:
        AttributeError: nothing can be left on it.
    """
    setattr(function, _MARK, settings)


def settings_of(function: object) -> ToolSettings:
    """Return what `mark_tool` has left on a function; the defaults if that is nothing."""
    found = getattr(function, "__dict__", {}).get(_MARK)
    return found if isinstance(found, ToolSettings) else _DEFAULT
