"""Inputs from Python: a list, which is read without a copy, or any other iterable, read lazily.

Each element is a dict ``{"key": ..., "value": ...}``, or ``k`` and ``v``. An element without a key
gets a generated one of its own. Elements are a program's own data, so an unusable one is an error
that names its index, not a dead letter.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...agent.errors import InputError, TamiasError
from ...store.encoding.codec import dumps_input
from ..delivery.source import Position, Record, Source, generated_key
from .elements import add_records
from .input_digest import InputDigest
from .keycache import KeyCache

if TYPE_CHECKING:
    from ..delivery.source import Identity

_MISSING = object()  # not plain data, so its digest is different from those of values

_PATIENCE = 0.01
"""Seconds after which a batch from a slow iterable is returned as it is."""


class _PythonSource(Source):
    """The common part of lists and iterables: turns elements into records."""

    codec = "pickle"

    def __init__(self, *, compared: bool) -> None:
        self._offset = 0
        self._digest = InputDigest() if compared else None
        self._expected: Identity | None = None
        self._keys = KeyCache()

    @property
    def position(self) -> Position:
        """As `Source.position`."""
        return Position(self._offset)

    def identity(self) -> Identity:
        """As `Source.identity`: Python objects have none that another process could check."""
        return {"kind": "python"}

    def check(self, identity: Identity) -> None:
        """As `Source.check`."""
        if identity != self.identity():
            raise InputError(
                f"This job was begun with the input {identity.get('path')}, not with a list.",
                hint="Read the same input, or name an empty state directory.",
            )

    def read_so_far(self) -> Identity | None:
        """As `Source.read_so_far`: how many elements, and their digest."""
        digest = self._digest
        if digest is None:
            return None
        return self._expected or {"count": digest.count, "digest": digest.hexdigest()}

    def expect(self, read: Identity) -> None:
        """As `Source.expect`."""
        if self._digest is not None and read.get("count"):
            self._expected = read

    def _compare(self, elements: Iterable[Any], index: int) -> None:
        """Add elements from `index` on to the digest; compare it where an earlier life ended."""
        digest = self._digest
        if digest is None:
            return
        for number, element in enumerate(elements, index):
            if number < digest.count:
                continue
            digest.add([_first(element, "key", "k"), _first(element, "value", "v")])
            expected = self._expected
            if expected is not None and digest.count == expected["count"]:
                self._expected = None
                if digest.hexdigest() != expected["digest"]:
                    raise InputError(
                        f"The first {digest.count} elements of the input are not those that this "
                        "job was begun with; outputs of the old ones are in its state directory.",
                        hint="Give it the same elements (more may follow them), or an empty state "
                        "directory.",
                    )

    def _record(self, element: Any, index: int) -> Record:
        """Return the record of an element that is not of the usual kind. Raises InputError."""
        if not isinstance(element, Mapping):
            raise InputError(
                f"Element {index} of the input is of type {type(element).__qualname__}.",
                hint="Each element is a dict with a 'value' and, if wanted, a 'key'.",
            )
        value = _first(element, "value", "v")
        if value is _MISSING:
            raise InputError(
                f"Element {index} of the input has no 'value': its fields are "
                f"{', '.join(map(repr, element)) or 'none'}.",
                hint="Each element is a dict with a 'value' and, if wanted, a 'key'.",
            )
        key = _first(element, "key", "k")
        try:
            encoded = generated_key(index) if key is _MISSING else self._keys[key]
            return encoded, dumps_input(value), None
        except TypeError:
            reason = f"a key of type {type(key).__qualname__} is not hashable."
        except TamiasError as error:
            reason = str(error)
        raise InputError(f"Element {index} of the input cannot be used: {reason}")


def _first(element: Mapping[Any, Any], *names: str) -> Any:
    for name in names:
        if name in element:
            return element[name]
    return _MISSING


class ListSource(_PythonSource):
    """A sequence of elements, which may grow at its end while it is read."""

    def __init__(self, elements: Sequence[Any], *, compared: bool = False) -> None:
        super().__init__(compared=compared)
        self._elements = elements

    def expect(self, read: Identity) -> None:
        """As `Source.expect`: compares at once."""
        super().expect(read)
        count = read.get("count")
        if self._expected is not None and isinstance(count, int):
            self._compare(self._elements[:count], 0)
            if self._expected is not None:
                raise self._shorter(count)

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`. Raises InputError for an unusable element."""
        start = self._offset
        elements = self._elements[start : start + limit]
        records: list[Record] = []
        while True:
            add_records(records, elements, self._keys)
            if len(records) >= len(elements):
                break
            records.append(self._record(elements[len(records)], start + len(records)))
        self._compare(elements, start)
        self._offset += len(records)
        self.exhausted = self._offset >= len(self._elements)
        return records

    def seek(self, position: Position) -> None:
        """As `Source.seek`."""
        if position.offset > len(self._elements):
            raise self._shorter(position.offset)
        self._offset = position.offset

    def _shorter(self, arrived: int) -> InputError:
        return InputError(
            f"The input has {len(self._elements)} elements, but this job had arrived at "
            f"element {arrived}: it is not the same input.",
            hint="Give it the same list, or an empty state directory.",
        )

    def fraction(self) -> float | None:
        """As `Source.fraction`."""
        return self._offset / len(self._elements) if self._elements else 1.0


class IterableSource(_PythonSource):
    """An iterable, which is read when the pool has room, and only once.

    The pool waits during the read. From a slow iterable a read takes only what has arrived within
    some milliseconds, so that these elements are processed at once.
    """

    def __init__(self, elements: Iterable[Any], *, compared: bool = False) -> None:
        super().__init__(compared=compared)
        self._elements = iter(elements)
        self._failure: InputError | None = None

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`. Raises InputError if the iterable does, or for an unusable element."""
        if self._failure is not None:
            raise self._failure
        records: list[Record] = []
        keys = self._keys
        until = time.monotonic() + _PATIENCE
        while len(records) < limit:
            index = self._offset + len(records)
            try:
                element = next(self._elements)
            except StopIteration:
                if self._expected is not None:
                    self._failure = self._shorter(index, self._expected["count"])
                    break
                self.exhausted = True
                break
            except Exception as error:  # noqa: BLE001 - the user's own code
                self._fail(error, index)
                break
            try:
                records.append((keys[element["key"]], dumps_input(element["value"]), None))
            except Exception:  # noqa: BLE001 (`_record` reports the error)
                records.append(self._record(element, index))
            self._compare((element,), index)
            if time.monotonic() > until:
                break
        self._offset += len(records)
        if self._failure is not None and not records:
            raise self._failure
        return records

    def seek(self, position: Position) -> None:
        """Read and drop the elements that an earlier run has finished."""
        while self._offset < position.offset:
            try:
                element = next(self._elements)
            except StopIteration:
                raise self._shorter(self._offset, position.offset) from None
            self._compare((element,), self._offset)
            self._offset += 1

    def _shorter(self, ended: int, arrived: object) -> InputError:
        return InputError(
            f"The input ended after {ended} elements, but this job had arrived at element "
            f"{arrived}: it is not the same input.",
            hint="Give it the same elements, or an empty state directory.",
        )

    def _fail(self, error: Exception, index: int) -> None:
        """Keep an exception of the iterable until the elements before it were read."""
        self._failure = InputError(
            f"The input raised {type(error).__name__} at element {index}: {error}"
        )
        self._failure.__cause__ = error
