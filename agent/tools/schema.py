"""What a model is told about a function: its text, and a pydantic model of its parameters.

The text of a parameter is from ``Annotated[T, "text"]``, else from a pydantic ``Field``, else from
the docstring, else ``Parameter: NAME``. Annotations are evaluated one by one: that of the result,
or of an injected parameter, may name what only a type checker sees.
"""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model
from pydantic.fields import FieldInfo

from ..context import RunnerContext
from ..errors import AgentDefinitionError
from ..failures.error_text import one_line
from .injection import InjectedArg, ToolParameterSource, annotated_injection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KEPT_OF_SCHEMA", "LONGEST_DESCRIPTION", "Described", "described", "parameters_of"]

LONGEST_DESCRIPTION: Final = 1024
"""Characters; services refuse longer ones."""
KEPT_OF_SCHEMA: Final = ("type", "properties", "required", "definitions", "$defs")

_CONTEXT: Final = re.compile(r"\bRunnerContext\b")
_UNNAMED: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Described(NamedTuple):
    """A function as a tool."""

    description: str
    arguments: type[BaseModel]
    """One field per parameter that the model gives."""
    injected: dict[str, InjectedArg]
    """The others, and where their values are from."""


def parameters_of(arguments: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of arguments as models get it."""
    schema = arguments.model_json_schema()
    return {name: schema[name] for name in KEPT_OF_SCHEMA if name in schema}


def described(
    name: str,
    func: Callable[..., Any],
    *,
    description: str | None = None,
    injected: Mapping[str, InjectedArg] | None = None,
) -> Described:
    """Describe a function.

    Raises:
        AgentDefinitionError: it cannot be described: ``*args``, ``**kwargs``, parameters without a
            type, types without a schema, or a text that is too long.
    """
    text, texts = _parsed(inspect.getdoc(func) or "")
    if description is not None:
        text = description
    if len(text) > LONGEST_DESCRIPTION:
        raise AgentDefinitionError(
            f"The description of the tool {name!r} has {len(text)} characters; services take"
            f" {LONGEST_DESCRIPTION}.",
            hint="Shorten the docstring, or give @tool(description=...).",
        )
    annotations = _annotations(func)
    found = dict(injected or {})
    fields: dict[str, Any] = {}
    parameters = inspect.signature(func).parameters
    unknown = sorted(found.keys() - parameters.keys())
    if unknown:
        raise AgentDefinitionError(
            f"The tool {name!r} has no parameter {unknown[0]!r}, which injected_args names.",
            hint=f"It has {', '.join(parameters) or 'none'}.",
        )
    for parameter in parameters.values():
        if parameter.kind in _UNNAMED:
            raise AgentDefinitionError(
                f"The tool {name!r} takes {parameter}, which cannot be described to a model.",
                hint="Give each parameter a name and a type.",
            )
        annotation = annotations.get(parameter.name, parameter.empty)
        own = _injection(annotation)
        if parameter.name in found:
            continue
        if own is not None:
            found[parameter.name] = own.with_default_key(parameter.name)
            continue
        fields[parameter.name] = _field(name, parameter, annotation, texts.get(parameter.name))
    return Described(text, _model(name, fields), found)


def _parsed(docstring: str) -> tuple[str, dict[str, str]]:
    """A docstring without its sections, and what it says of parameters."""
    if not docstring:
        return "", {}
    from docstring_parser import ParseError, parse  # noqa: PLC0415 (only agents with tools need it)

    try:
        parsed = parse(docstring)
    except ParseError:
        return docstring, {}
    if not parsed.meta:
        return docstring.strip(), {}
    lines = (parsed.short_description or "", parsed.long_description or "")
    joined = ("\n\n" if parsed.blank_after_short_description else "\n").join(filter(None, lines))
    texts = {each.arg_name: each.description for each in parsed.params if each.description}
    return joined.strip(), texts


class _Unresolved:
    """An annotation that cannot be evaluated."""

    def __init__(self, text: str, error: Exception) -> None:
        self.text = text
        self.error = error


def _annotations(func: Callable[..., Any]) -> dict[str, Any]:
    """The annotation of each parameter that has one, evaluated if it can be."""
    body: Any = func
    while isinstance(body, partial):
        body = body.func
    if not inspect.isroutine(body) and not isinstance(body, type):
        body = type(body).__call__
    body = inspect.unwrap(body)
    names: dict[str, Any] = dict(getattr(body, "__globals__", {}))
    if not names:
        module = sys.modules.get(getattr(body, "__module__", "") or "")
        names = dict(vars(module)) if module is not None else {}
    code = getattr(body, "__code__", None)
    for cell, name in zip(
        getattr(body, "__closure__", None) or (), code.co_freevars if code else (), strict=False
    ):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    found = {}
    for name, annotation in getattr(body, "__annotations__", {}).items():
        if isinstance(annotation, str):
            try:
                found[name] = eval(annotation, names)  # noqa: S307 (as typing.get_type_hints does)
            except Exception as error:  # noqa: BLE001 (it is any expression)
                found[name] = _Unresolved(annotation, error)
        else:
            found[name] = annotation
    return found


def _injection(annotation: object) -> InjectedArg | None:
    context = InjectedArg(source=ToolParameterSource.CONTEXT, key="")
    if isinstance(annotation, _Unresolved):
        return context if _CONTEXT.search(annotation.text) else None
    declared = annotated_injection(annotation)
    if declared is not None:
        return declared
    kinds = (annotation, *get_args(annotation))
    # For Python 3.10, dict[str, int] is a type, too.
    classes = [kind for kind in kinds if isinstance(kind, type) and get_origin(kind) is None]
    is_context = any(issubclass(kind, RunnerContext) for kind in classes)
    return context if is_context else None


def _field(
    tool: str, parameter: inspect.Parameter, annotation: object, text: str | None
) -> tuple[Any, FieldInfo]:
    if annotation is parameter.empty:
        raise AgentDefinitionError(
            f"The parameter {parameter.name!r} of the tool {tool!r} has no type, so it cannot be"
            " described to a model.",
            hint=f"Annotate it, as in `{parameter.name}: str`; `Any` stands for any JSON value.",
        )
    if isinstance(annotation, _Unresolved):
        raise AgentDefinitionError(
            f"The type {annotation.text!r} of the parameter {parameter.name!r} of the tool"
            f" {tool!r} is not known when the program runs, so it cannot be described to a model:"
            f" {annotation.error}.",
            hint="Define or import it at the top of the module, outside of `if TYPE_CHECKING:`.",
        )
    given = text or f"Parameter: {parameter.name}"
    if get_origin(annotation) is Annotated:
        plain, *extras = get_args(annotation)
        texts = [extra for extra in extras if isinstance(extra, str)]
        others = [extra for extra in extras if not isinstance(extra, str)]
        if texts:
            given = texts[0]
        elif any(isinstance(extra, FieldInfo) and extra.description for extra in others):
            given = ""
        annotation = plain
        for extra in others:
            annotation = Annotated[annotation, extra]
    default = ... if parameter.default is parameter.empty else parameter.default
    if isinstance(default, FieldInfo):
        if default.description or not given:
            return annotation, default
        return Annotated[annotation, default], Field(description=given)
    if not given:
        return annotation, Field(default=default)
    return annotation, Field(default=default, description=given)


def _model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    try:
        with warnings.catch_warnings():
            # A parameter may well be called `copy` or `schema`, as methods of every model are.
            warnings.simplefilter("ignore", UserWarning)
            model: type[BaseModel] = create_model(
                name, __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields
            )
        model.model_json_schema()
    except (PydanticUserError, TypeError, ValueError, NameError) as error:
        raise AgentDefinitionError(
            f"The parameters of the tool {name!r} cannot be described to a model:"
            f" {one_line(error)}.",
            hint="Annotate them with types that have a JSON schema.",
        ) from error
    return model
