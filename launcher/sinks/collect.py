"""Outputs as a Python list, in the order of their inputs, for `to_list`.

They are kept encoded, as the workers sent them, until someone asks. A job that can be resumed also
writes them to a spool file (outbox records, each behind its length), so that the outputs of an
earlier life of the job are there again when a later one ends, by the same rule as for any file: cut
back to the checkpoint's length, then read.
"""

from __future__ import annotations

import gc
import struct
from array import array
from itertools import accumulate, chain, repeat
from typing import TYPE_CHECKING, Any, ClassVar

from ...store.codec import loads
from ...store.outbox import Outputs, decode_outputs, encode_outputs
from .appendfile import AppendFile
from .base import Sink, recorded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..watermark import Watermark
    from .base import Position

_LENGTH = struct.Struct("<Q")


class _Block:
    """The outputs of one record, in little memory."""

    __slots__ = ("blob", "counts", "lengths", "offsets")

    def __init__(self, outputs: Outputs) -> None:
        self.offsets = array("Q", outputs.offsets)
        self.counts = array("I", outputs.counts)
        self.lengths = array("Q", outputs.lengths)
        self.blob = bytes(outputs.blob)

    def output_offsets(self) -> list[int]:
        """The input offset of each output."""
        counts = self.counts
        if max(counts) == min(counts) == 1:
            return self.offsets.tolist()
        return list(chain.from_iterable(map(repeat, self.offsets, counts)))

    def pieces(self) -> list[bytes]:
        """Each output, encoded."""
        blob = self.blob
        ends = list(accumulate(self.lengths))
        return [blob[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class CollectSink(Sink):
    """Keeps all outputs; each is ``{key: output}`` in pickle form.

    Args:
        spool: where a resumable job keeps them, or None: in memory only.
        sync: make `flush` wait for the disk.
    """

    codec: ClassVar[str] = "pickle"

    def __init__(self, spool: Path | None = None, *, sync: bool = False) -> None:
        self._spool = spool
        self._sync = sync
        self._file: AppendFile | None = None
        self._blocks: list[_Block] = []

    def open(self, position: Position | None, delivered: Watermark) -> None:  # noqa: ARG002
        """Begin empty, or with the outputs that the spool file holds up to `position`."""
        if self._spool is None:
            return
        length = None if position is None else recorded(position, "length")
        # The spool is nobody else's: a new job may empty what is left of one that died too early.
        self._file = AppendFile(str(self._spool), length=length, overwrite=True, sync=self._sync)
        if length:
            self._load(self._spool.read_bytes())

    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """Keep the outputs of `fresh`; raises as `AppendFile.write` if there is a spool."""
        if len(fresh) != len(outputs.offsets):
            outputs = _only(outputs, set(fresh))
        if outputs.lengths:
            if self._file is not None:
                record = _encoded(outputs)
                self._file.write(_LENGTH.pack(len(record)) + record)
            self._keep(outputs)
        return fresh

    def append(self, outputs: Outputs) -> None:
        """As `Sink.append`; raises as `write`."""
        self.write(outputs, outputs.offsets)

    def pass_over(self, offsets: Sequence[int]) -> Sequence[int]:
        """Nothing to keep for these."""
        return offsets

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

    def results(self) -> list[Any]:
        """All outputs as ``{key: output}``, in input order; each call decodes them anew.

        Raises:
            UnserializableError: an output's class cannot be imported here.
        """
        # Millions of new objects and not one of them garbage: collections would only cost time.
        collecting = gc.isenabled()
        gc.disable()
        try:
            offsets: list[int] = []
            outputs: list[Any] = []
            for block in self._blocks:
                offsets += block.output_offsets()
                outputs += map(loads, block.pieces())
            return _in_order(offsets, outputs)
        finally:
            if collecting:
                gc.enable()

    def _load(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            (length,) = _LENGTH.unpack_from(data, start)
            start += _LENGTH.size
            self._keep(decode_outputs(memoryview(data)[start : start + length]))
            start += length

    def _keep(self, outputs: Outputs) -> None:
        self._blocks.append(_Block(outputs))
        self.outputs += len(outputs.lengths)


def _in_order(offsets: list[int], outputs: list[Any]) -> list[Any]:
    """`outputs` sorted by the offset of each; those of one offset keep their order."""
    count = len(outputs)
    if count and len(set(offsets)) == count == max(offsets) + 1:
        ordered: list[Any] = [None] * count  # one output per input, the usual case: no need to sort
        for offset, output in zip(offsets, outputs, strict=True):
            ordered[offset] = output
        return ordered
    return [outputs[place] for place in sorted(range(count), key=offsets.__getitem__)]


def _only(outputs: Outputs, wanted: set[int]) -> Outputs:
    """The part of a record that belongs to the `wanted` inputs."""
    kept = [(offset, values) for offset, values in outputs.each() if offset in wanted]
    return Outputs(
        [offset for offset, _ in kept],
        [len(values) for _, values in kept],
        [len(output) for _, values in kept for output in values],
        memoryview(b"".join(output for _, values in kept for output in values)),
    )


def _encoded(outputs: Outputs) -> bytes:
    values = [bytes(output) for _, values in outputs.each() for output in values]
    return encode_outputs(outputs.offsets, outputs.counts, values)
