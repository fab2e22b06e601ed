"""As `flink_agents.api.memory_object` of Flink Agents."""

from __future__ import annotations

from typing import Any, Final

from tamias import MemoryObject, MemoryType

__all__ = ["MemoryObject", "MemoryType", "validate_memory_value"]

_PLAIN: Final = frozenset({bool, bytes, float, int, str, type(None)})


def validate_memory_value(path: str, value: Any) -> None:
    """Raise TypeError for a value that Flink Agents since 0.3 keeps in no memory.

    tamias keeps all that can be pickled.
    """
    _check(value, f"The value at {path!r}")


def _check(value: Any, where: str) -> None:
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is list:
        for place, each in enumerate(value):
            _check(each, f"{where}[{place}]")
    elif kind is dict:
        for key, each in value.items():
            if type(key) is not str:
                msg = f"{where} has a non-str key, {key!r}."
                raise TypeError(msg)
            _check(each, f"{where}[{key!r}]")
    elif isinstance(value, MemoryObject):
        msg = f"{where} is an object of a memory: make one with new_object()."
        raise TypeError(msg)
    else:
        msg = (
            f"{where} is a {kind.__name__}, which is not checkpoint-stable. Store plain data, as"
            " str(value) of a UUID, value.model_dump(mode='json') of a model, list(value) of a"
            " tuple or a set."
        )
        raise TypeError(msg)
