"""The outputs of one key among those that a program's job keeps (`collect`): counted, or removed.

The file and the checkpoint, which has its length, change one after the other. What the length is to
be is on record before, so a removal that was killed in between is completed by the next one; until
then the job refuses the file as too short.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from ...store.crashpoints import reach
from ...store.faults import system_error
from ...store.files import read_json, write_json
from ...store.records.outbox import decode_outputs, encode_outputs
from .collect import LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...store.state.directory import StateView

    IsOfKey = Callable[[int, memoryview], bool | None]

__all__ = ["FoundOutputs", "erase_outputs", "find_outputs"]

_RECORD: Final = "outputs.forgotten"


class FoundOutputs(NamedTuple):
    """How many outputs there are.

    Attributes:
        of_key: of the key.
        unknown: those that cannot be read here, so of which key they are is not known.
    """

    of_key: int
    unknown: int


def find_outputs(view: StateView, is_of_key: IsOfKey) -> FoundOutputs:
    """Count outputs; `is_of_key` is given the number of a run and an output, None: unknown."""
    return _filtered(view, is_of_key, None)


def erase_outputs(state: StateView, is_of_key: IsOfKey) -> FoundOutputs:
    """Remove the outputs of a key, in a state directory that this process has locked.

    Raises:
        StoreError: a file cannot be written.
    """
    path = state.layout.outputs
    fresh = path.with_name(f"{path.name}.new")
    on_record = path.with_name(_RECORD)
    try:
        _complete(state)
        found = find_outputs(state, is_of_key)
        if not found.of_key:
            return found
        with fresh.open("wb") as kept:
            os.fchmod(kept.fileno(), path.stat().st_mode & 0o777)
            _filtered(state, is_of_key, kept)
            kept.flush()
            os.fsync(kept.fileno())
            length = kept.tell()
        left = _covered(state)[1] - found.of_key
        write_json(on_record, {"length": length, "outputs": left}, sync=True)
        reach("spool.inside")
        fresh.replace(path)
        reach("spool.inside")
        _complete(state)
    except OSError as error:
        raise system_error(error, path) from error
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    return found


def _complete(state: StateView) -> None:
    """Put the length that is on record into the checkpoint, if the file has it."""
    path = state.layout.outputs
    on_record = path.with_name(_RECORD)
    sink = read_json(on_record)
    checkpoint = state.progress.load()
    if sink is not None:
        if checkpoint is not None and path.is_file() and path.stat().st_size == sink["length"]:
            state.progress.save({**checkpoint, "sink": {**checkpoint["sink"], **sink}})
        on_record.unlink()


def _covered(view: StateView) -> tuple[int, int]:
    """The length of the file in the checkpoint, and the number of outputs in it."""
    sink = (view.progress.load() or {}).get("sink") or {}
    return int(sink.get("length") or 0), int(sink.get("outputs") or 0)


def _filtered(view: StateView, is_of_key: IsOfKey, kept: BinaryIO | None) -> FoundOutputs:
    """Read the part that the checkpoint covers; write what is not of the key."""
    length = _covered(view)[0]
    path = view.layout.outputs
    of_key = unknown = 0
    if not length or not path.is_file():
        return FoundOutputs(0, 0)
    with path.open("rb") as file:
        while file.tell() < length:
            head = file.read(LENGTH.size)
            if len(head) < LENGTH.size:
                break  # the job refuses it
            record = file.read(LENGTH.unpack(head)[0])
            outputs = decode_outputs(record)
            values: list[bytes] = []
            counts = []
            for number, each in outputs.each():
                before = len(values)
                for value in each:
                    verdict = is_of_key(number, value)
                    of_key += bool(verdict)
                    unknown += verdict is None
                    if not verdict:
                        values.append(bytes(value))
                counts.append(len(values) - before)
            if kept is None:
                continue
            if len(values) < sum(outputs.counts):
                record = encode_outputs(
                    outputs.offsets,
                    counts,
                    values,
                    outputs.generation,
                    failed=outputs.failed,
                    suspended=outputs.suspended,
                )
            if values:
                kept.write(LENGTH.pack(len(record)) + record)
    return FoundOutputs(of_key, unknown)
