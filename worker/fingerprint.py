"""What a durable call is: which function, with which arguments.

A replay must recognise a call that it has on record. Pickled arguments are the obvious identity
and mostly the right one, but pickles of equal values may differ: sets and frozensets iterate in
hash order, which for strings changes from process to process, and the pickler writes a
back-reference where two equal strings happen to be one object. So arguments are first brought
into a canonical form, with the memo of the pickler out of play, and then digested.
"""

from __future__ import annotations

import pickle
from hashlib import blake2b
from types import MethodType
from typing import TYPE_CHECKING, Any, Final

from ..store.codec import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST_BYTES: Final = 16

_SCALARS: Final = (int, float, complex, bool, type(None), str, bytes)


def function_name(function: Callable[..., Any]) -> str:
    """A stable, readable name: module and qualified name of the function or its class."""
    target = getattr(function, "func", function)  # functools.partial names its inner function
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    return f"{getattr(target, '__module__', None) or type(target).__module__}.{name}"


def call_fingerprint(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bytes:
    """Sixteen bytes that stand for a call of `function` with these arguments.

    Raises:
        UnserializableError: an argument cannot be pickled.
    """
    digest = blake2b(digest_size=DIGEST_BYTES)
    digest.update(function_name(function).encode())
    if hasattr(function, "func"):
        _absorb(digest, (function.args, function.keywords))  # type: ignore[attr-defined]
    elif isinstance(function, MethodType):
        _absorb(digest, function.__self__)
    _absorb(digest, args)
    _absorb(digest, kwargs)
    return digest.digest()


def _absorb(digest: blake2b, value: Any) -> None:
    kind = type(value)
    if kind in _SCALARS:
        data = pickle.dumps(value, 5)
        digest.update(b"s%d:" % len(data))
        digest.update(data)
    elif kind in (list, tuple):
        digest.update(b"%c%d:" % (kind.__name__.encode()[:1], len(value)))
        for item in value:
            _absorb(digest, item)
    elif kind is dict:
        digest.update(b"d%d:" % len(value))
        for key, item in value.items():
            _absorb(digest, key)
            _absorb(digest, item)
    elif kind in (set, frozenset):
        members = []
        for item in value:
            member = blake2b(digest_size=DIGEST_BYTES)
            _absorb(member, item)
            members.append(member.digest())
        digest.update(b"S%d:" % len(members))
        for data in sorted(members):
            digest.update(data)
    elif kind.__module__ == "builtins" and isinstance(value, type):
        digest.update(b"c" + value.__qualname__.encode())
    else:
        data = dumps(value)
        digest.update(b"p%d:" % len(data))
        digest.update(data)
