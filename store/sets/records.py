"""What a shard keeps of a memory set: its settings, its totals, and its items.

The table `sets` has all of it. An address is that of the set, one byte for the kind of the record,
and what tells records of that kind apart:

    owner | length of the name (u8) | name | kind | rest

The owner of a key's set is the key's prefix (`encoding.keys`). A shared set is owned by the shard,
or, where keys have groups, by the key group: its owner begins with a byte with which no prefix of
a key begins.

Records are structures and JSON: nothing that is read from them is executed.
"""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

import orjson

from ..encoding.keys import GROUP, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LONGEST_NAME",
    "ItemHead",
    "SetSettings",
    "SetState",
    "StoredItem",
    "Totals",
    "id_digest",
    "is_message",
    "owner_of",
    "set_address",
    "shared_owner",
    "split_address",
    "text_of",
]

SHARED: Final = 0
"""The first byte of the owner of a shared set."""
LONGEST_NAME: Final = 100
"""Bytes of a set's name in UTF-8."""

SETTINGS: Final = b"m"
STATE: Final = b"c"
NUMBER_OF_ID: Final = b"k"
"""Then the digest of an id."""
ITEM: Final = b"i"
"""Then the item's number."""
VECTOR: Final = b"v"
"""Then the number of an item of the tail."""
TERMS: Final = b"w"
"""Then the number of an item of the tail."""
LIVE: Final = b"B"
"""Then the number of a chunk's first item, as for the following."""
LISTS: Final = b"T"
SMALL: Final = b"V"
HALVES: Final = b"F"
SENT_VECTOR: Final = b"x"
"""Then the number of an item that was restored and is not indexed yet (`transfer`)."""
DUE: Final = b"e"
"""Then the moment when an item expires, as `due_keys` has it, and the item's number."""
NUMBER_BYTES: Final = 8

_DIGEST_BYTES: Final = 16
_TOTALS: Final = struct.Struct("<QQQQQ")
_STATE: Final = struct.Struct("<QQQ")
_WRITTEN: Final = struct.Struct("<Q")
_HEADER: Final = struct.Struct("<BBddddIHIHI")
_SUMS: Final = struct.Struct("<II")
"""Behind the header: CRC-32 of the record without this number, and of the item's vector."""
_SUM: Final = 4
_VERSION: Final = 2
_WITHOUT_SUMS: Final = 1
"""The version before that."""
_KEPT: Final = 1
_COMPACTED: Final = 2
_NEVER: Final = 0.0
_OF_MESSAGES: Final = frozenset({"role", "content", "tool_calls", "extra_args"})
_ROLES: Final = ("system", "user", "assistant", "tool")


def shared_owner(key_bytes: bytes) -> bytes:
    """The owner of shared sets, for a run of this encoded key."""
    return bytes((SHARED,)) + (key_bytes[:3] if key_bytes[:1] == GROUP else b"")


def owner_of(address: bytes) -> bytes:
    """The owner that an address begins with."""
    if address[0] != SHARED:
        return prefix_of(address)
    # The byte behind it is the length of a name, which is less than that of a group's mark.
    return address[:4] if address[1:2] == GROUP else address[:1]


def set_address(owner: bytes, name: str) -> bytes:
    """The address that those of all records of a set begin with."""
    encoded = name.encode()
    return owner + bytes((len(encoded),)) + encoded


def split_address(address: bytes) -> tuple[bytes, str, bytes]:
    """The owner and name of the set that a record is of, and the rest, which begins with the kind.

    Raises ValueError for what is no address.
    """
    owner = owner_of(address)
    start = len(owner)
    end = start + 1 + address[start]
    return owner, address[start + 1 : end].decode(), address[end:]


def id_digest(item_id: str) -> bytes:
    """What stands for an item's id in addresses."""
    return blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


@dataclass(frozen=True, slots=True)
class SetSettings:
    """What is laid down for a set.

    Attributes:
        item_type: "text", "message" (a chat message, as JSON) or "json".
        shared: whether runs of all keys use it.
        embedding: the name of the resource that embeds its texts; empty for none.
        model: the embedding model that its vectors are of; empty as long as it has none.
        dimensions: of its vectors; 0 as long as it has none.
        capacity: the number of items that it may have; 0 for the option's.
        max_tokens, max_bytes: what its items may have together; 0 for no limit.
        eviction: which items go first when there are too many.
        duplicates_above: the similarity from which on two items are one; 0 for never.
        ttl: seconds that an item lives; 0 for ever.
        half_life: seconds in which the weight of an item halves in searches; 0 for never.
        compaction: the configuration of compactions, as JSON; None for none.
        uncompared: how many of the newest items were not compared with the others yet, to find
            near-duplicates; -1 for all.
    """

    item_type: str = "text"
    shared: bool = False
    embedding: str = ""
    model: str = ""
    dimensions: int = 0
    capacity: int = 0
    max_tokens: int = 0
    max_bytes: int = 0
    eviction: str = "oldest"
    duplicates_above: float = 0.0
    ttl: float = 0.0
    half_life: float = 0.0
    compaction: dict[str, Any] | None = None
    uncompared: int = -1

    def encode(self) -> bytes:
        """The record: what differs from the defaults."""
        defaults = SetSettings()
        changed = {
            name: value for name, value in asdict(self).items() if value != getattr(defaults, name)
        }
        return orjson.dumps(changed)

    @classmethod
    def decode(cls, data: bytes) -> SetSettings:
        """Inverse of `encode`; what a newer version has added is left out."""
        return _settings_of(data)


@lru_cache(maxsize=256)
def _settings_of(data: bytes) -> SetSettings:
    """Decode settings; the sets of many keys have the same."""
    known = {field.name for field in fields(SetSettings)}
    found = orjson.loads(data)
    return SetSettings(**{name: value for name, value in found.items() if name in known})


class Totals(NamedTuple):
    """What the items of a set are together."""

    items: int = 0
    size: int = 0
    """Bytes of their records and vectors."""
    tokens: int = 0
    terms: int = 0
    """The sum of the lengths of their texts, in terms."""
    vectors: int = 0

    def plus(self, other: Totals, sign: int = 1) -> Totals:
        """These and others; with the sign -1, without others."""
        items, size, tokens, terms, vectors = other
        return Totals(
            self.items + sign * items,
            self.size + sign * size,
            self.tokens + sign * tokens,
            self.terms + sign * terms,
            self.vectors + sign * vectors,
        )

    def encode(self) -> bytes:
        """The record; a damaged set may have lost what is taken off here."""
        return _TOTALS.pack(*(max(0, number) for number in self))

    @classmethod
    def decode(cls, data: bytes) -> Totals:
        """Inverse of `encode`."""
        return cls(*_TOTALS.unpack(data[: _TOTALS.size]))


class SetState(NamedTuple):
    """What is counted of a set, in one record."""

    totals: Totals = Totals()
    floor: int = 0
    """Items up to this number are no longer of the set: it was emptied."""
    tail: int = 0
    """How many items are in no chunk yet."""
    changed: int = 0
    """The number that its last change has taken; see `transfer`."""
    written: int = 0
    """How often this was written, so each commit has another state; 0 by versions without it."""

    def encode(self) -> bytes:
        """The record."""
        return b"".join(
            (
                self.totals.encode(),
                _STATE.pack(self.floor, self.tail, self.changed),
                _WRITTEN.pack(self.written),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> SetState:
        """Inverse of `encode`."""
        floor, tail, changed = _STATE.unpack_from(data, _TOTALS.size)
        end = _TOTALS.size + _STATE.size
        written = _WRITTEN.unpack_from(data, end)[0] if len(data) > end else 0
        return cls(Totals.decode(data), floor, tail, changed, written)


class ItemHead(NamedTuple):
    """What can be read of an item's record without reading all of it."""

    id: str
    totals: Totals
    created_until: float
    expires: float
    vector_sum: int | None = None
    """CRC-32 of its vector; None in records of an earlier version."""

    @classmethod
    def decode(cls, record: bytes | memoryview) -> ItemHead:
        """Read it from a record, without comparing its checksum.

        Raises what `StoredItem.decode` does.
        """
        head = _HEADER.unpack_from(record)
        start, vector_sum = _HEADER.size, None
        if head[0] != _WITHOUT_SUMS:
            _, vector_sum = _SUMS.unpack_from(record, start)
            start += _SUMS.size
        end = start + head[7]
        name = bytes(record[start:end]).decode("utf-8", "surrogatepass")
        dimensions, terms = head[9:]
        totals = Totals(1, len(record) + 2 * dimensions, head[6], terms, int(dimensions > 0))
        return cls(name, totals, head[3], head[5], vector_sum)


class StoredItem(NamedTuple):
    """One item of a set. Moments are in seconds since the epoch."""

    id: str
    value: Any
    """A text, or what JSON can say."""
    metadata: dict[str, Any]
    created: float
    created_until: float
    """Of an item that stands for several: when the last of them was created."""
    accessed: float
    expires: float = _NEVER
    """0.0 for never."""
    keep: bool = False
    """Whether it stays when the set is full."""
    compacted: bool = False
    """Whether it stands for several."""
    tokens: int = 0
    owner: bytes = b""
    """The encoded key whose run has added it, in a shared set."""
    vector: bytes = b""
    """float16, of length 1; empty for none. Not part of the record."""

    def encode(self, terms: int = 0) -> bytes:
        """The record; `terms` is the length of its text, in terms."""
        name = self.id.encode("utf-8", "surrogatepass")
        flags = _KEPT * self.keep | _COMPACTED * self.compacted
        head = _HEADER.pack(
            _VERSION,
            flags,
            self.created,
            self.created_until,
            self.accessed,
            self.expires,
            self.tokens,
            len(name),
            len(self.owner),
            len(self.vector) // 2,
            min(terms, 0xFFFFFFFF),
        )
        of_vector = crc32(self.vector).to_bytes(_SUM, "little")
        body = b"".join((of_vector, name, self.owner, _json([self.value, self.metadata])))
        return b"".join((head, crc32(body, crc32(head)).to_bytes(_SUM, "little"), body))

    @classmethod
    def decode(cls, data: bytes | memoryview, vector: bytes = b"") -> StoredItem:
        """Inverse of `encode`.

        Raises ValueError or struct.error for what is no record.
        """
        version, flags, created, until, accessed, expires, tokens, named, owned, *_ = (
            _HEADER.unpack_from(data)
        )
        data = bytes(data)  # to slice a view takes longer
        start = _HEADER.size
        if version == _VERSION:
            found, _ = _SUMS.unpack_from(data, start)
            if found != crc32(data[start + _SUM :], crc32(data[:start])):
                raise ValueError("the checksum is wrong")
            start += _SUMS.size
        elif version != _WITHOUT_SUMS:
            msg = f"an item of version {version}"
            raise ValueError(msg)
        middle = start + named
        end = middle + owned
        value, metadata = _from_json(data[end:])
        return cls(
            data[start:middle].decode("utf-8", "surrogatepass"),
            value,
            metadata,
            created,
            until,
            accessed,
            expires,
            (flags & _KEPT) != 0,
            (flags & _COMPACTED) != 0,
            tokens,
            data[middle:end],
            vector,
        )

    def is_expired(self, now: float) -> bool:
        """Whether it is over at that moment."""
        return bool(self.expires) and self.expires <= now


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # half a surrogate pair, or a number of more than 64 bits
        return json.dumps(value, separators=(",", ":")).encode()


def _from_json(data: bytes | memoryview) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(bytes(data))


def text_of(value: Any) -> str:
    """The text in an item, which is searched and embedded.

    Of a chat message that is its content, of other JSON all texts in it.
    """
    if isinstance(value, str):
        return value
    if is_message(value):
        return str(value["content"])
    return "\n".join(_texts(value))


def is_message(value: Any) -> bool:
    """Whether the value of an item is a chat message, as JSON; not any mapping with a role."""
    return (
        isinstance(value, dict)
        and value.keys() >= _OF_MESSAGES
        and value["role"] in _ROLES
        and isinstance(value["content"], str)
    )


def _texts(value: Any) -> Iterable[str]:
    """All texts and numbers in a value, in their order; JSON may be nested deeply."""
    rest = [value]
    while rest:
        inner = rest.pop()
        if isinstance(inner, str):
            yield inner
        elif isinstance(inner, dict):
            rest += reversed(inner.values())
        elif isinstance(inner, list):
            rest += reversed(inner)
        elif inner is not None and not isinstance(inner, bool):
            with suppress(ValueError):  # a number of thousands of digits is no text
                yield str(inner)
