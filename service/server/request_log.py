"""The request log: the submissions of clients and their outcomes, in one LMDB environment.

| database | key | value |
|---|---|---|
| `inputs` | offset | client and sequence (12 bytes), length of the key (2), key, value |
| `calls` | client and sequence | offset (8), digest (8), then the outcome; none while it waits |
| `clients` | owner, NUL, client id | number (4), anonymous (1), seen (8, seconds since the epoch) |
| `floors` | number of a client | all up to this sequence were acknowledged |
| `meta` | `offset`, `client` | the next number to be given |
| `meta` | `store`, `count` | the store that the log belongs to |

All integers are big endian, so that keys sort by number. An offset is the input's number in the
pool's source and never changes; (client, sequence) is the client's own number for it. An input is
deleted as soon as a checkpoint covers it, since the pool will not read it again; its call stays,
with the outcome, until the client acknowledges it.

Two threads write: the frontend with `record`, `welcome`, `trim` and `expire`, the pool with
`answer`. LMDB lets one write at a time. Each write is one transaction, so the log is consistent
after any crash.
"""

from __future__ import annotations

import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import lmdb

from ...store.faults import lmdb_error, system_error
from ...store.lmdb_env import Environment, open_writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from ...store.identity import StoreIdentity

_CALL = struct.Struct(">IQ")
_PLACE = struct.Struct(">Q8s")
_CLIENT = struct.Struct(">I?d")
_U64 = struct.Struct(">Q")
_U32 = struct.Struct(">I")
_U16 = struct.Struct(">H")
_HEAD = _CALL.size + _U16.size
_AT_ONCE: Final = 20_000
"""Records deleted in one transaction, so that the other thread need not wait long."""
_READ_BYTES: Final = 4 << 20
_SEEN_SECONDS: Final = 60.0
"""The precision of the time at which a client was seen last."""


class ClientRecord(NamedTuple):
    """A recorded client."""

    number: int
    floor: int
    last: int


class NewRequest(NamedTuple):
    """A submission about to be recorded."""

    client: int
    sequence: int
    digest: bytes
    key: bytes
    value: bytes


class RequestRecord(NamedTuple):
    """A recorded submission; `outcome` is empty while it waits."""

    offset: int
    digest: bytes
    outcome: bytes


@dataclass(slots=True)
class LogBatch:
    """The submissions, acknowledgements and departures to record in one transaction."""

    entries: list[NewRequest] = field(default_factory=list)
    floors: dict[int, int] = field(default_factory=dict)
    leaving: list[tuple[bytes, int]] = field(default_factory=list)
    streamed: list[int] = field(default_factory=list)
    """Which of the entries have streams, by index."""

    def __bool__(self) -> bool:
        return bool(self.entries or self.floors or self.leaving)


def digest_of(key: bytes, value: bytes) -> bytes:
    """Return a digest of eight bytes, by which two submissions are compared."""
    return blake2b(_U16.pack(len(key)) + key + value, digest_size=8).digest()


class RequestLog:
    """The request log of one service, open for writing; its caller holds the launcher's lease."""

    def __init__(
        self, path: Path, environment: Environment, identity: StoreIdentity | None = None
    ) -> None:
        self.path = path
        self._environment = environment
        self._write_lock = threading.Lock()  # waits without the GIL; LMDB's own lock may not
        handle = environment.require()
        with self._writing() as transaction:
            self._inputs, self._calls, self._clients, self._floors, self._meta = (
                handle.open_db(name, txn=transaction)
                for name in (b"inputs", b"calls", b"clients", b"floors", b"meta")
            )
            if identity is not None and not identity.check(
                transaction, self._meta, path, required=False
            ):
                identity.record(transaction, self._meta)
            found = transaction.get(b"offset", db=self._meta)
            self._next = _U64.unpack(found)[0] if found else 0
        self.kept: dict[int, int] = self._count_calls()
        """The number of recorded calls of each client."""
        self._swept = 0
        """Of the inputs below this offset only those are left whose runs wait."""
        self._late: list[int] = []
        """Those of them that have had their outcome, to be deleted by the next `answer`."""

    @classmethod
    def open(cls, path: Path, *, sync: bool, identity: StoreIdentity | None = None) -> Self:
        """Open the request log in the directory `path`, which is made if it is missing.

        Args:
            path: its directory.
            sync: whether records must survive power loss.
            identity: the store that it must belong to; None for any.

        Raises:
            ForeignStoreError: it belongs to another store.
            StoreFullError, StoreUnwritableError, StoreError: it cannot be opened.
        """
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise system_error(error, path) from error
        environment = open_writer(path, sync=sync)
        try:
            return cls(path, environment, identity)
        except BaseException:
            environment.close()
            raise

    def close(self) -> None:
        """Close it; may be called again."""
        self._environment.close()

    # -- the frontend -----------------------------------------------------------------------

    def welcome(self, identity: bytes, *, anonymous: bool, most: int) -> ClientRecord | None:
        """Return the client of this identity, recorded now if it is new.

        None if it is new, and `most` clients are recorded already.
        """
        now = time.time()
        with self._reading() as transaction:
            found = transaction.get(identity, db=self._clients)
            if found is None and transaction.stat(self._clients)["entries"] >= most:
                return None
        if found is None or _CLIENT.unpack(found)[2] < now - _SEEN_SECONDS:
            with self._writing() as transaction:
                if found is None:
                    following = transaction.get(b"client", db=self._meta)
                    number = _U32.unpack(following)[0] if following else 1
                    transaction.put(b"client", _U32.pack(number + 1), db=self._meta)
                else:
                    number = _CLIENT.unpack(found)[0]
                found = _CLIENT.pack(number, anonymous, now)
                transaction.put(identity, found, db=self._clients)
        number = _CLIENT.unpack(found)[0]
        with self._reading() as transaction, transaction.cursor(db=self._calls) as cursor:
            floor = transaction.get(_U32.pack(number), db=self._floors)
            low = _U64.unpack(floor)[0] if floor else 0
            return ClientRecord(number, low, max(low, _last_of(cursor, number)))

    def find(self, client: int, sequences: Iterable[int]) -> list[RequestRecord | None]:
        """Return the records of these sequences, None for each that has none."""
        with self._reading() as transaction:
            found: list[RequestRecord | None] = []
            for sequence in sequences:
                data = transaction.get(_CALL.pack(client, sequence), db=self._calls)
                if data is None:
                    found.append(None)
                else:
                    offset, digest = _PLACE.unpack_from(data)
                    found.append(RequestRecord(offset, digest, data[_PLACE.size :]))
            return found

    def record(
        self,
        entries: Sequence[NewRequest],
        floors: dict[int, int] | None = None,
        leaving: Iterable[tuple[bytes, int]] = (),
    ) -> int:
        """Record submissions, acknowledgements and departures; return the first one's offset.

        Args:
            entries: get offsets one after another.
            floors: by client, the sequence up to which all may be forgotten.
            leaving: identity and number of clients of which everything may be forgotten.

        Raises:
            StoreFullError, StoreError: nothing was recorded.
        """
        first = self._next
        following = first + len(entries)
        deleted: dict[int, int] = {}
        with self._writing() as transaction:
            if entries:
                with transaction.cursor(db=self._inputs) as cursor:
                    cursor.putmulti(
                        [
                            (
                                _U64.pack(offset),
                                b"".join(
                                    (
                                        _CALL.pack(entry.client, entry.sequence),
                                        _U16.pack(len(entry.key)),
                                        entry.key,
                                        entry.value,
                                    )
                                ),
                            )
                            for offset, entry in enumerate(entries, first)
                        ],
                        append=True,
                    )
                with transaction.cursor(db=self._calls) as cursor:
                    cursor.putmulti(
                        [
                            (
                                _CALL.pack(entry.client, entry.sequence),
                                _PLACE.pack(offset, entry.digest),
                            )
                            for offset, entry in enumerate(entries, first)
                        ]
                    )
                transaction.put(b"offset", _U64.pack(following), db=self._meta)
            for client, floor in (floors or {}).items():
                deleted[client] = self._delete_calls(transaction, client, floor)
                transaction.put(_U32.pack(client), _U64.pack(floor), db=self._floors)
            for identity, client in leaving:
                deleted[client] = self._delete_client(transaction, identity, client)
        self._next = following
        for entry in entries:
            self.kept[entry.client] = self.kept.get(entry.client, 0) + 1
        for client, count in deleted.items():
            self._subtract_kept(client, count)
        return first

    def trim(self, client: int, keep: int) -> int | None:
        """Forget a client's outcomes but the last `keep`; return its new floor, None: unchanged."""
        surplus = min(self.kept.get(client, 0) - keep, _AT_ONCE)
        floor = None
        if surplus > 0 and self._can_trim(client):
            with self._writing() as transaction, transaction.cursor(db=self._calls) as cursor:
                found = cursor.set_range(_CALL.pack(client, 0))
                deleted = 0
                while found and deleted < surplus:
                    key, value = cursor.item()
                    number, sequence = _CALL.unpack(key)
                    if number != client or len(value) == _PLACE.size:
                        break
                    floor = sequence
                    found = cursor.delete()
                    deleted += 1
                if floor is not None:
                    transaction.put(_U32.pack(client), _U64.pack(floor), db=self._floors)
            self._subtract_kept(client, deleted)
        return floor

    def _can_trim(self, client: int) -> bool:
        """Whether a client's oldest submission has an outcome: it may be suspended for long."""
        with self._reading() as transaction, transaction.cursor(db=self._calls) as cursor:
            if not cursor.set_range(_CALL.pack(client, 0)):
                return False
            return _CALL.unpack(cursor.key())[0] == client and len(cursor.value()) > _PLACE.size

    def expire(self, before: float, present: set[int]) -> int:
        """Forget clients not seen since `before` (seconds since the epoch); return how many.

        Those `present` are recorded as seen now. Clients whose submissions still wait are kept.
        """
        now = time.time()
        with self._reading() as transaction, transaction.cursor(db=self._clients) as cursor:
            known = [(identity, *_CLIENT.unpack(data)) for identity, data in cursor]
        over = []
        with self._writing() as transaction:
            for identity, number, anonymous, seen in known:
                if number in present:
                    record = _CLIENT.pack(number, anonymous, now)
                    transaction.put(identity, record, db=self._clients)
                elif seen < before:
                    over.append((identity, number))
        for identity, number in over:
            while self.kept.get(number, 0) > 0 and self.trim(number, 0) is not None:
                pass
            if not self.kept.get(number):
                self.record((), leaving=[(identity, number)])
        return len(over)

    # -- the pool -----------------------------------------------------------------------------

    @property
    def following(self) -> int:
        """The offset of the next submission that is recorded."""
        return self._next

    @property
    def first(self) -> int:
        """The lowest offset whose input is stored; if there is none, the next to be given."""
        with self._reading() as transaction, transaction.cursor(db=self._inputs) as cursor:
            if cursor.first():
                return int(_U64.unpack(cursor.key())[0])
            found = transaction.get(b"offset", db=self._meta)
        return _U64.unpack(found)[0] if found else 0

    def first_from(self, offset: int) -> int:
        """The lowest offset, not below this one, whose input is stored; else the next to be given.

        Inputs whose runs wait are kept, and those behind them are deleted: so there are gaps.
        """
        with self._reading() as transaction, transaction.cursor(db=self._inputs) as cursor:
            if cursor.set_range(_U64.pack(offset)):
                return int(_U64.unpack(cursor.key())[0])
            found = transaction.get(b"offset", db=self._meta)
        return max(offset, _U64.unpack(found)[0] if found else 0)

    def read(self, offset: int, limit: int) -> list[tuple[bytes, bytes, None]]:
        """Return up to `limit` inputs from `offset` on, up to a gap, as records of a source."""
        records: list[tuple[bytes, bytes, None]] = []
        size = 0
        with self._reading() as transaction, transaction.cursor(db=self._inputs) as cursor:
            if not cursor.set_key(_U64.pack(offset)):
                return records
            for key, data in cursor.iternext():
                if key != _U64.pack(offset + len(records)):
                    break
                end = _HEAD + _U16.unpack_from(data, _CALL.size)[0]
                records.append((data[_HEAD:end], data[end:], None))
                size += len(data)
                if len(records) >= limit or size > _READ_BYTES:
                    break
        return records

    def answer(self, outcomes: dict[int, bytes], below: int) -> None:
        """Record outcomes by offset, and delete the inputs below an offset that have an outcome.

        The others of these are not read again, but their runs wait.
        """
        late = []
        with self._writing() as transaction:
            for offset in self._late:
                transaction.delete(_U64.pack(offset), db=self._inputs)
            for offset, outcome in outcomes.items():
                if offset < self._swept:
                    late.append(offset)
                head = transaction.get(_U64.pack(offset), db=self._inputs)
                if head is None:
                    continue
                call = head[: _CALL.size]
                place = transaction.get(call, db=self._calls)
                if place is not None:  # else the client has acknowledged it, or was forgotten
                    transaction.put(call, place[: _PLACE.size] + outcome, db=self._calls)
            with transaction.cursor(db=self._inputs) as cursor:
                bound = _U64.pack(below)
                left = _AT_ONCE
                cursor.set_range(_U64.pack(self._swept))
                while left and b"" < cursor.key() < bound:  # it has no key behind the last input
                    if self._is_unanswered(transaction, cursor.value()):
                        cursor.next()
                    else:
                        cursor.delete()
                    left -= 1
                next_one = _U64.unpack(cursor.key())[0] if cursor.key() else below
        self._swept = max(self._swept, min(below, next_one))
        self._late = late

    def _is_unanswered(self, transaction: Any, data: bytes) -> bool:
        """Whether the client of an input waits for its outcome."""
        place = transaction.get(data[: _CALL.size], db=self._calls)
        return place is not None and len(place) == _PLACE.size

    def clients_of(self, owner: str) -> frozenset[int]:
        """Return the numbers of the clients whose key has this name."""
        prefix = f"{owner}\0".encode()
        numbers = set()
        with self._reading() as transaction, transaction.cursor(db=self._clients) as cursor:
            if cursor.set_range(prefix):
                for identity, data in cursor.iternext():
                    if not identity.startswith(prefix):
                        break
                    numbers.add(_CLIENT.unpack(data)[0])
        return frozenset(numbers)

    def call_of(self, offset: int) -> tuple[int, int] | None:
        """Return client and sequence of an input; None if it was deleted."""
        with self._reading() as transaction:
            data = transaction.get(_U64.pack(offset), db=self._inputs)
        return None if data is None else _CALL.unpack_from(data)

    def key_of(self, offset: int) -> bytes | None:
        """Return the encoded key of an input; None if it was deleted."""
        with self._reading() as transaction:
            data = transaction.get(_U64.pack(offset), db=self._inputs)
        return None if data is None else data[_HEAD : _HEAD + _U16.unpack_from(data, _CALL.size)[0]]

    def unanswered(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield offset, client, sequence and size of each input without a recorded outcome."""
        with (
            self._reading() as transaction,
            transaction.cursor(db=self._inputs) as cursor,
        ):
            for key, data in cursor:
                call = data[: _CALL.size]
                place = transaction.get(call, db=self._calls)
                if place is None or len(place) == _PLACE.size:
                    yield (_U64.unpack(key)[0], *_CALL.unpack(call), len(data) - _HEAD)

    # -- inside -------------------------------------------------------------------------------

    def _delete_calls(self, transaction: Any, client: int, floor: int) -> int:
        """Delete a client's calls up to `floor`; return how many."""
        deleted = 0
        with transaction.cursor(db=self._calls) as cursor:
            bound = _CALL.pack(client, floor)
            found = cursor.set_range(_CALL.pack(client, 0))
            while found and cursor.key() <= bound:
                found = cursor.delete()
                deleted += 1
        return deleted

    def _delete_client(self, transaction: Any, identity: bytes, client: int) -> int:
        deleted = self._delete_calls(transaction, client, (1 << 64) - 1)
        transaction.delete(_U32.pack(client), db=self._floors)
        transaction.delete(identity, db=self._clients)
        return deleted

    def _subtract_kept(self, client: int, count: int) -> None:
        left = self.kept.get(client, 0) - count
        if left > 0:
            self.kept[client] = left
        else:
            self.kept.pop(client, None)

    def _count_calls(self) -> dict[int, int]:
        counts: dict[int, int] = {}
        with self._reading() as transaction, transaction.cursor(db=self._calls) as cursor:
            for key in cursor.iternext(values=False):
                client = _U32.unpack_from(key)[0]
                counts[client] = counts.get(client, 0) + 1
        return counts

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        try:
            with (
                self._write_lock,
                self._environment.require().begin(write=True) as transaction,
            ):
                yield transaction
        except lmdb.Error as error:
            raise lmdb_error(error, self.path) from error

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        try:
            with self._environment.require().begin() as transaction:
                yield transaction
        except lmdb.Error as error:
            raise lmdb_error(error, self.path) from error


def _last_of(cursor: Any, client: int) -> int:
    """Return the highest recorded sequence of a client, 0 if there is none."""
    found = cursor.set_range(_CALL.pack(client + 1, 0))
    found = cursor.prev() if found else cursor.last()
    if not found:
        return 0
    number, sequence = _CALL.unpack(cursor.key())
    return int(sequence) if number == client else 0
