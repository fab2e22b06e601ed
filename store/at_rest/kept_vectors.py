"""Vectors that were made and are not in their set yet: what is made is kept, whatever dies.

A file for each model. Its first line names the model and the dimensions; rows of one length follow:

    digest of the text (16 bytes) | vector (float16) | crc32 of both (4 bytes)

A row that was cut off by a death, and all behind it, is dropped when the file is opened.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, BinaryIO, Final
from zlib import crc32

from ..faults import system_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["KeptVectors", "digest_of"]

_DIGEST: Final = 16
_CHECKSUM: Final = 4
_BYTES_PER_NUMBER: Final = 2
_ROWS_AT_ONCE: Final = 4096


def digest_of(text: str) -> bytes:
    """What stands for a text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


class KeptVectors:
    """The vectors of one model, by the text; in a folder for all models.

    Attributes:
        dimensions: of the vectors.
    """

    def __init__(self, folder: Path, model: str, dimensions: int) -> None:
        """Open the file, or make it. Raises StoreError if that is not possible."""
        self.dimensions = dimensions
        self._head = json.dumps({"model": model, "dimensions": dimensions}).encode() + b"\n"
        self._path = folder / f"{digest_of(model).hex()}-{dimensions}"
        self._rows: dict[bytes, int] = {}
        """Where each text's vector is."""
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._path.touch(mode=0o600)
            self._file: BinaryIO = self._path.open("r+b")
            if self._file.read(len(self._head)) == self._head:
                self._read()
            else:
                self._file.seek(0)
                self._file.truncate()
                self._file.write(self._head)
        except OSError as error:
            raise system_error(error, self._path) from error

    def _read(self) -> None:
        size = self._row_size()
        end = len(self._head)
        while rows := self._file.read(size * _ROWS_AT_ONCE):
            for begin in range(0, len(rows) - size + 1, size):
                row = rows[begin : begin + size]
                if crc32(row[:-_CHECKSUM]) != int.from_bytes(row[-_CHECKSUM:], "big"):
                    break
                self._rows[row[:_DIGEST]] = end
                end += size
            else:
                if not len(rows) % size:
                    continue
            break
        self._file.truncate(end)

    def _row_size(self) -> int:
        return _DIGEST + _BYTES_PER_NUMBER * self.dimensions + _CHECKSUM

    def find(self, digest: bytes) -> bytes | None:
        """The vector of a text, None if it was not made yet."""
        place = self._rows.get(digest)
        if place is None:
            return None
        self._file.seek(place + _DIGEST)
        return self._file.read(_BYTES_PER_NUMBER * self.dimensions)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._rows

    def add(self, vectors: Sequence[tuple[bytes, bytes]]) -> None:
        """Add vectors by the digests of their texts.

        Raises:
            StoreFullError, StoreError: the file cannot be written.
        """
        try:
            end = self._file.seek(0, 2)
            size = self._row_size()
            rows = []
            for digest, vector in vectors:
                row = digest + vector
                rows.append(row + crc32(row).to_bytes(_CHECKSUM, "big"))
                self._rows[digest] = end
                end += size
            self._file.write(b"".join(rows))
            self._file.flush()
        except OSError as error:
            raise system_error(error, self._path) from error

    def close(self) -> None:
        """Close the file, and keep it."""
        self._file.close()

    def remove(self) -> None:
        """Remove the file, and the folder if it is empty: all vectors are where they belong."""
        self._file.close()
        try:
            self._path.unlink(missing_ok=True)
            if not any(self._path.parent.iterdir()):
                self._path.parent.rmdir()
        except OSError as error:
            raise system_error(error, self._path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
