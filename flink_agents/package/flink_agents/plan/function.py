"""As `flink_agents.plan.function` of Flink Agents: functions by name, which can be called."""

from __future__ import annotations

import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, get_type_hints

from pydantic import BaseModel, PrivateAttr

from ..api import function as api
from .utils import check_type_match

__all__ = [
    "Function",
    "JavaFunction",
    "PythonFunction",
    "call_python_awaitable",
    "call_python_function",
    "clear_python_function_cache",
    "get_python_function_cache_keys",
    "get_python_function_cache_size",
]

logger = logging.getLogger(__name__)

_NO_RESULT = (inspect.Signature.empty, None, type(None), "None")
_WITHOUT_LOOP = ("no running event loop", "await wasn't used with future")


class Function(BaseModel, ABC):
    """Base of functions that can be called."""

    @abstractmethod
    def check_signature(self, *args: Any) -> None:
        """Raise TypeError unless it takes these types."""

    def warn_if_returns_value(self, action_name: str) -> None:  # noqa: ARG002 (for Python)
        """Warn if it says that it returns something, which nobody gets."""
        return

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""


class PythonFunction(api.PythonFunction, Function):
    """A function of Python, imported at its first call."""

    _is_cacheable: bool | None = PrivateAttr(default=None)

    @staticmethod
    def from_callable(func: Callable[..., Any]) -> PythonFunction:
        """The name of a function, with the function, which need not be found by it."""
        return PythonFunction.of(api.PythonFunction.from_callable(func))

    @staticmethod
    def of(named: api.PythonFunction) -> PythonFunction:
        """The same function in this class."""
        made = PythonFunction(module=named.module, qualname=named.qualname)
        made._function = named._function  # noqa: SLF001 (of the base class)
        return made

    def as_callable(self) -> Callable[..., Any]:
        """The function itself, which is imported once."""
        if self._function is None:
            self._function = super().as_callable()
        return self._function

    def check_signature(self, *args: Any) -> None:
        """Raise TypeError unless it takes these types."""
        function = self.as_callable()
        parameters = inspect.signature(function).parameters
        try:
            hints = get_type_hints(function)
        except (AttributeError, NameError):
            hints = {}
        given = [hints.get(name, each.annotation) for name, each in parameters.items()]
        wrong = f"{self.qualname} takes {given}, wanted: {args}."
        if len(given) != len(args):
            raise TypeError(wrong)
        try:
            for one, other in zip(given, args, strict=True):
                check_type_match(one, other)
        except TypeError as error:
            raise TypeError(wrong) from error

    def warn_if_returns_value(self, action_name: str) -> None:
        """Warn if it says that it returns something, which nobody gets."""
        annotation = inspect.signature(self.as_callable()).return_annotation
        if annotation not in _NO_RESULT:
            logger.warning(
                "The action %r returns %s, which is ignored. Send events with ctx.send_event().",
                action_name,
                annotation,
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return self.as_callable()(*args, **kwargs)

    def is_cacheable(self) -> bool:
        """Whether one object may stand for it in all calls."""
        if self._is_cacheable is None:
            self._is_cacheable = _is_function_cacheable(self.as_callable())
        return self._is_cacheable

    def __eq__(self, other: object) -> bool:
        """Whether it is the same function, imported or not."""
        if not isinstance(other, PythonFunction):
            return NotImplemented
        return (self.module, self.qualname) == (other.module, other.qualname)

    def __hash__(self) -> int:
        return hash((self.module, self.qualname))


class JavaFunction(api.JavaFunction, Function):
    """A method of Java, called through the adapter that Flink Agents' runtime gives."""

    _j_resource_adapter: Any = PrivateAttr(default=None)

    def set_java_resource_adapter(self, adapter: Any) -> None:
        """Set what calls it."""
        self._j_resource_adapter = adapter

    def check_signature(self, *args: Any) -> None:
        """Raise TypeError unless it takes as many parameters."""
        if len(self.parameter_types) != len(args):
            raise TypeError(
                f"{self.qualname}.{self.method_name} declares {len(self.parameter_types)} parameter"
                f" type(s), {self.parameter_types}, wanted: {len(args)}."
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it: with arguments by position as an action, by name as a tool."""
        adapter = self._j_resource_adapter
        if adapter is None:
            raise RuntimeError(
                f"{self.qualname}.{self.method_name} needs the JVM resource adapter, which is not"
                " set: tamias calls no functions of Java."
            )
        if args and kwargs:
            raise TypeError(
                "A function of Java is called without mixing positional and keyword arguments."
            )
        call = adapter.invokeJavaAction if args else adapter.invokeJavaTool
        given: Any = list(args) if args else kwargs
        return call(self.qualname, self.method_name, self.parameter_types, given)


def _is_function_cacheable(func: Any) -> bool:
    """Whether a function keeps nothing between calls that a second object would not share."""
    if func is None or inspect.ismethod(func) or getattr(func, "__closure__", None) is not None:
        return False
    if inspect.isgeneratorfunction(func) or inspect.iscoroutinefunction(func):
        return False
    try:
        parameters = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):
        return False
    # None as a default often stands for a list that the function makes.
    return not any(
        each.default is None or isinstance(each.default, (dict, list, set)) for each in parameters
    )


_functions: dict[tuple[str, str], PythonFunction] = {}


def call_python_function(module: str, qualname: str, func_args: tuple[Any, ...]) -> Any:
    """Call a function by its name."""
    function = _functions.get((module, qualname))
    if function is None:
        function = PythonFunction(module=module, qualname=qualname)
        if function.is_cacheable():
            _functions[(module, qualname)] = function
    return function(*func_args)


def clear_python_function_cache() -> None:
    """Forget the functions that have been called by name."""
    _functions.clear()


def get_python_function_cache_size() -> int:
    """How many functions are kept."""
    return len(_functions)


def get_python_function_cache_keys() -> list[tuple[str, str]]:
    """Modules and names of the functions that are kept."""
    return list(_functions)


def call_python_awaitable(awaitable: Any) -> tuple[bool, Any]:
    """Take a coroutine or generator one step on: whether it is done, and what it gives.

    Raises RuntimeError for one that needs an event loop.
    """
    try:
        return False, awaitable.send(None)
    except StopIteration as done:
        return True, done.value
    except RuntimeError as error:
        if any(text in str(error) for text in _WITHOUT_LOOP):
            raise RuntimeError(
                "asyncio functions need an event loop, which there is none of in this call; await"
                " ctx.durable_execute_async(...) instead."
            ) from error
        raise
