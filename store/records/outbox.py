"""Outbox records: the outputs of one commit, kept until the sink has them.

One record has the outputs of a group of runs, in columns, because a commit has hundreds of runs and
the launcher only needs to know which offsets are done and to pass bytes on:

    magic "TO", version, reserved | runs, outputs, generation, failed (u32) | offset of each run
    (u64) | number of outputs of each run (u32) | length of each output (u64) | offset of each run
    that failed (u64) | the outputs, one after another

All integers are little endian. A run without outputs has its offset here, too: so the launcher
knows that it is done. The outputs are opaque bytes. Records of version 1, which had neither
generation nor failed runs, can still be read.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...agent.errors import StoreCorruptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Outputs", "decode_outputs", "encode_outputs"]

_MAGIC = b"TO"
_VERSION = 2
_HEADER = struct.Struct("<2sBxIIII")
_HEADER_1 = struct.Struct("<2sBxII")
_pack_header = _HEADER.pack
_SWAP = sys.byteorder == "big"
_CUT_SHORT = "An outbox record is cut short. Restore the state directory from a copy."


@dataclass(slots=True)
class Outputs:
    """A decoded record; `blob` is a view into the bytes it was decoded from.

    Attributes:
        offsets: the input offset of each run.
        counts: how many outputs each run has, in the order of `offsets`.
        lengths: size of each output in bytes, in order.
        blob: the outputs, one after another.
        generation: the generation of the worker that made the runs.
        failed: offsets of the runs that failed for good: they became dead letters, or were ignored.
    """

    offsets: list[int]
    counts: list[int]
    lengths: list[int]
    blob: memoryview
    generation: int = 0
    failed: list[int] = field(default_factory=list)

    def each(self) -> Iterator[tuple[int, list[memoryview]]]:
        """Yield the offset of each run with its outputs, as views."""
        blob, lengths = self.blob, self.lengths
        start = position = 0
        for offset, count in zip(self.offsets, self.counts, strict=True):
            outputs = []
            for length in lengths[position : position + count]:
                outputs.append(blob[start : start + length])
                start += length
            position += count
            yield offset, outputs


def encode_outputs(
    offsets: list[int],
    counts: list[int],
    outputs: list[bytes],
    generation: int = 0,
    failed: Sequence[int] = (),
) -> bytes:
    """Encode one record.

    Args:
        offsets: the input offset of each run (below 2**64).
        counts: how many of `outputs` belong to each run, in the order of `offsets`.
        outputs: all outputs, run by run.
        generation: the generation of the worker.
        failed: those of `offsets` whose run failed for good.
    """
    columns = array("Q", offsets), array("I", counts), array("Q", map(len, outputs))
    failures = array("Q", failed)
    if _SWAP:
        for column in (*columns, failures):
            column.byteswap()
    header = _pack_header(_MAGIC, _VERSION, len(offsets), len(outputs), generation, len(failures))
    return b"".join((header, *columns, failures, *outputs))


def decode_outputs(data: bytes | memoryview) -> Outputs:
    """Decode one record without copying its outputs.

    Raises:
        StoreCorruptError: `data` is not a record of a known version, or parts of it are missing.
    """
    view = memoryview(data)
    runs, total, generation, failures, position = _decode_header(view)
    if len(view) < position + 12 * runs + 8 * total + 8 * failures:
        raise StoreCorruptError(_CUT_SHORT)
    columns = []
    for code, size, length in (("Q", 8, runs), ("I", 4, runs), ("Q", 8, total), ("Q", 8, failures)):
        end = position + size * length
        column = array(code)
        column.frombytes(view[position:end])
        if _SWAP:
            column.byteswap()
        columns.append(column.tolist())
        position = end
    offsets, counts, lengths, failed = columns
    blob = view[position:]
    if len(lengths) != total or sum(counts) != total or sum(lengths) != len(blob):
        raise StoreCorruptError(_CUT_SHORT)
    return Outputs(offsets, counts, lengths, blob, generation, failed)


def _decode_header(view: memoryview) -> tuple[int, int, int, int, int]:
    """Runs, outputs, generation, failed runs, and the position of the columns."""
    try:
        magic, version, runs, total = _HEADER_1.unpack_from(view)
        if magic == _MAGIC and version == 1:
            return runs, total, 0, 0, _HEADER_1.size
        if magic == _MAGIC and version == _VERSION:
            _, _, runs, total, generation, failures = _HEADER.unpack_from(view)
            return runs, total, generation, failures, _HEADER.size
    except struct.error:
        pass
    raise StoreCorruptError(
        "An outbox record is not in a format this version of tamias knows. "
        "Resume with the version of tamias that wrote it."
    )
