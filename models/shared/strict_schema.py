"""JSON schemas in the strict form: what services guarantee that an answer matches."""

from __future__ import annotations

from typing import Any

__all__ = ["strict_schema"]

_DROPPED = frozenset({"default", "title", "examples"})


def strict_schema(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema with closed objects, all of whose properties are required.

    None if it has no such form: an object with any property names, or without any.
    """
    try:
        strict = _strict(schema, schema)
    except _NotStrictError:
        return None
    return strict if isinstance(strict, dict) and strict.get("type") == "object" else None


class _NotStrictError(Exception):
    """The schema has no strict form."""


def _strict(schema: Any, root: dict[str, Any]) -> Any:
    if not isinstance(schema, dict) or not schema:
        raise _NotStrictError  # any value
    result = {name: value for name, value in schema.items() if name not in _DROPPED}
    if "$ref" in result and len(result) > 1:
        # A reference stands alone; what is beside it is put into what it refers to.
        reference = result.pop("$ref")
        return _strict({**_resolved(reference, root), **result}, root)
    one = result.get("allOf")
    if isinstance(one, list) and len(one) == 1:
        result.pop("allOf")
        return _strict({**one[0], **result}, root)
    if "allOf" in result or "patternProperties" in result:
        raise _NotStrictError
    if "oneOf" in result:
        result["anyOf"] = result.pop("oneOf")
        result.pop("discriminator", None)
    _make_parts_strict(result, root)
    if result.get("type") == "object" or "properties" in result:
        return _strict_object(result, root)
    return result


def _make_parts_strict(schema: dict[str, Any], root: dict[str, Any]) -> None:
    for name in ("anyOf", "prefixItems"):
        if name in schema:
            schema[name] = [_strict(each, root) for each in schema[name]]
    for name in ("$defs", "definitions"):
        if name in schema:
            schema[name] = {key: _strict(each, root) for key, each in schema[name].items()}
    if "items" in schema:
        schema["items"] = _strict(schema["items"], root)


def _strict_object(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if schema.get("additionalProperties") not in (None, False):
        raise _NotStrictError
    properties = schema.get("properties", {})
    return {
        **schema,
        "type": "object",
        "properties": {name: _strict(each, root) for name, each in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


def _resolved(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}
