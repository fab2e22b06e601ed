"""The submissions of one key in a request log that no service uses.

A submission without an outcome has not been run, or its run waits in the shard. The latter can be
forgotten, and its client is told so. The former cannot: the pool reads submissions in their order,
and would wait for the one that is missing.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import lmdb

from ...store.at_rest.erasing import MARK
from ...store.faults import lmdb_error
from ...store.lmdb_env import has_data, open_reader, open_writer
from ..protocol.frames import FORGOTTEN_OUTCOME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RequestsOfKey", "StoredRequest", "forget_requests"]

_CALL: Final = 12
"""Bytes of a client and sequence; see `server.request_log`."""
_PLACE: Final = 16
"""Bytes of a call's record in front of the outcome."""
_LENGTH = struct.Struct(">H")
_HEAD: Final = _CALL + _LENGTH.size
_MAX_OFFSET: Final = (1 << 64) - 1


class StoredRequest(NamedTuple):
    """A submission whose input is in the log."""

    offset: int
    call: bytes
    is_answered: bool


class RequestsOfKey:
    """The request log in a directory, open for reading; empty if there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, key: bytes) -> list[StoredRequest]:
        """The submissions of an encoded key, whose inputs are still there."""
        with self._tables() as tables:
            if tables is None:
                return []
            transaction, inputs, calls = tables
            found = []
            with transaction.cursor(inputs) as cursor:
                for offset, data in cursor.iternext():
                    if _key_in(data) == key:
                        call = bytes(data[:_CALL])
                        place = transaction.get(call, None, calls)
                        is_answered = place is None or len(place) > _PLACE
                        number = int.from_bytes(offset, "big")
                        found.append(StoredRequest(number, call, is_answered))
            return found

    def key_of(self, offset: int) -> bytes | None:
        """The encoded key of an input, None if it is not there."""
        if not 0 <= offset <= _MAX_OFFSET:
            return None
        with self._tables() as tables:
            if tables is None:
                return None
            transaction, inputs, _ = tables
            data = transaction.get(offset.to_bytes(8, "big"), None, inputs)
            return None if data is None else _key_in(data)

    def outcomes(self) -> int:
        """How many outcomes clients have not acknowledged: of which key is not on record."""
        with self._tables() as tables:
            if tables is None:
                return 0
            transaction, _, calls = tables
            with transaction.cursor(calls) as cursor:
                return sum(
                    len(place) > _PLACE + len(FORGOTTEN_OUTCOME)
                    for place in cursor.iternext(keys=False)
                )

    @contextmanager
    def _tables(self) -> Iterator[tuple[Any, Any, Any] | None]:
        if not has_data(self._path):
            yield None
            return
        environment = open_reader(self._path)
        try:
            handle = environment.require()
            try:
                inputs, calls = (
                    handle.open_db(name, create=False) for name in (b"inputs", b"calls")
                )
            except lmdb.NotFoundError:  # it was made, and never used
                yield None
                return
            with handle.begin() as transaction:
                yield transaction, inputs, calls
        except lmdb.Error as error:
            raise lmdb_error(error, self._path) from error
        finally:
            environment.close()


def forget_requests(path: Path, requests: list[StoredRequest], *, sync: bool) -> None:
    """Remove submissions with their outcomes; their clients are told that they are forgotten.

    The log is marked to be written anew.
    """
    environment = open_writer(path, sync=sync)
    try:
        handle = environment.require()
        with handle.begin(write=True) as transaction:
            inputs, calls, meta = (
                handle.open_db(name, transaction) for name in (b"inputs", b"calls", b"meta")
            )
            for request in requests:
                transaction.delete(request.offset.to_bytes(8, "big"), db=inputs)
                place = transaction.get(request.call, None, calls)
                if place is not None:
                    outcome = place[:_PLACE] + FORGOTTEN_OUTCOME
                    transaction.put(request.call, outcome, db=calls)
            transaction.put(MARK, b"\1", db=meta)
    except lmdb.Error as error:
        raise lmdb_error(error, path) from error
    finally:
        environment.close()


def is_marked(path: Path) -> bool:
    """Whether data was removed since the log was written anew."""
    if not has_data(path):
        return False
    environment = open_reader(path)
    try:
        handle = environment.require()
        try:
            meta = handle.open_db(b"meta", create=False)
        except lmdb.NotFoundError:
            return False
        with handle.begin() as transaction:
            return transaction.get(MARK, None, meta) is not None
    except lmdb.Error as error:
        raise lmdb_error(error, path) from error
    finally:
        environment.close()


def _key_in(data: bytes) -> bytes:
    (length,) = _LENGTH.unpack_from(data, _CALL)
    return bytes(data[_HEAD : _HEAD + length])
