"""Items as programs give them, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import MemorySetError
from ...agent.resources.chat_message import ChatMessage

if TYPE_CHECKING:
    from ...agent.events.identity import EarlyOrigin

CHARACTERS_PER_TOKEN: Final = 4
"""As elsewhere where tokens are estimated."""
LONGEST_ID: Final = 1000
_DIGEST_BYTES: Final = 16


def as_list(value: Any) -> list[Any]:
    """One value, or several, as a list; a text, a mapping and a message are one."""
    if isinstance(value, (str, bytes, Mapping, ChatMessage)) or not isinstance(value, Sequence):
        return [value]
    return list(value)


def plain_value(value: Any, item_type: str, where: str) -> Any:
    """An item as JSON has it.

    Raises:
        MemorySetError: it is of another type, or JSON cannot say it.
    """
    if item_type == "text":
        if not isinstance(value, str):
            raise MemorySetError(
                f"{where} is a {type(value).__name__}, and the set has texts.",
                hint="Give item_type=object for a set of what JSON can say, or ChatMessage.",
            )
        return str(value)
    if item_type == "message":
        if not isinstance(value, ChatMessage):
            raise MemorySetError(f"{where} is a {type(value).__name__}, and the set has messages.")
        return plain_json(value.model_dump(mode="json"), where)
    return plain_json(value, where)


def plain_json(value: Any, where: str) -> Any:
    """A copy of a value that JSON can say. Raises MemorySetError for others."""
    try:
        copy = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise MemorySetError(f"{where} is not what JSON can say: {error}.") from None
    if (name := _other_name(value)) is not None:
        raise MemorySetError(
            f"{where} is not what JSON can say: a mapping in it has the name {name!r}, which is "
            "no text."
        )
    return copy


def _other_name(value: Any) -> Any:
    """A name in a mapping that is no text, which JSON would make one; None if there is none."""
    rest = [value]
    while rest:
        inner = rest.pop()
        if isinstance(inner, Mapping):
            for name in inner:
                if not isinstance(name, str):
                    return repr(name) if name is None else name
            rest += inner.values()
        elif isinstance(inner, (list, tuple)):
            rest += inner
    return None


def plain_metadata(given: Any, where: str) -> dict[str, Any]:
    """Metadata as JSON has it. Raises MemorySetError for what is none."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise MemorySetError(f"{where} has metadata that is no mapping with texts as names.")
    found: dict[str, Any] = plain_json(dict(given), f"the metadata of {where}")
    return found


def checked_id(item_id: Any) -> str:
    """Return an id. Raises MemorySetError for what can be none."""
    if not isinstance(item_id, str) or not 0 < len(item_id) <= LONGEST_ID:
        raise MemorySetError(
            f"{str(item_id)[:50]!r} is no id of an item: give a text of 1 to {LONGEST_ID} "
            "characters."
        )
    return item_id


def derived_id(origin: EarlyOrigin) -> str:
    """The id of an item that is given none: the same whenever the run is repeated."""
    key, offset, step, number, place = origin
    text = b"item:%d:%d:%d:%d:%s:" % (offset, step, number, len(place), place)
    return blake2b(text + key, digest_size=_DIGEST_BYTES).hexdigest()
