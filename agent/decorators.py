"""The decorators that turn static methods of an `Agent` into actions and resources.

A decorator only leaves a mark; compiling the agent reads the marks. The mark sits on the function
itself, so each of them works above and below ``@staticmethod``, and a class of ``__main__`` keeps
its marks on the way to another process (cloudpickle rebuilds a staticmethod from its function and
drops what else was on it).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .errors import AgentDefinitionError, ConfigError
from .event import Event
from .naming.classes import is_subclass
from .resources.resource import ResourceType
from .tools.settings import ToolSettings, mark_tool
from .waiting.retry import RetryPolicy

if TYPE_CHECKING:
    from datetime import timedelta

    from .tools.injection import InjectedArg
    from .tools.settings import Approval

__all__ = [
    "ActionMark",
    "action",
    "action_mark",
    "chat_model_connection",
    "chat_model_setup",
    "checked_listens",
    "checked_retry",
    "embedding_model_connection",
    "embedding_model_setup",
    "listed",
    "mark_action",
    "mcp_server",
    "prompt",
    "resource_mark",
    "skills",
    "tool",
    "vector_store",
]

F = TypeVar("F")

_ACTION = "_tamias_action"
_RESOURCE = "_tamias_resource"


@dataclass(frozen=True)
class ActionMark:
    """What ``@action(...)`` says: what is listened to, and settings."""

    listens: tuple[type[Event] | str, ...]
    config: dict[str, Any]
    retry: RetryPolicy | None = None
    target: Any = None
    """The function that is called instead of the decorated one, or what names it."""


def action(
    *events_or_types: type[Event] | str,
    retry: RetryPolicy | Mapping[str, Any] | None = None,
    trigger_conditions: Sequence[type[Event] | str] = (),
    target: Callable[..., Any] | None = None,
    **config: Any,
) -> Callable[[F], F]:
    """Make a function ``(event, ctx)``, plain or ``async``, an action of the agent.

    It is called with each event whose class is one of ``events_or_types``, whose type is one of the
    strings among them, or for which one of those strings holds that are conditions in CEL, as
    ``"type == 'order' && amount > 3"`` (``trigger_conditions=[...]`` adds to them). With ``target``
    another function is called in place of the decorated one. ``config`` is what
    ``ctx.action_config`` gives. A run in which it fails is tried again as ``retry`` says, whatever
    ``on-error`` is: that decides what follows when the attempts are used up.

    Raises `AgentDefinitionError` when it listens to nothing, or to something that is neither an
    event class nor a string, ``retry`` is no policy for an action, or ``target`` no function.
    """
    policy = checked_retry(retry)
    if target is not None and not callable(target):
        msg = f"The target of an action is {target!r}, which cannot be called."
        raise AgentDefinitionError(msg, hint="Give a Python function of (event, ctx).")
    listened = (*events_or_types, *listed(trigger_conditions))

    def mark(function: F) -> F:
        name = getattr(function, "__qualname__", repr(function))
        listens = checked_listens(name, listened)
        return mark_action(function, ActionMark(listens, config, policy, target))

    if len(events_or_types) == 1 and _is_function(events_or_types[0]):
        checked_listens(getattr(events_or_types[0], "__qualname__", "?"), ())
    return mark


def mark_action(function: F, mark: ActionMark) -> F:
    """Leave a mark on a function; what it says is checked when the agent is compiled."""
    return _marked(function, _ACTION, mark)


def listed(entries: Any) -> Sequence[Any]:
    """The entries, also if one was given in place of a list of one."""
    return [entries] if isinstance(entries, (str, type)) else list(entries)


def checked_listens(action_name: str, events: Sequence[object]) -> tuple[type[Event] | str, ...]:
    """``events`` without repetitions, each an event class or a string of some length.

    Raises `AgentDefinitionError`, naming the action, for anything else and for none at all.
    """
    hint = "Name what it listens to, as in @action(InputEvent) or @action('order')."
    if not events:
        msg = f"The action {action_name!r} listens to nothing, so it would never run."
        raise AgentDefinitionError(msg, hint=hint)
    listens: dict[type[Event] | str, None] = {}
    for event in events:
        if (isinstance(event, str) and event.strip()) or (is_subclass(event, Event)):
            listens[event] = None
        else:
            msg = (
                f"The action {action_name!r} listens to {event!r}, which is neither a subclass of"
                " Event nor a string."
            )
            raise AgentDefinitionError(msg, hint=hint)
    return tuple(listens)


def checked_retry(retry: object) -> RetryPolicy | None:
    """The retry policy of an action; None for none.

    Raises `AgentDefinitionError` when it is no policy, or has a time limit, which only calls have.
    """
    if retry is None:
        return None
    try:
        policy = RetryPolicy.of(retry, "retry")
    except ConfigError as error:
        raise AgentDefinitionError(error.message, hint=error.hint) from None
    if policy.timeout is not None:
        msg = f"The retry policy of an action has a timeout of {policy.timeout:g} s."
        hint = (
            "Only durable calls have one; the time of a run is limited by the option run-timeout."
        )
        raise AgentDefinitionError(msg, hint=hint)
    return policy


def _is_function(value: object) -> bool:
    return isinstance(value, staticmethod) or (callable(value) and not isinstance(value, type))


def chat_model_connection(function: F) -> F:
    """The function, without parameters, returns the descriptor of a connection to chat models."""
    return _marked(function, _RESOURCE, ResourceType.CHAT_MODEL_CONNECTION)


def chat_model_setup(function: F) -> F:
    """The function, without parameters, returns the descriptor of a chat model."""
    return _marked(function, _RESOURCE, ResourceType.CHAT_MODEL)


def embedding_model_connection(function: F) -> F:
    """The function, without parameters, returns the descriptor of a connection to embeddings."""
    return _marked(function, _RESOURCE, ResourceType.EMBEDDING_MODEL_CONNECTION)


def embedding_model_setup(function: F) -> F:
    """The function, without parameters, returns the descriptor of an embedding model."""
    return _marked(function, _RESOURCE, ResourceType.EMBEDDING_MODEL)


def vector_store(function: F) -> F:
    """The function, without parameters, returns the descriptor of a vector store."""
    return _marked(function, _RESOURCE, ResourceType.VECTOR_STORE)


def mcp_server(function: F) -> F:
    """The function, without parameters, returns the descriptor of an MCP server."""
    return _marked(function, _RESOURCE, ResourceType.MCP_SERVER)


def skills(function: F) -> F:
    """The function, without parameters, returns `Skills`, or the descriptor of some."""
    return _marked(function, _RESOURCE, ResourceType.SKILLS)


def prompt(function: F) -> F:
    """The function, without parameters, returns a `Prompt`, or the descriptor of one."""
    return _marked(function, _RESOURCE, ResourceType.PROMPT)


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    *,
    approval: Approval = False,
    approval_timeout: float | str | timedelta | None = None,
    timeout: float | str | timedelta | None = None,
    retry: RetryPolicy | Mapping[str, Any] | int | None = None,
    idempotent: bool = True,
    limit: str = "",
    description: str | None = None,
    injected_args: Mapping[str, InjectedArg | Mapping[str, Any]] | None = None,
) -> Callable[[F], F]: ...


def tool(function: Any = None, /, **settings: Any) -> Any:
    """The function itself is a tool: a model sees its name, docstring and typed parameters.

    With or without settings, which are those of `ToolSettings`: ``@tool(approval=True)``.

    Raises `AgentDefinitionError` for a setting that is of no use.
    """

    def mark(marked: F) -> F:
        _marked(marked, _RESOURCE, ResourceType.TOOL)
        mark_tool(_unwrapped(marked), checked)
        return marked

    if function is not None and settings:
        raise AgentDefinitionError(
            f"@tool was given {function!r}.",
            hint="Write @tool above a function, or name its settings: @tool(approval=True).",
        )
    known = inspect.signature(ToolSettings).parameters
    unknown = sorted(settings.keys() - known.keys())
    if unknown:
        raise AgentDefinitionError(
            f"@tool has no setting {unknown[0]!r}.", hint=f"It has {', '.join(known)}."
        )
    checked = ToolSettings(**settings)
    return mark if function is None else mark(function)


def _marked(function: F, name: str, mark: object) -> F:
    try:
        setattr(_unwrapped(function), name, mark)
    except AttributeError:
        msg = f"{function!r} cannot be decorated."
        hint = "Decorate a function, or use add_action() and add_resource()."
        raise AgentDefinitionError(msg, hint=hint) from None
    return function


def _unwrapped(member: object) -> object:
    while isinstance(member, (staticmethod, classmethod)):
        member = member.__func__
    return member


def action_mark(member: object) -> ActionMark | None:
    """The mark that `action` left on a member of a class, or on the function within it."""
    mark: ActionMark | None = _mark(member, _ACTION)
    return mark


def resource_mark(member: object) -> ResourceType | None:
    """The type that a resource decorator left on a member of a class."""
    mark: ResourceType | None = _mark(member, _RESOURCE)
    return mark


def _mark(member: object, name: str) -> Any:
    function = _unwrapped(member)
    # Only functions: a class attribute may be any object, one that has every attribute included.
    return getattr(function, "__dict__", {}).get(name) if _is_function(function) else None
