"""As `flink_agents.api.function` of Flink Agents: functions, named or given."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, PrivateAttr, model_serializer

from tamias import AgentDefinitionError

__all__ = ["ACTION_PARAMETER_TYPES", "Function", "JavaFunction", "PythonFunction"]

ACTION_PARAMETER_TYPES: tuple[str, ...] = (
    "org.apache.flink.agents.api.Event",
    "org.apache.flink.agents.api.context.RunnerContext",
)
"""What each action written in Java takes."""


class FunctionNotFoundError(AgentDefinitionError, AttributeError):
    """There is no function of that name, or no module."""


class Function(BaseModel):
    """Base of what says which function is meant."""


class PythonFunction(Function):
    """A function of a module; `qualname` may lead through classes."""

    module: str
    qualname: str

    _function: Callable[..., Any] | None = PrivateAttr(None)

    @model_serializer
    def _serialized(self) -> dict[str, Any]:
        return {"func_type": "PythonFunction", "module": self.module, "qualname": self.qualname}

    @staticmethod
    def from_callable(func: Callable[..., Any]) -> PythonFunction:
        """Name a function; it is kept with its name, as not each function can be found by it."""
        body = getattr(func, "__func__", func)
        module = getattr(body, "__module__", None) or type(body).__module__
        name = getattr(body, "__qualname__", None) or type(body).__qualname__
        made = PythonFunction(module=module, qualname=name)
        made._function = body
        return made

    def as_callable(self) -> Callable[..., Any]:
        """Return the function.

        Raises:
            FunctionNotFoundError: there is none of that name.
        """
        if self._function is not None:
            return self._function
        try:
            found: Any = importlib.import_module(self.module)
            for name in self.qualname.split("."):
                found = getattr(found, name)
        except (ImportError, AttributeError) as error:
            msg = f"The function {self.module}:{self.qualname} cannot be found: {error}."
            raise FunctionNotFoundError(msg, hint="Check its module and its name.") from error
        function: Callable[..., Any] = found
        return function


class JavaFunction(Function):
    """A method of a Java class, which tamias can name, but not call."""

    qualname: str
    method_name: str
    parameter_types: list[str]

    @classmethod
    def for_action(cls, qualname: str, method_name: str) -> JavaFunction:
        """Name a method that takes what all actions do."""
        types = list(ACTION_PARAMETER_TYPES)
        return cls(qualname=qualname, method_name=method_name, parameter_types=types)

    @model_serializer
    def _serialized(self) -> dict[str, Any]:
        return {
            "func_type": "JavaFunction",
            "qualname": self.qualname,
            "method_name": self.method_name,
            "parameter_types": self.parameter_types,
        }

    def as_callable(self) -> Callable[..., Any]:
        """Fail, as there is no JVM.

        Raises:
            AgentDefinitionError: always.
        """
        raise AgentDefinitionError(
            f"{self.qualname}.{self.method_name} is a function in Java, which tamias cannot call.",
            hint="Write it in Python.",
        )
