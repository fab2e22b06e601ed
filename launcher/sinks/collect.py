"""Outputs as a Python list, in the order of their inputs, for `to_list`.

They are kept encoded, as the workers sent them, until someone asks. A job that can be resumed also
writes them to a spool file (outbox records, each behind its length), so that the outputs of an
earlier life of the job are there again when a later one ends, by the same rule as for any file: cut
back to the checkpoint's length, then read.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...store.codec import loads
from ...store.outbox import decode_outputs, encode_outputs
from .appendfile import AppendFile
from .base import Sink, recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...store.outbox import Outputs
    from ..watermark import Watermark
    from .base import Position

_LENGTH = struct.Struct("<Q")


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
        self._outputs: dict[int, list[bytes]] = {}

    def open(self, position: Position | None, delivered: Watermark) -> None:  # noqa: ARG002
        """Begin empty, or with the outputs that the spool file holds up to `position`."""
        if self._spool is None:
            return
        length = None if position is None else recorded(position, "length")
        # The spool is nobody else's: a new job may empty what a crash before the first checkpoint
        # left.
        self._file = AppendFile(str(self._spool), length=length, overwrite=True, sync=self._sync)
        if length:
            self._load(self._spool.read_bytes())

    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """Keep the outputs of `fresh`."""
        wanted = None if len(fresh) == len(outputs.offsets) else set(fresh)
        kept = [
            (offset, [bytes(output) for output in values])
            for offset, values in outputs.each()
            if values and (wanted is None or offset in wanted)
        ]
        if self._file is not None and kept:
            record = encode_outputs(
                [offset for offset, _ in kept],
                [len(values) for _, values in kept],
                [output for _, values in kept for output in values],
            )
            self._file.write(_LENGTH.pack(len(record)) + record)
        self._keep(kept)
        return fresh

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
        """All outputs as ``{key: output}``, in input order; each call decodes them anew."""
        return [
            loads(output) for offset in sorted(self._outputs) for output in self._outputs[offset]
        ]

    def _load(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            (length,) = _LENGTH.unpack_from(data, start)
            start += _LENGTH.size
            record = decode_outputs(memoryview(data)[start : start + length])
            self._keep([(at, [bytes(output) for output in values]) for at, values in record.each()])
            start += length

    def _keep(self, outputs: list[tuple[int, list[bytes]]]) -> None:
        self._outputs.update(outputs)
        self.outputs += sum(len(values) for _, values in outputs)
