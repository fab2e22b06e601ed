"""As `flink_agents.api.decorators` of Flink Agents.

The marks that it leaves are tamias's, and besides those that programs for Flink Agents look for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import tamias
from tamias.agent.decorators import ActionMark, mark_action
from tamias.flink_agents.dialect import VARIABLE, dialect

from .events.event import Event
from .function import Function, JavaFunction, PythonFunction
from .tools.tool_parameter_injection import (
    InjectedArg,
    normalize_injected_args,
    validate_injected_arg_names,
)

__all__ = [
    "action",
    "chat_model_connection",
    "chat_model_setup",
    "embedding_model_connection",
    "embedding_model_setup",
    "java_resource",
    "mcp_server",
    "prompt",
    "skills",
    "tool",
    "vector_store",
]

_F = TypeVar("_F", bound=Callable[..., Any])
_C = TypeVar("_C", bound=type)


def action(*listens: Any, target: Function | None = None) -> Callable[[_F], _F]:
    """Make a function an action: of event classes (0.2), types (0.3), or also conditions (0.4).

    Raises:
        AssertionError: there are none, or one is of another kind (0.2, 0.3).
        TypeError: one is no text (0.4), or the target is no `Function`.
        ValueError: the target lacks a name.
    """
    _check_listens(listens)
    if target is not None and not isinstance(target, Function):
        msg = (
            "action(target=...) takes an api-layer Function descriptor, not a"
            f" {type(target).__name__}."
        )
        raise TypeError(msg)

    def mark(function: _F) -> _F:
        if target is not None:
            _check_target(target, getattr(function, "__qualname__", repr(function)))
        # What is listened to is checked when the agent is compiled.
        mark_action(function, ActionMark(listens, {}, None, target))
        name = "_trigger_conditions" if dialect() == "0.4" else "_listen_events"
        _leave(function, name, listens)
        if target is not None:
            _leave(function, "_target", target)
        return function

    return mark


def _check_listens(listens: tuple[Any, ...]) -> None:
    kind = dialect()
    if kind == "0.4":
        wrong = next((each for each in listens if not isinstance(each, str)), None)
        if wrong is not None:
            msg = f"What an action listens to must be a string, not {wrong!r}."
            raise TypeError(msg)
        return
    if not listens:
        msg = "An action listens to one event at least."
        raise AssertionError(msg)
    for each in listens:
        if kind == "0.2":
            if not (isinstance(each, type) and issubclass(each, Event)):
                msg = f"An action of Flink Agents 0.2 listens to classes of events, not {each!r}."
                raise AssertionError(f"{msg} For types of events, set {VARIABLE}=0.3.")
        elif not isinstance(each, str):
            msg = f"An action of Flink Agents {kind} listens to types of events, not {each!r}."
            raise AssertionError(f"{msg} For classes of events, set {VARIABLE}=0.2.")


def _check_target(target: Function, owner: str) -> None:
    needed: tuple[str, ...] = ()
    if isinstance(target, PythonFunction):
        needed = ("module", "qualname")
    elif isinstance(target, JavaFunction):
        needed = ("qualname", "method_name")
    if not all(getattr(target, name) for name in needed):
        msg = f"The target of {owner!r}, a {type(target).__name__}, needs {' and '.join(needed)}."
        raise ValueError(msg)


def _leave(member: Any, name: str, value: object) -> None:
    """Leave a mark where programs look for it: on a static method and on its function."""
    setattr(member, name, value)
    inner = getattr(member, "__func__", None)
    if inner is not None:
        setattr(inner, name, value)


def _resource(mark: Callable[[_F], _F], name: str) -> Callable[[_F], _F]:
    def decorator(func: _F) -> _F:
        marked = mark(func)
        _leave(marked, name, value=True)
        return marked

    decorator.__name__ = decorator.__qualname__ = mark.__name__
    decorator.__doc__ = mark.__doc__
    return decorator


chat_model_connection = _resource(tamias.chat_model_connection, "_is_chat_model_connection")
chat_model_setup = _resource(tamias.chat_model_setup, "_is_chat_model_setup")
embedding_model_connection = _resource(
    tamias.embedding_model_connection, "_is_embedding_model_connection"
)
embedding_model_setup = _resource(tamias.embedding_model_setup, "_is_embedding_model_setup")
mcp_server = _resource(tamias.mcp_server, "_is_mcp_server")
prompt = _resource(tamias.prompt, "_is_prompt")
skills = _resource(tamias.skills, "_is_skills")
vector_store = _resource(tamias.vector_store, "_is_vector_store")


def tool(
    func: Any = None, *, injected_args: Mapping[str, InjectedArg | Mapping[str, Any]] | None = None
) -> Any:
    """Make a function a tool; `injected_args` are those that a model does not see.

    Raises:
        TypeError: they are of another form.
        ValueError: the function has no such parameter.
    """
    injected = normalize_injected_args(injected_args)

    def mark(function: Any) -> Any:
        validate_injected_arg_names(getattr(function, "__func__", function), injected)
        tamias.tool(injected_args=injected)(function)
        _leave(function, "_is_tool", value=True)
        _leave(function, "_injected_args", injected)
        return function

    return mark if func is None else mark(func)


def java_resource(cls: _C) -> _C:
    """Mark a class as one that stands for a resource in Java."""
    cls._is_java_resource = True  # type: ignore[attr-defined]
    return cls
