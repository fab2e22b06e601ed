"""Names and settings of memory sets, as programs give them, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from ...agent.errors import MemorySetError
from ...agent.long_term.memory_set import CompactionConfig, Eviction
from ...agent.resources.chat_message import ChatMessage
from ...agent.waiting.moments import seconds_of
from ...store.sets.records import LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

ITEM_TYPES: Final[dict[type, str]] = {str: "text", ChatMessage: "message", object: "json"}


def checked_settings(name: str, *, shared: bool, **given: Any) -> dict[str, Any]:
    """The settings of a set that a program gives, as `SetSettings` has them; not those of None.

    Raises:
        MemorySetError: one is not possible.
    """
    found = {}
    for option, value in given.items():
        if value is not None:
            known_as, check = _CHECKS[option]
            found[known_as] = check(f"{option} of the memory set {name!r}", value)
    if shared and found.get("eviction") == "least-recently-used":
        raise MemorySetError(
            f"The shared memory set {name!r} cannot know which items were read last: other workers"
            " read them, too.",
            hint='Give eviction="oldest".',
        )
    return found


def checked_name(name: Any) -> str:
    """Return the name of a set. Raises MemorySetError for what can be none."""
    if not isinstance(name, str) or not name:
        raise MemorySetError(f"{name!r} is no name of a memory set: give a text.")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise MemorySetError(f"{name!r} is no name of a memory set: it is no UTF-8.") from None
    if any(character < " " or character == "\x7f" for character in name):
        raise MemorySetError(f"{name!r} is no name of a memory set: it has control characters.")
    if length > LONGEST_NAME:
        raise MemorySetError(
            f"{name[:50]!r}... is too long for the name of a memory set: {length} bytes of "
            f"{LONGEST_NAME}."
        )
    return str(name)


def _item_type(what: str, given: Any) -> str:
    for known, name in ITEM_TYPES.items():
        if given is known:
            return name
    if given in (dict, list):
        return "json"
    raise MemorySetError(
        f"{what} cannot be {given!r}.",
        hint="Give str, ChatMessage, or object for what JSON can say.",
    )


def _count(what: str, given: Any, least: int = 0) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given < 1 << 62:
        raise MemorySetError(f"{what} is {given!r}: give a number from {least} on.")
    return given


def _capacity(what: str, given: Any) -> int:
    return _count(what, given, 1)


def _eviction(what: str, given: Any) -> str:
    if given not in get_args(Eviction):
        raise MemorySetError(f"{what} is {given!r}: give one of {', '.join(get_args(Eviction))}.")
    return str(given)


def _similarity(what: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= 1:
        raise MemorySetError(f"{what} is {given!r}: give a number from 0 (for never) to 1.")
    return float(given)


def _seconds(what: str, given: Any) -> float:
    return seconds_of(given, what, error=MemorySetError)


def _resource(what: str, given: Any) -> str:
    if not isinstance(given, str):
        raise MemorySetError(f"{what} is {given!r}: give the name of a resource of the agent.")
    return given


def _compaction(what: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, CompactionConfig):
        raise MemorySetError(f"{what} is a {type(given).__name__}: give a CompactionConfig.")
    return given.model_dump(mode="json")


_CHECKS: Final[dict[str, tuple[str, Callable[[str, Any], Any]]]] = {
    "item_type": ("item_type", _item_type),
    "capacity": ("capacity", _capacity),
    "compaction_config": ("compaction", _compaction),
    "embedding": ("embedding", _resource),
    "max_tokens": ("max_tokens", _count),
    "max_bytes": ("max_bytes", _count),
    "eviction": ("eviction", _eviction),
    "duplicates_above": ("duplicates_above", _similarity),
    "ttl": ("ttl", _seconds),
    "half_life": ("half_life", _seconds),
}
"""By option: its name in `SetSettings`, and what checks it."""
