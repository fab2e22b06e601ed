"""Tools whose class is a Java class, and static methods as tools."""

from __future__ import annotations

from typing import Any

from pydantic import PrivateAttr

from ...agent.errors import UsageError
from ...agent.naming.public import public
from ...agent.tools.tool import Tool
from .java_resource import JavaResource


@public
class JavaTool(JavaResource, Tool):
    """A tool that lives in Java: a static method, or a subclass of Java's ``Tool``.

    For a method give ``java_clazz`` and ``java_method``. Its description for models is taken from
    the annotations ``@Tool`` and ``@ToolParam``.
    """

    _metadata: dict[str, Any] | None = PrivateAttr(default=None)

    @property
    def name(self) -> str:
        """The name a model calls the tool by."""
        return str(self._described()["name"])

    @property
    def description(self) -> str:
        """What the tool does."""
        return str(self._described()["description"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        schema: dict[str, Any] = self._described()["schema"]
        return schema

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the tool, with its arguments by name.

        Raises:
            UsageError: an argument has no name.
            JavaCallError: the tool has failed; and as `JavaCalls.call`.
        """
        return self.java_call("call", **self._named(args, kwargs))

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """The awaitable form of `call`."""
        return await self.java_acall("call", **self._named(args, kwargs))

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if args:
            raise UsageError(
                f"The Java tool {self.java_name!r} was called with arguments without names.",
                hint="Java's tools take arguments by name: call(city='Ulm').",
            )
        return {"kwargs": kwargs}

    def _described(self) -> dict[str, Any]:
        if self._metadata is None:
            self._metadata = self.java_call("metadata")
        return self._metadata
