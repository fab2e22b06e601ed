"""Outbox records: the outputs of one commit, kept until the sink has them.

One record has the outputs of a group of runs, in columns, because a commit has hundreds of runs and
the launcher only needs to know which offsets are done and to pass bytes on:

    magic "TO", version, reserved | runs, outputs, generation, failed (u32) | suspended (u32) |
    groups (u32) | number of each run (u64) | number of outputs of each run (u32) | length of each
    output (u64) | number of each run that failed (u64) | number of each run that is suspended (u64)
    | key group of each owned run (u32) | the outputs, one after another

All integers are little endian. A run without outputs has its number here, too: so the launcher
knows that it is done. A run that is suspended is not done, but need not be kept by the launcher:
the shard has it, and will announce it (`offsets`). The outputs are opaque bytes.

This is version 4. Key groups are there if keys have them, as in a Flink job, where no input says
which key an owned run is of. A record without them is written as version 3, and one without
suspended runs as version 2, without the parts on them. Records of version 1, which had neither
generation nor failed runs, can still be read.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ...agent.errors import StoreCorruptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Outputs", "decode_outputs", "encode_outputs"]

_MAGIC = b"TO"
_VERSION = 4
_HEADER = struct.Struct("<2sBxIIIIII")
_HEADER_3 = struct.Struct("<2sBxIIIII")
_HEADER_2 = struct.Struct("<2sBxIIII")
_HEADER_1 = struct.Struct("<2sBxII")
_RUNS_AT = 4
_BEGIN_2 = b"TO\2\0"
_ONE_RUN = struct.Struct("<2sBxIIIIQIQ")
"""A record of version 2 with one run, which has not failed, and one output; the output follows."""
_pack_header = _HEADER.pack
_pack_header_3 = _HEADER_3.pack
_pack_header_2 = _HEADER_2.pack
_SIZES = {code: array(code).itemsize for code in "IQ"}
_SWAP = sys.byteorder == "big"
_CUT_SHORT = "An outbox record is cut short. Restore the state directory from a copy."

View: TypeAlias = "memoryview"
"""By its name, because mypyc does not find the type itself when the class is made."""


@dataclass(slots=True)
class Outputs:
    """A decoded record; `blob` is a view into the bytes it was decoded from.

    Attributes:
        offsets: the number of each run (`offsets`); for most, that is the offset of its input.
        counts: how many outputs each run has, in the order of `offsets`.
        lengths: size of each output in bytes, in order.
        blob: the outputs, one after another.
        generation: the generation of the worker that made the runs.
        failed: numbers of the runs that failed for good: they became dead letters, or were
            ignored.
        suspended: numbers of the runs that wait, and are owned by the shard now.
        groups: the key group of each owned run among `offsets`, in their order; empty if keys have
            no groups.
    """

    offsets: list[int]
    counts: list[int]
    lengths: list[int]
    blob: View
    generation: int = 0
    failed: list[int] = field(default_factory=list)
    suspended: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)

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
    *,
    failed: Sequence[int] = (),
    suspended: Sequence[int] = (),
    groups: Sequence[int] = (),
) -> bytes:
    """Encode one record.

    Args:
        offsets: the input offset of each run (below 2**64).
        counts: how many of `outputs` belong to each run, in the order of `offsets`.
        outputs: all outputs, run by run.
        generation: the generation of the worker.
        failed: those of `offsets` whose run failed for good.
        suspended: those of `offsets` whose run waits.
        groups: the key group of each owned run among `offsets`.
    """
    if len(offsets) == len(outputs) == 1 and not (failed or suspended or groups):
        output = outputs[0]
        head = (_MAGIC, 2, 1, 1, generation, 0, offsets[0], counts[0], len(output))
        return _ONE_RUN.pack(*head) + output
    columns = [array("Q", offsets), array("I", counts), array("Q", map(len, outputs))]
    columns.append(array("Q", failed))
    if suspended or groups:
        columns.append(array("Q", suspended))
    if groups:
        columns.append(array("I", groups))
    if _SWAP:
        for column in columns:
            column.byteswap()
    numbers = (len(offsets), len(outputs), generation, len(failed))
    if groups:
        header = _pack_header(_MAGIC, _VERSION, *numbers, len(suspended), len(groups))
    elif suspended:
        header = _pack_header_3(_MAGIC, 3, *numbers, len(suspended))
    else:
        header = _pack_header_2(_MAGIC, 2, *numbers)
    return b"".join((header, *columns, *outputs))


def decode_outputs(data: bytes | memoryview) -> Outputs:
    """Decode one record without copying its outputs.

    Raises:
        StoreCorruptError: `data` is not a record of a known version, or parts of it are missing.
    """
    view = memoryview(data)
    if len(view) >= _ONE_RUN.size and view[:_RUNS_AT] == _BEGIN_2:
        *_, runs, total, generation, failures, offset, count, length = _ONE_RUN.unpack_from(view)
        blob = view[_ONE_RUN.size :]
        if runs == total == count == 1 and not failures and length == len(blob):
            return Outputs([offset], [1], [length], blob, generation)
    (runs, total, generation, failures, waiting, grouped), position = _decode_header(view)
    if len(view) < position + 12 * runs + 8 * (total + failures + waiting) + 4 * grouped:
        raise StoreCorruptError(_CUT_SHORT)
    offsets, position = _column(view, position, "Q", runs)
    counts, position = _column(view, position, "I", runs)
    lengths, position = _column(view, position, "Q", total)
    failed, position = _column(view, position, "Q", failures)
    suspended, position = _column(view, position, "Q", waiting)
    groups, position = _column(view, position, "I", grouped)
    blob = view[position:]
    if sum(counts) != total or sum(lengths) != len(blob):
        raise StoreCorruptError(_CUT_SHORT)
    return Outputs(offsets, counts, lengths, blob, generation, failed, suspended, groups)


def _column(view: memoryview, start: int, code: str, length: int) -> tuple[list[int], int]:
    """The numbers of a column, and where it ends."""
    if not length:
        return [], start
    end = start + length * _SIZES[code]
    if not _SWAP:
        return view[start:end].cast(code).tolist(), end  # type: ignore[call-overload]
    column = array(code, view[start:end].tobytes())
    column.byteswap()
    return column.tolist(), end


def _decode_header(view: memoryview) -> tuple[tuple[int, ...], int]:
    """Runs, outputs, generation, failed, suspended and grouped runs; where the columns begin."""
    try:
        magic, version, *numbers = _HEADER_1.unpack_from(view)
        if magic == _MAGIC and version == 1:
            return (*numbers, 0, 0, 0, 0), _HEADER_1.size
        if magic == _MAGIC and version == 2:
            return (*_HEADER_2.unpack_from(view)[2:], 0, 0), _HEADER_2.size
        if magic == _MAGIC and version == 3:
            return (*_HEADER_3.unpack_from(view)[2:], 0), _HEADER_3.size
        if magic == _MAGIC and version == _VERSION:
            return _HEADER.unpack_from(view)[2:], _HEADER.size
    except struct.error:
        pass
    raise StoreCorruptError(
        "An outbox record is not in a format this version of tamias knows. "
        "Resume with the version of tamias that wrote it."
    )
