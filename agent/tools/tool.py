"""`Tool`: what a model may ask to be called; `FunctionTool` makes one of a plain function.

The description of a function and the schema of its parameters are made when they are first asked
for, and left behind when the tool is pickled, so that it travels as its function and nothing else.
"""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from types import CodeType
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from ..errors import AgentDefinitionError
from ..naming.public import public
from ..resources.resource import Resource, ResourceType, SerializableResource
from .arguments import check_arguments
from .metadata import ToolMetadata, ToolType
from .schema import Described, described, parameters_of
from .settings import Approval, ToolSettings, settings_of

if TYPE_CHECKING:
    from ..context import RunnerContext
    from ..waiting.retry import RetryPolicy

__all__ = ["FunctionTool", "Tool", "as_tool"]

_DIGEST_BYTES = 16
_DEFAULT = ToolSettings()
_MISSING = object()


@public
class Tool(SerializableResource, ABC):
    """Base of all tools.

    A subclass has `call`, or `acall`, and says what it is by ``metadata``, given to the
    constructor, or by the properties `name`, `description` and `parameters`.
    """

    settings: ToolSettings | None = Field(default=None, exclude=True, repr=False)
    """How it is called; None for the defaults."""

    runs_in_action: ClassVar[bool] = False
    """Whether `run` is called, in the action, in place of `acall` in a durable call."""

    _given: ToolMetadata | None = PrivateAttr(default=None)

    def __init__(self, *, metadata: ToolMetadata | None = None, **data: Any) -> None:
        """`metadata`: what a model is told about the tool."""
        super().__init__(**data)
        self._given = metadata

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.TOOL`."""
        return ResourceType.TOOL

    @classmethod
    def tool_type(cls) -> ToolType:
        """What kind of tool it is."""
        return ToolType.FUNCTION

    @staticmethod
    def from_callable(func: Callable[..., Any], **settings: Any) -> FunctionTool:
        """A tool that calls ``func``; `settings` are those of `ToolSettings`."""
        return FunctionTool(func=func, settings=ToolSettings(**settings) if settings else None)

    # -------------------------------------------------------------- what a model is told

    @property
    def name(self) -> str:
        """The name a model calls the tool by."""
        return self._metadata_given().name

    @property
    def description(self) -> str:
        """What the tool does, in words for a model."""
        return self._metadata_given().description

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema, an object, of the arguments."""
        return self._metadata_given().get_parameters_dict()

    @property
    def metadata(self) -> ToolMetadata:
        """All that a model is told."""
        if self._given is not None:
            return self._given
        return ToolMetadata(
            name=self.name, description=self.description, args_schema=self.parameters
        )

    def _metadata_given(self) -> ToolMetadata:
        if self._given is None:
            raise AgentDefinitionError(
                f"The tool class {type(self).__qualname__} does not say its name.",
                hint="Pass metadata=ToolMetadata(name=...) to Tool.__init__, or define the"
                " properties name, description and parameters.",
            )
        return self._given

    # -------------------------------------------------------------- how it is called

    @property
    def call_settings(self) -> ToolSettings:
        """How it is called."""
        return self.settings or _DEFAULT

    @property
    def approval(self) -> Approval:
        """Whether calls need an approval."""
        return self.call_settings.approval

    @property
    def timeout(self) -> float | None:
        """The time limit of an attempt, in seconds."""
        return self.call_settings.timeout

    @property
    def retry(self) -> RetryPolicy | None:
        """How often a failed call is tried again."""
        return self.call_settings.retry

    @property
    def idempotent(self) -> bool:
        """Whether a call that a crash has cut off may be made again."""
        return self.call_settings.idempotent

    @property
    def limit(self) -> str:
        """The name of the limits that calls are subject to."""
        return self.call_settings.limit

    def check_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments that a model has given, as `acall` gets them.

        Raises:
            ToolArgumentsError: they do not fit the schema; what is wrong, in words for a model.
        """
        schema = None if self._given is None else self._given.args_schema
        return check_arguments(self.parameters if schema is None else schema, arguments)

    def injected_arguments(self, ctx: RunnerContext) -> dict[str, Any]:  # noqa: ARG002 (for some)
        """Return the arguments that the model does not give."""
        return {}

    def digest(self) -> str:
        """A digest of what the tool is: its name, description, schema, and its code if known.

        An approval counts as long as it is the same.
        """
        text = json.dumps([self.name, self.description, self.parameters], sort_keys=True)
        return blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()

    @abstractmethod
    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the tool. What an ``async`` tool returns has to be awaited."""

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """The awaitable form of `call`, for tools of either sort; others wait in a thread."""
        from ..waiting.threads import call_in_thread  # noqa: PLC0415 (as below)

        result = await call_in_thread(partial(self.call, *args, **kwargs))
        return await result if inspect.isawaitable(result) else result

    async def aresume(self, state: Any, answer: Any, /, **arguments: Any) -> Any:
        """Go on with a call that has returned `InputRequired`; returns what `acall` does."""
        raise NotImplementedError(f"{type(self).__qualname__} asks for input, and has no aresume")

    async def run(self, ctx: RunnerContext, call_id: str, arguments: dict[str, Any]) -> Any:
        """Do the work in the action, with durable calls of its own; for `runs_in_action`."""
        raise NotImplementedError(f"{type(self).__qualname__} has no run")

    def __setstate__(self, state: dict[Any, Any]) -> None:
        # What older versions have pickled has no settings.
        fields = {"settings": None, **(state.get("__dict__") or {})}
        private = state.get("__pydantic_private__")
        if private is not None:
            private = {"_given": None, **private}
        super().__setstate__({**state, "__dict__": fields, "__pydantic_private__": private})


@public
class FunctionTool(Tool):
    """A tool that is a function."""

    model_config = ConfigDict(frozen=True)

    func: Callable[..., Any] = Field(exclude=True)

    @property
    def name(self) -> str:
        """The name of the function."""
        return str(getattr(self.func, "__name__", type(self.func).__name__))

    @property
    def call_settings(self) -> ToolSettings:
        """Those that it was given, or else those of ``@tool(...)``."""
        return self.settings or settings_of(self.func)

    @property
    def _described(self) -> Described:
        cached: Described | None = self.__dict__.get("_description")
        if cached is None:
            settings = self.call_settings
            cached = self.__dict__["_description"] = described(
                self.name,
                self.func,
                description=settings.description,
                injected=settings.injected_args,
            )
        return cached

    @property
    def description(self) -> str:
        """The docstring of the function, without its sections."""
        return self._described.description

    @property
    def args_schema(self) -> type[BaseModel]:
        """A pydantic model with one field per parameter that the model gives.

        Raises `AgentDefinitionError` for parameters that cannot be described: ``*args``,
        ``**kwargs``, parameters without a type, and types without a schema.
        """
        return self._described.arguments

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the parameters."""
        return parameters_of(self.args_schema)

    @property
    def metadata(self) -> ToolMetadata:
        """All that a model is told."""
        return ToolMetadata(
            name=self.name, description=self.description, args_schema=self.args_schema
        )

    def check_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """As `Tool.check_arguments`, by the types of the parameters."""
        return check_arguments(self.args_schema, arguments)

    def injected_arguments(self, ctx: RunnerContext) -> dict[str, Any]:
        """Return the arguments that the model does not give.

        Raises:
            AgentDefinitionError: there is none, and the parameter has no default.
        """
        found = {}
        for name, arg in self._described.injected.items():
            value = arg.find(ctx, _MISSING)
            if value is not _MISSING:
                found[name] = value
            elif inspect.signature(self.func).parameters[name].default is inspect.Parameter.empty:
                raise AgentDefinitionError(
                    f"The tool {self.name!r} wants {name!r} from {arg.source.value}, where"
                    f" {arg.key!r} is not set.",
                    hint="Set it, or give the parameter a default.",
                )
        return found

    def digest(self) -> str:
        """A digest of description, schema and code; not of other functions that it calls."""
        code: Any = self.func
        while isinstance(code, partial):
            code = code.func
        code = getattr(inspect.unwrap(code), "__code__", None)
        parts = [super().digest(), _code_text(code) if isinstance(code, CodeType) else ""]
        return blake2b("".join(parts).encode(), digest_size=_DIGEST_BYTES).hexdigest()

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.func(*args, **kwargs)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Await the function; one that blocks runs in a thread."""
        body = self.func
        while isinstance(body, partial):
            body = body.func
        if inspect.iscoroutinefunction(body):
            return await self.func(*args, **kwargs)
        from ..waiting.threads import call_in_thread  # noqa: PLC0415 (asyncio is not for those who declare)

        result = await call_in_thread(partial(self.func, *args, **kwargs), self.timeout)
        return await result if inspect.isawaitable(result) else result

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        fields = dict(state["__dict__"])
        fields.pop("_description", None)
        fields.pop("_args_schema", None)
        return {**state, "__dict__": fields}


def _code_text(code: CodeType) -> str:
    """What a function does, the same in all processes of one version of Python."""
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(_code_text(constant))
        elif isinstance(constant, frozenset):
            constants.append(repr(sorted(map(repr, constant))))
        else:
            constants.append(repr(constant))
    names = [code.co_names, code.co_varnames, code.co_freevars]
    return json.dumps([code.co_code.hex(), constants, names, code.co_flags])


def as_tool(kind: ResourceType, declared: Any) -> Any:
    """Return the tool for a function that is declared as one, and all else as it is.

    Raises:
        AgentDefinitionError: the function cannot be described to a model.
    """
    if kind is not ResourceType.TOOL:
        return declared
    if callable(declared) and not isinstance(declared, Resource):
        declared = FunctionTool(func=declared)
    if isinstance(declared, FunctionTool):
        declared.args_schema  # noqa: B018  (a tool that cannot be described is found out now)
    return declared
