"""Keys, and places in lists, as they stand in addresses of the page."""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode
from typing import Any, Final, NamedTuple

from ....agent.errors import TamiasError, UsageError
from ....store.encoding.keys import GROUP, decode_key
from ...rendering.plain import NeedsClassesError, plain_value
from ...rendering.trees import TreeMaker
from ...values.json_text import key_name, plain

__all__ = ["ListPlace", "key_in", "key_row", "key_text", "place_in", "token_of"]

_LONGEST: Final = 300
_PICKLED: Final = b"p"


class ListPlace(NamedTuple):
    """A place in all shards: go on from this address, or number, of this shard."""

    shard: int = 0
    address: bytes = b""

    def token(self) -> str:
        """The place as a text."""
        return token_of(self.shard.to_bytes(4, "big") + self.address)


def token_of(data: bytes) -> str:
    """Bytes as a part of an address."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _data_of(token: str, what: str) -> bytes:
    try:
        return b64decode(token.encode() + b"=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"{token[:40]!r} is no {what}.") from error


def key_in(token: Any) -> bytes:
    """The encoded key of a token. Raises UsageError."""
    key = _data_of(str(token), "key")
    try:
        _decoded(key)
    except NeedsClassesError:
        pass  # of a class
    except (TamiasError, ValueError) as error:
        raise UsageError(f"{str(token)[:40]!r} is no key.") from error
    return key


def place_in(token: str | None) -> ListPlace:
    """The place of a token; the beginning for None. Raises UsageError."""
    if token is None:
        return ListPlace()
    data = _data_of(token, "place in a list")
    return ListPlace(int.from_bytes(data[:4], "big"), data[4:])


def _decoded(key: bytes) -> Any:
    """A key; executes nothing, also if it is an object of a class, as Flink has them."""
    inner = key[3:] if key[:1] == GROUP else key
    if inner[:1] != _PICKLED:
        return decode_key(key)
    return plain_value(inner[1:])


def key_text(key: bytes) -> str | None:
    """A key as it is given to commands; None if there is none."""
    if not key:
        return None
    try:
        text = key_name(plain(_decoded(key)))
    except (NeedsClassesError, TamiasError, ValueError):
        return f"<a key of {len(key):,} bytes>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def key_row(key: bytes) -> dict[str, Any]:
    """A key in a list: as JSON, as text, and as token."""
    if not key:
        return {"key": None, "text": None, "token": None}
    try:
        shown = TreeMaker().tree(_decoded(key))
    except (NeedsClassesError, TamiasError, ValueError):
        shown = {"$type": "key", "text": f"{len(key):,} bytes"}
    return {"key": shown, "text": key_text(key), "token": token_of(key)}
