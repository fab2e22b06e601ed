"""As `flink_agents.api.tools.utils` of Flink Agents: classes of arguments, and their schemas."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from docstring_parser import parse
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

__all__ = [
    "create_java_tool_schema_str_from_model",
    "create_model_from_java_tool_schema_str",
    "create_model_from_schema",
    "create_schema_from_function",
]

_TYPES: Final[dict[str, Any]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": NoneType,
    "number": float,
    "object": dict,
    "string": str,
}
"""By their names in JSON schema."""

_LIMITS: Final = {
    "exclusiveMaximum": "lt",
    "exclusiveMinimum": "gt",
    "maxItems": "max_length",
    "maxLength": "max_length",
    "maximum": "le",
    "minItems": "min_length",
    "minLength": "min_length",
    "minimum": "ge",
    "pattern": "pattern",
}
"""By their names in JSON schema, those in pydantic."""


def create_schema_from_function(
    name: str, func: Callable[..., Any], injected_args: Iterable[str] | None = None
) -> type[BaseModel]:
    """A class with a field for each parameter of a function that is not injected."""
    texts = {each.arg_name: each.description for each in parse(func.__doc__ or "").params}
    left_out = set(injected_args or ())
    fields: dict[str, Any] = {
        each.name: _field(each, texts.get(each.name))
        for each in _parameters(func)
        if each.name not in left_out
    }
    return create_model(name, **fields)


def _parameters(func: Callable[..., Any]) -> Iterable[inspect.Parameter]:
    try:
        return inspect.signature(func, eval_str=True).parameters.values()
    except NameError:  # an annotation that only a type checker sees
        return inspect.signature(func).parameters.values()


def _field(parameter: inspect.Parameter, text: str | None) -> tuple[Any, Any]:
    description: str | None = text or f"Parameter: {parameter.name}"
    annotation, default = parameter.annotation, parameter.default
    if get_origin(annotation) is Annotated:
        annotation, first, *_ = get_args(annotation)
        if isinstance(first, FieldInfo):
            description = first.description
        elif isinstance(first, str):
            description = first
    if annotation is parameter.empty:
        annotation = Any
    if isinstance(default, FieldInfo):
        return annotation, default
    if default is parameter.empty:
        return annotation, Field(description=description)
    return annotation, Field(default=default, description=description)


def create_model_from_schema(name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
    """The class with a JSON schema."""
    return _Reader(schema.get("$defs") or schema.get("definitions") or {}).model(name, schema)


class _Reader:
    """Makes classes of the schemas of one document."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._models: dict[str, Any] = {}

    def model(self, name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
        """The class for a schema of an object with properties."""
        required = schema.get("required") or ()
        fields: dict[str, Any] = {}
        for each, described in (schema.get("properties") or {}).items():
            given = {
                ours: described[theirs] for theirs, ours in _LIMITS.items() if theirs in described
            }
            if "description" in described:
                given["description"] = described["description"]
            kind = self._type(described)
            if "default" in described:
                given["default"] = described["default"]
            elif each not in required:
                given["default"] = None
                kind = kind | None if kind is not Any else kind
            fields[each] = (kind, Field(**given))
        return create_model(name, __doc__=schema.get("description") or "", **fields)

    def _type(self, schema: Mapping[str, Any]) -> Any:
        if "$ref" in schema:
            return self._named(schema["$ref"].rpartition("/")[2])
        if "enum" in schema:
            return Literal[tuple(schema["enum"])]
        if "anyOf" in schema:
            return Union[tuple(self._type(each) for each in schema["anyOf"])]  # noqa: UP007
        kind = schema.get("type")
        if isinstance(kind, list):
            return Union[tuple(_TYPES.get(each, Any) for each in kind)]  # noqa: UP007
        if kind == "array":
            return list[self._type(schema.get("items") or {})]  # type: ignore[misc]
        if kind == "object":
            values = schema.get("additionalProperties")
            inner = self._type(values) if isinstance(values, Mapping) else Any
            return dict[str, inner]  # type: ignore[valid-type]
        return _TYPES.get(kind or "", Any)

    def _named(self, name: str) -> Any:
        """The class of a definition; any value within itself, and where there is none."""
        if name not in self._models:
            self._models[name] = Any
            found = self._definitions.get(name)
            if found is not None:
                is_object = "properties" in found
                self._models[name] = self.model(name, found) if is_object else self._type(found)
        return self._models[name]


def create_model_from_java_tool_schema_str(name: str, schema_str: str) -> type[BaseModel]:
    """The class with the schema that Java has of a tool: all fields are required."""
    fields: dict[str, Any] = {
        each: (
            _TYPES.get(described.get("type", ""), Any),
            Field(description=described.get("description") or f"Parameter: {each}"),
        )
        for each, described in json.loads(schema_str).get("properties", {}).items()
    }
    return create_model(name, **fields)


def create_java_tool_schema_str_from_model(model: type[BaseModel]) -> str:
    """The schema that Java takes of the arguments of a tool."""
    names = {kind: name for name, kind in _TYPES.items()}
    properties = {}
    for each, field in model.model_fields.items():
        kind = field.annotation
        if get_origin(kind) in (Union, UnionType):
            kind = next((one for one in get_args(kind) if one is not NoneType), None)
        properties[each] = {
            "type": names.get(get_origin(kind) or kind, "string"),
            "description": field.description or f"Parameter: {each}",
        }
    required = [each for each, field in model.model_fields.items() if field.is_required()]
    schema: dict[str, Any] = {"properties": properties}
    if required:
        schema["required"] = required
    return json.dumps(schema, ensure_ascii=False)
