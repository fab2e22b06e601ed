"""`DurableResource`: a resource whose calls are durable where an action makes them.

``ctx.get_resource`` gives an action a copy of such a resource that knows the context (`bound`). A
call of one of its methods is a durable call of that action. Inside a durable function, and without
a context, the method is called as it is: there, it is part of another call, or of none.

The copy shares the fields of the resource. What makes the call is the resource itself, so a client
that it opens at its first use is opened once, and closed when the worker ends.

A class of the user's that overrides ``chat`` or ``query`` need not know about this: methods named
in `_DURABLE` are wrapped when a class is defined. One that defines the plain form alone gets an
awaitable form, which calls it in a thread.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, PrivateAttr
from pydantic_core import to_jsonable_python

from ..limits.limited_call import LimitedCall, Route
from ..resources.model_errors import ModelError
from ..resources.resource import Resource
from ..waiting.threads import call_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from ..metrics import MetricGroup
    from ..resources.call_context import CallContext
    from ..resources.recording import CallRecorder

__all__ = ["DurableResource", "ResourceCall", "declared_name", "own_durability"]

F = TypeVar("F")

_IS_DURABLE = "_tamias_is_durable"


def own_durability(function: F) -> F:
    """Mark a method that makes its own durable calls, or none, so that it is not wrapped."""
    setattr(function, _IS_DURABLE, True)
    return function


class DurableResource(Resource, ABC):
    """Base of resources whose calls are durable."""

    _DURABLE: ClassVar[dict[str, str]] = {}
    """Names of methods whose calls are durable: the plain form, and the awaitable one."""
    _ANSWER: ClassVar[type[BaseModel] | None] = None
    """The class of what they return; None for what is JSON itself."""

    # Of a bound copy; the classes are known to type checkers only.
    _context: Any = PrivateAttr(default=None)
    _origin: Any = PrivateAttr(default=None)
    _recorder: Any = PrivateAttr(default=None)
    _failed_attempts: int = PrivateAttr(default=0)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for plain, awaitable in cls._DURABLE.items():
            _wrap(cls, plain, awaitable)

    def bound(self, context: CallContext, metric_group: MetricGroup) -> Self:
        """A copy whose calls are durable calls of the action that has this context."""
        self.set_metric_group(metric_group)
        clazz = type(self)
        copy = clazz.__new__(clazz)
        assign = object.__setattr__
        assign(copy, "__dict__", self.__dict__)
        assign(copy, "__pydantic_fields_set__", self.__pydantic_fields_set__)
        assign(copy, "__pydantic_extra__", self.__pydantic_extra__)
        private = {**(self.__pydantic_private__ or {})}
        private.update(_context=context, _origin=self, _metric_group=metric_group)
        assign(copy, "__pydantic_private__", private)
        return copy

    def recorded_by(self, recorder: CallRecorder) -> None:
        """Have calls recorded, or answered from what is on record."""
        self._recorder = recorder

    @property
    def failed_attempts(self) -> int:
        """How often awaited calls of this bound copy have failed, and were tried again."""
        return self._failed_attempts

    @property
    def unbound(self) -> Self:
        """The resource that this is a copy of, or this one itself."""
        origin: Self | None = self._origin
        return self if origin is None else origin

    def _is_durable_here(self) -> bool:
        context: CallContext | None = self._context
        return context is not None and not context.is_inside_durable_call

    def _make(self, call: ResourceCall, **options: Any) -> Any:
        """Make a call, durably where an action makes it; blocks."""
        if self._is_durable_here():
            return self._context.durable_execute(call, **options)
        return call.make_now()

    async def _amake(self, call: ResourceCall, **options: Any) -> Any:
        """The awaitable form of `_make`."""
        if not self._is_durable_here():
            return await call.make()
        answer = await self._context.durable_execute_async(call, **options)
        if call.failed_attempts:
            self._failed_attempts += call.failed_attempts
        return answer

    def _call_options(self) -> dict[str, Any]:
        """The options of its durable calls."""
        return {}

    def _routes(self) -> tuple[Route, ...]:
        """The routes of a call of a method that a subclass has overridden."""
        return (Route(type(self).__name__),)


def declared_name(resource: DurableResource) -> str:
    """The name by which the agent declares a resource; empty if that is not known."""
    context: CallContext | None = resource._context  # noqa: SLF001 (its own)
    return "" if context is None else context.resource_name(resource.unbound)


class ResourceCall(LimitedCall):
    """One call of a resource, durable or not."""

    recorder: CallRecorder | None = None

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], routes: tuple[Route, ...]
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.routes = routes

    async def attempt(self, route: int) -> Any:
        """Make the call by a route, or have it answered from what is on record."""
        if (recorder := self.recorder) is None:
            return await self.perform(route)
        if recorder.replays:
            return self.from_json(recorder.find(self.asked()))
        answer = await self.perform(route)
        recorder.add(self.asked(), self.to_json(answer))
        return answer

    def attempt_now(self, route: int) -> Any:
        """The same; blocks."""
        if (recorder := self.recorder) is None:
            return self.perform_now(route)
        if recorder.replays:
            return self.from_json(recorder.find(self.asked()))
        answer = self.perform_now(route)
        recorder.add(self.asked(), self.to_json(answer))
        return answer

    async def make(self) -> Any:
        """Make the call by the first route that does not fail for the moment only."""
        for route in range(len(self.routes) - 1):
            try:
                return await self.attempt(route)
            except ModelError as error:
                if not error.is_temporary:
                    raise
        return await self.attempt(len(self.routes) - 1)

    def make_now(self) -> Any:
        """The same; blocks."""
        for route in range(len(self.routes) - 1):
            try:
                return self.attempt_now(route)
            except ModelError as error:
                if not error.is_temporary:
                    raise
        return self.attempt_now(len(self.routes) - 1)

    @abstractmethod
    async def perform(self, route: int) -> Any:
        """Make the call."""

    @abstractmethod
    def perform_now(self, route: int) -> Any:
        """Make the call; blocks."""

    def asked(self) -> dict[str, Any]:
        """What is asked, as JSON: a recorded call is recognised by this; calls of stores are none.

        Raises:
            NotImplementedError: calls of this kind are not recorded.
        """
        raise NotImplementedError(type(self).__qualname__)

    def to_json(self, answer: Any) -> Any:
        """An answer as JSON."""
        return answer

    def from_json(self, recorded: Any) -> Any:
        """The answer of which this is the JSON."""
        return recorded


class OverriddenCall(ResourceCall):
    """A call of a method that a user's class has defined."""

    def __init__(
        self,
        resource: DurableResource,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(function, (args, kwargs), resource._routes())  # noqa: SLF001 (its own)
        self._resource = resource
        self.recorder = resource._recorder  # noqa: SLF001 (its own)
        self._call = functools.partial(function, resource, *args, **kwargs)

    def asked(self) -> dict[str, Any]:
        """The arguments, with the name of the method."""
        args, kwargs = to_jsonable_python(self.arguments, fallback=repr)
        return {"call": self.function.__qualname__, "args": args, "kwargs": kwargs}

    def to_json(self, answer: Any) -> Any:
        """The answer's dump."""
        return to_jsonable_python(answer)

    def from_json(self, recorded: Any) -> Any:
        """The answer in its class."""
        clazz = self._resource._ANSWER  # noqa: SLF001 (its own)
        return recorded if clazz is None else clazz.model_validate(recorded)

    async def perform(self, route: int) -> Any:  # noqa: ARG002 (there is one)
        """Await the method, or call it in a thread."""
        if inspect.iscoroutinefunction(self.function):
            return await self._call()
        return await call_in_thread(self._call)

    def perform_now(self, route: int) -> Any:  # noqa: ARG002 (there is one)
        """Call the method."""
        return self._call()


def _wrap(cls: type[DurableResource], plain: str, awaitable: str) -> None:
    """Make the calls of a method and of its awaitable form durable."""
    function, own = getattr(cls, plain), getattr(cls, awaitable)
    if not _is_done(function):
        setattr(cls, plain, _durable(function))
    if not _is_done(own):
        setattr(cls, awaitable, _durable_async(own))
    elif not getattr(function, "__isabstractmethod__", False) and (
        _definer(cls, plain) < _definer(cls, awaitable)
    ):
        # The plain form alone was overridden: the inherited awaitable form knows nothing of it.
        made = _durable_async(getattr(cls, plain).overridden)
        made.__name__, made.__doc__ = awaitable, own.__doc__
        setattr(cls, awaitable, made)


def _is_done(function: Any) -> bool:
    return getattr(function, _IS_DURABLE, False) or getattr(function, "__isabstractmethod__", False)


def _definer(cls: type, name: str) -> int:
    """The place, in the order of resolution, of the class that defines a method."""
    return next(place for place, each in enumerate(cls.__mro__) if name in each.__dict__)


def _durable(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(self: DurableResource, *args: Any, **kwargs: Any) -> Any:
        made = OverriddenCall(self.unbound, function, args, kwargs)
        if not self._is_durable_here():
            return made()
        return self._context.durable_execute(made, **self._call_options())

    call.overridden = function  # type: ignore[attr-defined]
    return own_durability(call)


def _durable_async(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(self: DurableResource, *args: Any, **kwargs: Any) -> Any:
        made = OverriddenCall(self.unbound, function, args, kwargs)
        if not self._is_durable_here():
            return await made.attempt(0)
        answer = await self._context.durable_execute_async(made, **self._call_options())
        if made.failed_attempts:
            self._failed_attempts += made.failed_attempts
        return answer

    return own_durability(call)
