"""Checking the arguments that a model gives, and telling it what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from ..failures.error_text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ToolArgumentsError", "arguments_of", "check_arguments"]

_MOST_ERRORS: Final = 5
_LONGEST: Final = 200

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list, tuple),
    "null": (type(None),),
}


class ToolArgumentsError(ValueError):
    """Arguments that a model has given do not fit the tool; the text is for the model."""


def arguments_of(tool_call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments in a model's request to call a tool.

    Raises:
        ToolArgumentsError: they are no JSON object.
    """
    function = tool_call.get("function")
    given = function if isinstance(function, dict) else tool_call
    malformed = given.get("malformed")
    if malformed is not None:
        raise _no_object(str(malformed), "")
    arguments = given.get("arguments")
    if arguments is None:
        return {}
    if isinstance(arguments, str):
        if not arguments.strip():
            return {}
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError) as error:
            raise _no_object(arguments, f" ({error})") from None
    if not isinstance(arguments, dict):
        raise _no_object(json.dumps(arguments, default=str), "")
    return {str(name): value for name, value in arguments.items()}


def _no_object(text: str, why: str) -> ToolArgumentsError:
    shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return ToolArgumentsError(f"The arguments are not a JSON object{why}: {shown}")


def check_arguments(
    schema: type[BaseModel] | dict[str, Any], arguments: dict[str, Any]
) -> dict[str, Any]:
    """Return arguments as a schema wants them: those that were given, converted to its types.

    Raises:
        ToolArgumentsError: they do not fit.
    """
    if isinstance(schema, dict):
        errors = _errors_by_schema(schema, arguments)
        if errors:
            raise ToolArgumentsError(_joined(errors))
        return arguments
    try:
        model = schema.model_validate(arguments)
    except ValidationError as error:
        raise ToolArgumentsError(_joined([_text_of(each) for each in error.errors()])) from None
    except Exception as error:
        # A validator of the user's own may raise anything.
        raise ToolArgumentsError(one_line(error)) from error
    return {
        name: model.__dict__[name]
        for name, field in schema.model_fields.items()
        if name in model.model_fields_set or not field.is_required()
    }


def _text_of(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{place}: is required"
    if error["type"] == "extra_forbidden":
        return f"{place}: there is no such parameter"
    return f"{place}: {error['msg']}" if place else str(error["msg"])


def _joined(errors: list[str]) -> str:
    shown = errors[:_MOST_ERRORS]
    if len(errors) > _MOST_ERRORS:
        shown.append(f"and {len(errors) - _MOST_ERRORS} more")
    return "; ".join(shown)


def _errors_by_schema(schema: dict[str, Any], arguments: dict[str, Any]) -> list[str]:
    """What is wrong, as far as names and simple types tell; the tool itself checks the rest."""
    properties = schema.get("properties") or {}
    errors = [
        f"{name}: is required" for name in schema.get("required") or () if name not in arguments
    ]
    for name, value in arguments.items():
        if name not in properties:
            if properties and schema.get("additionalProperties") is False:
                errors.append(f"{name}: there is no such parameter")
            continue
        own = properties[name]
        wanted = own.get("type") if isinstance(own, dict) else None
        if isinstance(wanted, str) and not _is_of(value, wanted):
            errors.append(f"{name}: {json.dumps(value, default=str)[:_LONGEST]} is no {wanted}")
        elif isinstance(own, dict) and "enum" in own and value not in own["enum"]:
            choices = ", ".join(json.dumps(choice, default=str) for choice in own["enum"])
            errors.append(f"{name}: is none of {choices}")
    return errors


def _is_of(value: object, wanted: str) -> bool:
    if wanted in {"integer", "number"} and isinstance(value, bool):
        return False
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    kinds = _TYPES.get(wanted)
    return kinds is None or isinstance(value, kinds)
