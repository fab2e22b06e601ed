"""The identity of events: an id that follows from where an event was sent, or first identified.

An id comes from an *origin*, never from a clock, a random source or the content, so a replay gives
the ids of before. Most events get their origin when they are sent. A program may read the id of an
event before that, because it matches an answer with it; the event then gets an *early* origin, from
the run that is executed, and keeps it when it is sent. Outside of any run there is nothing to
derive an id from, and it is random.

`agent` does not know which run is executed: a worker sets the source that does.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ORIGIN",
    "EarlyOrigin",
    "Origin",
    "early_origin",
    "event_id",
    "is_early",
    "set_origin_source",
]

Origin = tuple[bytes, int, int, int]
"""Where an event was sent: (encoded key, offset of the input, index of the action's execution
within the run, index of the event within that execution)."""

EarlyOrigin = tuple[bytes, int, int, int, bytes]
"""Where an event was that was identified before it was sent: the same, where the last index counts
such events of one *place*, and the place: empty for the action itself."""

ORIGIN: Final = "_origin"
"""The name under which an event's ``__dict__`` has its origin."""

_VERSION_AND_VARIANT: Final = ~((0xF << 76) | (0x3 << 62))
_UUID8: Final = (0x8 << 76) | (0x2 << 62)

_RANDOM: Final = b"random"
"""The place of an event that was identified outside of any run: its key is its id, of version 4."""

_source: Callable[[], EarlyOrigin | None] | None = None


def event_id(origin: Origin | EarlyOrigin) -> UUID:
    """The id of the event with this origin: a UUID of version 8 (RFC 9562, section 5.8).

    The numbers come first, each ended by a colon, so that no two origins spell the same bytes.
    """
    key, offset, action, index = origin[:4]
    if origin[4:] == (_RANDOM,):
        return UUID(bytes=key)
    text = b"%d:%d:%d:" % (offset, action, index)
    if len(origin) > 4:  # an early one; no number begins with a letter
        place = origin[4]
        text = b"early:%s%d:%s" % (text, len(place), place)
    digest = blake2b(text + key, digest_size=16).digest()
    return UUID(int=int.from_bytes(digest, "big") & _VERSION_AND_VARIANT | _UUID8)


def is_early(origin: Origin | EarlyOrigin) -> bool:
    """Whether this is the origin of an event that was identified before it was sent."""
    return len(origin) > 4


def early_origin() -> EarlyOrigin:
    """An origin for an event that is identified here and now: a random one outside of any run."""
    found = None if _source is None else _source()
    return (uuid4().bytes, -1, 0, 0, _RANDOM) if found is None else found


def set_origin_source(source: Callable[[], EarlyOrigin | None]) -> None:
    """From now on, ask this function for early origins; it returns None outside of any run."""
    global _source  # noqa: PLW0603 (one for the process)
    _source = source
