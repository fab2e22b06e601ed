"""The shapes settings come in: nested mappings, as in YAML, and flat ones with dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError

_MOST_VALUES = 100_000
"""Anchors can make a short text as large as memory ("billion laughs")."""

__all__ = ["flatten", "nest", "parse_yaml", "place"]


def flatten(nested: Mapping[Any, Any], source: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys. Raises `ConfigError` for a key given twice."""
    flat: dict[str, Any] = {}
    try:
        _flatten(nested, "", flat, source)
    except RecursionError:
        msg = f"The settings{place(source)} contain themselves, or are nested without end."
        raise ConfigError(msg, hint="Write them without such anchors.") from None
    return flat


def _flatten(nested: Mapping[Any, Any], prefix: str, flat: dict[str, Any], source: str) -> None:
    for name, value in nested.items():
        key = f"{prefix}{_key_text(name)}"
        if isinstance(value, Mapping):
            _flatten(value, key + ".", flat, source)
        elif key in flat:
            msg = f"The setting {key!r} is given twice{place(source)}, nested and dotted."
            raise ConfigError(msg, hint="Keep one of them.")
        else:
            flat[key] = value


def _key_text(name: object) -> str:
    # YAML 1.1 reads an unquoted `on`, `yes` or `no` as a truth value, also where it is a key.
    return str(name).lower() if isinstance(name, bool) else str(name)


def nest(nested: dict[str, Any], parts: list[str], value: Any) -> None:
    """Put ``value`` into nested mappings, at the key whose parts are given."""
    for part in parts[:-1]:
        inner = nested.setdefault(part, {})
        if not isinstance(inner, dict):
            inner = nested[part] = {}
        nested = inner
    nested[parts[-1]] = value


def parse_yaml(text: str, source: str) -> Any:
    """What a YAML text holds. Raises `ConfigError` when it is not YAML."""
    import yaml  # noqa: PLC0415  (slow to import, and most runs have no file)

    try:
        value = yaml.safe_load(text)
        total = _count(value, {})
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise ConfigError(f"{source} is not valid YAML: {_fault(error)}.") from error
    except RecursionError:
        raise ConfigError(
            f"{source} is nested too deeply, or contains itself.", hint="Write it flatter."
        ) from None
    if total > _MOST_VALUES:
        raise ConfigError(
            f"{source} has more than {_MOST_VALUES:,} values, with its anchors written out.",
            hint="Write it with fewer anchors.",
        )
    return value


def _fault(error: Exception) -> str:
    """What is wrong with a text, and where, in one line."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return str(error)
    said = (getattr(error, "context", None), getattr(error, "problem", None))
    return f"line {mark.line + 1}, column {mark.column + 1}: {', '.join(filter(None, said))}"


def _count(value: Any, known: dict[int, int]) -> int:
    """Count the values that a value has in it, those behind anchors each time.

    Raises:
        RecursionError: it contains itself.
    """
    if isinstance(value, Mapping):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set)):
        parts = list(value)
    else:
        return 1
    counted = known.get(id(value))
    if counted is None:
        counted = known[id(value)] = 1 + sum(_count(part, known) for part in parts)
    return counted


def place(source: str) -> str:
    """Where a setting stands, for a message: `` in source``, or nothing when there is none."""
    return f" in {source}" if source else ""
