"""`Action`: one function of an agent with what it listens to, checked so that it can be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from .errors import ActionResultError, AgentDefinitionError
from .event import Event
from .naming.public import public
from .waiting.retry import RetryPolicy  # noqa: TC001 (`public` evaluates the annotation)

__all__ = ["Action"]


@public
@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """A function that runs when an event it listens to arrives."""

    name: str
    fn: Callable[..., Any]
    """Called as ``fn(event, ctx)``."""
    is_async: bool
    """Whether ``fn`` returns a coroutine."""
    config: dict[str, Any]
    """The settings given where the action was declared."""
    listens: tuple[type[Event] | str, ...]
    retry: RetryPolicy | None = None
    """How often its failures are tried again; None for the job's default."""

    @classmethod
    def of(
        cls,
        name: str,
        fn: object,
        listens: tuple[type[Event] | str, ...],
        config: dict[str, Any],
        retry: RetryPolicy | None = None,
    ) -> Action:
        """The action ``name`` that calls ``fn``.

        Raises `AgentDefinitionError` when ``fn`` is no function, cannot be called with two
        positional arguments, or is a generator.
        """
        if isinstance(fn, staticmethod):
            fn = fn.__func__
        if not callable(fn):
            msg = f"The action {name!r} is {fn!r}, which cannot be called."
            raise AgentDefinitionError(msg, hint="Give a function of (event, ctx).")
        body = _body(fn)
        if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
            msg = f"The action {name!r} yields, so calling it would not run it."
            raise AgentDefinitionError(msg, hint="Send events with ctx.send_event() instead.")
        _check_signature(name, fn)
        return cls(name, fn, inspect.iscoroutinefunction(body), dict(config), listens, retry)

    def check_result(self, result: object) -> None:
        """Make sure that a call has done all that it was to do; most return None.

        Raises:
            ActionResultError: it returned an event, which is not sent by that, or a coroutine or
                generator, which has not run.
        """
        several = isinstance(result, (list, tuple))
        for item in result if several else (result,):  # type: ignore[attr-defined]
            if isinstance(item, Event):
                raise ActionResultError(
                    f"The action {self.name!r} returned an {type(item).__qualname__}, which sends "
                    "nothing.",
                    hint="Send it with ctx.send_event(event).",
                )
            if inspect.iscoroutine(item):
                item.close()
            if inspect.isawaitable(item) or inspect.isgenerator(item) or inspect.isasyncgen(item):
                kind = _kind_of(item)
                raise ActionResultError(
                    f"The action {self.name!r} returned a {kind} that has not run to its end.",
                    hint="Declare the action (and what wraps it) `async def`, and await it.",
                )


def _set_state(self: Action, state: Sequence[Any]) -> None:
    """Restore a pickled action; one that an older version has pickled has fewer fields."""
    known = iter(state)
    for field in fields(self):
        object.__setattr__(self, field.name, next(known, field.default))


# Not in the class: Python 3.10 replaces the method of a frozen class with slots.
Action.__setstate__ = _set_state  # type: ignore[attr-defined]


def _kind_of(item: object) -> str:
    """The name of its class; coroutines of compiled code have classes of their own."""
    name = type(item).__qualname__
    is_compiled = name.endswith("_gen") and hasattr(item, "send") and inspect.isawaitable(item)
    return "coroutine" if is_compiled else name


def _body(fn: Any) -> Any:
    """The function that holds the code: behind partials, and behind ``__call__`` of an object."""
    while isinstance(fn, partial):
        fn = fn.func
    if not inspect.isroutine(fn) and not isinstance(fn, type):
        fn = type(fn).__call__
    return fn


def _check_signature(name: str, fn: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(fn)
    except ValueError:  # a function of an extension, without a signature
        return
    try:
        signature.bind(None, None)
    except TypeError:
        msg = f"The action {name!r} takes {signature}, but is called with (event, ctx)."
        hint = "Declare two parameters, event and ctx"
        if "self" in signature.parameters:
            hint += ", without self, under @staticmethod"
        raise AgentDefinitionError(msg, hint=hint + ".") from None
