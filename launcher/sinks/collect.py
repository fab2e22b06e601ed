"""Outputs as a Python list, in the order of their inputs, for `to_list`.

They are decoded as they arrive, while the workers run the next inputs: that is faster than to
decode all in the end. This is the process of the user's program, so outputs become instances of its
own classes; of one that cannot be decoded the error is kept, and the others are in the list.

A job that can be resumed also writes them to a spool file (outbox records, each after its length),
so that a later run of the job has the outputs of earlier ones, too. As any output file, it is cut
back to the checkpoint's length, and then read.
"""

from __future__ import annotations

import struct
from contextlib import nullcontext
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from ...agent.errors import UnserializableError
from ...store.encoding.values import loads, loads_all
from ...store.records.offsets import LARGEST_OFFSET, offset_of
from ...store.records.outbox import decode_outputs, encode_outputs
from ..delivery.sink import Sink, part_of, recorded
from ..garbage import kept_alive
from .appendfile import AppendFile
from .results import Results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...store.records.outbox import Outputs
    from ..delivery.done_offsets import DoneOffsets
    from ..delivery.sink import Position

LENGTH = struct.Struct("<Q")
_MANY = 16
"""Of fewer outputs the collector is not told: that would take longer than to decode them."""
_BY_VALUE = b"cloudpickle.cloudpickle"
"""The module of the functions that rebuild code: every pickle with code in it contains this."""


class CollectSink(Sink):
    """Keeps all outputs; each arrives as ``{key: output}`` in pickle form.

    Args:
        spool: the file in which a resumable job keeps them; None: in memory only.
        sync: make `flush` wait for the disk.
        foreign: whether the workers' Python has another version, whose compiled code cannot be
            loaded here.
        as_arrived: return them in the order of their arrival, and not in that of their inputs.
    """

    codec: str = "pickle"

    def __init__(
        self,
        spool: Path | None = None,
        *,
        sync: bool = False,
        foreign: bool = False,
        as_arrived: bool = False,
    ) -> None:
        self._spool = spool
        self._sync = sync
        self._foreign = foreign
        self._file: AppendFile | None = None
        self._results = Results(as_arrived=as_arrived)
        self._unreadable: list[tuple[int, UnserializableError]] = []
        """Outputs that cannot be decoded: the inputs' offsets, and why."""

    def open(self, position: Position | None, delivered: DoneOffsets) -> None:  # noqa: ARG002
        """Begin empty, or with the outputs that the spool file holds up to `position`."""
        if self._spool is None:
            return
        length = None if position is None else recorded(position, "length")
        # The spool belongs to this job: a new job may empty what a killed one has left.
        self._file = AppendFile(str(self._spool), length=length, overwrite=True, sync=self._sync)
        if length:
            self._load(self._spool.read_bytes())

    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """Keep the outputs of `fresh`; raises as `AppendFile.write` if there is a spool."""
        if len(fresh) != len(outputs.offsets):
            outputs = part_of(outputs, set(fresh))
        if outputs.lengths:
            if self._file is not None:
                record = _encoded(outputs)
                self._file.write(LENGTH.pack(len(record)) + record)
            self._keep(outputs)
        return fresh

    def append(self, outputs: Outputs) -> None:
        """As `Sink.append`; raises as `write`."""
        self.write(outputs, outputs.offsets)

    def flush(self) -> None:
        """As `Sink.flush`."""
        if self._file is not None:
            self._file.flush()

    def position(self) -> Position:
        """The spool's length (None without one) and the number of outputs."""
        length = None if self._file is None else self._file.length
        return {"length": length, "outputs": self.outputs}

    def close(self) -> None:
        """Close the spool; the outputs stay."""
        if self._file is not None:
            self._file.close()

    def take_results(self) -> list[Any]:
        """Return all outputs that can be decoded, as ``{key: output}``, in order.

        They are no longer here then: what is left of a job may stay in memory for a while.
        """
        return self._results.take()

    def check_readable(self) -> None:
        """Raise an error if there are outputs that are not among the results.

        Raises:
            UnserializableError: for example, an output's class cannot be imported here.
        """
        if self._unreadable:
            offset, error = min(self._unreadable, key=lambda found: found[0])
            raise UnserializableError(
                f"{len(self._unreadable)} of {self.outputs} outputs cannot be read here, the first "
                f"of input {offset}; the list has all others. {error.message}",
                hint=error.hint,
            ) from error

    def _load(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            (length,) = LENGTH.unpack_from(data, start)
            start += LENGTH.size
            self._keep(decode_outputs(memoryview(data)[start : start + length]))
            start += length

    def _keep(self, outputs: Outputs) -> None:
        self.outputs += len(outputs.lengths)
        offsets, are_distinct = _output_offsets(outputs)
        blob = bytes(outputs.blob)
        try:
            if self._foreign:
                _refuse_code(blob)
            with kept_alive() if len(offsets) >= _MANY else nullcontext():
                values = loads_all(blob, outputs.lengths)
        except UnserializableError:
            self._keep_readable(offsets, outputs)
        else:
            self._results.add(offsets, values, are_distinct=are_distinct)

    def _keep_readable(self, offsets: list[int], outputs: Outputs) -> None:
        encoded = (bytes(output) for _, values in outputs.each() for output in values)
        for offset, data in zip(offsets, encoded, strict=True):
            try:
                if self._foreign:
                    _refuse_code(data)
                value = loads(data)
            except UnserializableError as error:
                self._unreadable.append((offset, error))
            else:
                self._results.add([offset], [value], are_distinct=True)


def _refuse_code(blob: bytes) -> None:
    if _BY_VALUE in blob:
        raise UnserializableError(
            "An output holds a function or class that was pickled by value, as compiled code, by "
            "a Python of another version.",
            hint="Send plain data, or classes of a module that can be imported here, too.",
        )


def _output_offsets(outputs: Outputs) -> tuple[list[int], bool]:
    """Return the input offset of each output, and whether no two are equal.

    Outputs without an input have larger offsets than all others.
    """
    counts, offsets = outputs.counts, outputs.offsets
    are_distinct = max(counts) == 1
    if max(offsets) > LARGEST_OFFSET:
        # What has no input comes last, in the order of its arrival.
        offsets = [min(offset_of(number), LARGEST_OFFSET + 1) for number in offsets]
        are_distinct = False
    if are_distinct and min(counts) == 1:
        return offsets, True
    return list(chain.from_iterable(map(repeat, offsets, counts))), are_distinct


def _encoded(outputs: Outputs) -> bytes:
    values = [bytes(output) for _, values in outputs.each() for output in values]
    return encode_outputs(
        outputs.offsets,
        outputs.counts,
        values,
        outputs.generation,
        failed=outputs.failed,
        suspended=outputs.suspended,
    )
