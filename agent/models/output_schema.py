"""`OutputSchema`: what a model's answer is to be, as a class, as JSON schema, as a parsed value."""

from __future__ import annotations

import json
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_serializer
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from ..errors import AgentDefinitionError
from ..naming.public import public
from ..resources.model_errors import ModelError
from ..row import Row

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["STRUCTURED_OUTPUT", "OutputParseError", "OutputSchema"]

STRUCTURED_OUTPUT = "structured_output"
"""Where the parsed value is, in the ``extra_args`` of an answer."""

_FENCED = re.compile(r"```[\w+-]*[ \t]*\r?\n?(.*?)\r?\n?[ \t]*```", re.DOTALL)
_LONGEST_SHOWN = 500

_JSON_TYPES = {
    "STRING": "string",
    "CHAR": "string",
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "BYTE": "integer",
    "SHORT": "integer",
    "INT": "integer",
    "INTEGER": "integer",
    "LONG": "integer",
    "BIG_INT": "integer",
    "BIGINT": "integer",
    "FLOAT": "number",
    "DOUBLE": "number",
    "BIG_DEC": "number",
    "CHARACTER": "string",
    "INSTANT": "string",
    "BIGINTEGER": "integer",
    "BIGDECIMAL": "number",
    "LISTTYPEINFO": "array",
    "LIST": "array",
    "BASICARRAY": "array",
    "OBJECTARRAY": "array",
    "MAP": "object",
}
"""The names of Flink's types, without what is in brackets, and those of JSON."""
_FLINK_TYPES = {"string": "String", "boolean": "Boolean", "integer": "Long", "number": "Double"}
"""Of a row type that was pickled without them."""


@public
class OutputParseError(ModelError, ValueError):
    """An answer of a model is not what its output schema asks for."""


@public
class OutputSchema(BaseModel):
    """What an answer is to be.

    ``output_schema`` is a class that pydantic knows (a `BaseModel`, a dataclass, ``list[int]``), a
    row type of PyFlink (the value is a `Row`), or a JSON schema (the value is what JSON gives,
    and is not checked further).

    As JSON it is what Flink Agents has: a class by its name, a row type by names and types.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    output_schema: Any

    def __init__(self, output_schema: Any) -> None:
        if isinstance(output_schema, OutputSchema):
            output_schema = output_schema.output_schema
        if hasattr(output_schema, "get_field_names") and hasattr(output_schema, "get_field_types"):
            output_schema = RowType.of(output_schema)
        if isinstance(output_schema, dict):
            output_schema = _read(output_schema)
        super().__init__(output_schema=output_schema)
        _ = self.json_schema  # one that cannot be described is found out now

    @model_serializer
    def _write(self) -> dict[str, Any]:
        given = self.output_schema
        if isinstance(given, RowType):
            return {"output_schema": {"names": list(given.fields), "types": given.flink_types}}
        if isinstance(given, dict):
            return {"output_schema": given}
        if not isinstance(given, type):
            raise TypeError(f"{given!r} is no class, so it has no name in JSON.")
        return {"output_schema": {"module": given.__module__, "class": given.__qualname__}}

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON schema, with a ``title``.

        Raises:
            AgentDefinitionError: it cannot be described.
        """
        given = self.output_schema
        if isinstance(given, RowType):
            return given.json_schema
        if isinstance(given, dict):
            return {"title": "Output", **given}
        try:
            schema = TypeAdapter(given).json_schema()
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
            msg = f"The output schema {given!r} cannot be described to a model: {error}."
            hint = "Give a pydantic model, a row type, or a JSON schema."
            raise AgentDefinitionError(msg, hint=hint) from None
        return {"title": getattr(given, "__name__", "Output"), **schema}

    def parse(self, text: str) -> Any:
        """The value of an answer: its text is JSON, in a fence or not.

        Raises:
            OutputParseError: it is none, or does not match.
        """
        value = _json_in(text)
        given = self.output_schema
        if isinstance(given, RowType):
            return given.row(value)
        if isinstance(given, dict):
            return value
        try:
            return TypeAdapter(given).validate_python(value)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'the answer'}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_context=False)
            )
            raise OutputParseError(f"The answer does not match its schema: {faults}.") from None


class RowType(BaseModel):
    """The fields of a row, in order, with the names of their JSON types; empty for any type."""

    fields: dict[str, str]
    types: list[str] = []
    """The names of Flink's types, in order."""

    @classmethod
    def of(cls, given: Any) -> RowType:
        """The type of PyFlink as plain data: what it consists of there lives in a JVM."""
        return cls.named(given.get_field_names(), map(str, given.get_field_types()))

    @classmethod
    def named(cls, names: Iterable[str], types: Iterable[str]) -> RowType:
        """The row type with these fields, of types of Flink."""
        given = dict(zip(names, types, strict=True))
        fields = {name: _json_type(kind) for name, kind in given.items()}
        return cls(fields=fields, types=list(given.values()))

    def get_field_names(self) -> list[str]:
        """The names of the fields, in order."""
        return list(self.fields)

    @property
    def flink_types(self) -> list[str]:
        """The names of Flink's types, in order."""
        known: list[str] = self.__dict__.get("types") or []
        return known or [_FLINK_TYPES.get(kind, "String") for kind in self.fields.values()]

    @property
    def json_schema(self) -> dict[str, Any]:
        """An object with these properties, all of them required."""
        properties = {n: {"type": kind} if kind else {} for n, kind in self.fields.items()}
        return {
            "title": "Row",
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def row(self, value: Any) -> Row:
        """The row that an object is; fields that it has besides are left out.

        Raises:
            OutputParseError: it is no object, or has not all fields.
        """
        if not isinstance(value, dict):
            raise OutputParseError(f"The answer is {type(value).__name__}, wanted: an object.")
        missing = [name for name in self.fields if name not in value]
        if missing:
            raise OutputParseError(f"The answer lacks {', '.join(map(repr, missing))}.")
        return Row({name: value[name] for name in self.fields})


def _read(given: dict[str, Any]) -> Any:
    """What JSON says: the class, or the row type; a JSON schema as it is.

    Raises:
        AgentDefinitionError: there is no such class.
    """
    if given.keys() == {"names", "types"}:
        return RowType.named(given["names"], given["types"])
    if given.keys() != {"module", "class"}:
        return given
    try:
        found: Any = import_module(given["module"])
        for part in given["class"].split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        msg = f"The output schema {given['module']}.{given['class']} is not found: {error}."
        raise AgentDefinitionError(msg, hint="Its class has to be importable here.") from error
    return found


def _json_type(flink: str) -> str:
    name = re.split(r"[(<\[ ]", flink, maxsplit=1)[0]
    return _JSON_TYPES.get(name.upper(), "")


def _json_in(text: str) -> Any:
    """The JSON in a text: all of it, the inside of a fence, or its first object."""
    candidates = [text.strip()]
    candidates += [found.strip() for found in _FENCED.findall(text)]
    for candidate in candidates:
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    decoder = json.JSONDecoder()
    for begin in (found.start() for found in re.finditer(r"[{\[]", text)):
        try:
            return decoder.raw_decode(text, begin)[0]
        except ValueError:
            continue
        except RecursionError:  # and so is what is inside
            break
    shown = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + " ..."
    raise OutputParseError(f"The answer is no JSON: {shown!r}.")
