"""Items as programs give them, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import PydanticSerializationError

from ...agent.errors import MemorySetError
from ...agent.resources.chat_message import ChatMessage
from ...store.memory.asked import plain_json, plain_metadata
from ..runs.identities import item_origin

if TYPE_CHECKING:
    from ...agent.events.identity import EarlyOrigin
    from ..runs.run import Run

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
        try:
            return plain_json(value.model_dump(mode="json"), where)
        except PydanticSerializationError as error:
            raise MemorySetError(f"{where} is not what JSON can say: {error}.") from None
    return plain_json(value, where)


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


class GivenItem(NamedTuple):
    """An item that is to be added, without its vector."""

    id: str
    value: Any
    metadata: dict[str, Any]
    is_named: bool
    """Whether the program has given the id."""


def given_items(  # noqa: PLR0917 (what `add` is given, and for what)
    run: Run, set_name: str, item_type: str, items: Any, ids: Any, metadatas: Any
) -> list[GivenItem]:
    """The items that a run is to add, with ids.

    Raises:
        MemorySetError: something of them cannot be kept.
    """
    values = as_list(items)
    ids, metadatas = ids_and_metadatas(ids, metadatas)
    names = [None] * len(values) if ids is None else as_list(ids)
    about = as_list(metadatas) if metadatas is not None else [None]
    if len(about) == 1:
        about *= len(values)
    for what, found in (("ids", names), ("metadatas", about)):
        if len(found) != len(values):
            raise MemorySetError(
                f"{len(values)} items for the memory set {set_name!r} came with {len(found)} "
                f"{what}."
            )
    given = []
    known: set[str] = set()
    for place, (value, item_id, metadata) in enumerate(zip(values, names, about, strict=True)):
        where = f"item {place} for the memory set {set_name!r}"
        plain = plain_value(value, item_type, where)
        about_it = plain_metadata(metadata, where)
        found_id = derived_id(item_origin(run)) if item_id is None else checked_id(item_id)
        if found_id in known:
            raise MemorySetError(
                f"Two items for the memory set {set_name!r} have the id {found_id[:50]!r}: add "
                "one, or give them ids of their own."
            )
        known.add(found_id)
        given.append(GivenItem(found_id, plain, about_it, item_id is not None))
    return given


def ids_and_metadatas(ids: Any, metadatas: Any) -> tuple[Any, Any]:
    """Ids and metadata, which may stand in the place of ids."""
    found = as_list(ids) if ids is not None else []
    are_metadata = bool(found) and all(isinstance(each, Mapping) for each in found)
    return (None, ids) if metadatas is None and are_metadata else (ids, metadatas)
