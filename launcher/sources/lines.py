"""Reads lines of a file or stream, with the byte position of each, and never waits for a stream.

Regular files are read in chunks and can be sought; gzip files, too, but there a seek reads all in
between. Pipes, terminals and sockets are read only when `poll` reports data. That needs no thread,
and leaves the descriptor blocking, as other processes that share it expect. Streams cannot be
sought: to resume, the same stream is read again, and the part that was done is skipped.

Memory: one chunk and the longest line.
"""

from __future__ import annotations

import gzip
import os
import select
import stat
import zlib
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.errors import InputError

if TYPE_CHECKING:
    from ..delivery.source import Identity

_CHUNK = 1 << 18
_HEAD = 1 << 16
_BOM = b"\xef\xbb\xbf"
_UTF8 = "Convert it to UTF-8 (iconv -t utf-8)."
_UNPACK = "Decompress it, or pipe the text in: --input - reads standard input."
_TEXT = "Write what is in it as JSON lines, CSV or TSV."
NO_TEXT = {
    b"\xff\xfe": ("UTF-16", _UTF8),
    b"\xfe\xff": ("UTF-16", _UTF8),
    b"\x1f\x8b\x08": ("compressed by gzip", "Have its name end in .gz, or pipe it through zcat."),
    b"BZh91AY&SY": ("compressed by bzip2", _UNPACK),
    b"\xfd7zXZ\0": ("compressed by xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", _UNPACK),
    b"PK\x03\x04": ("a ZIP file, as spreadsheets are", _TEXT),
    b"PAR1\x15": ("a Parquet file", _TEXT),
}
"""How files begin that are no text: what they are, and what to do."""


class LineReader:
    """Reads `path`, or standard input for ``-``, line by line.

    The last line of a file need not have a newline. Its writer may not have finished it, so the end
    of what was read is recorded, and it is an error if a later life finds that line longer.

    Attributes:
        byte: the start of the next line (in the uncompressed text).
        line: the number of lines before it.
        mark: size of the byte order mark before the first line, once that has been read.
        exhausted: whether all lines have been read.
        is_stream: whether the input cannot be sought, and may have no data yet.

    Raises:
        InputError: (every method) the file cannot be read; the message has its name and the reason.
    """

    def __init__(self, path: str) -> None:
        self.byte = 0
        self.line = 0
        self.mark = 0
        self.exhausted = False
        # The bytes of a stream that an earlier run has read; 0 once they are skipped.
        self._skip_until = 0
        self._path = path
        self._fd = 0 if path == "-" else _open(path)
        self._closed = path == "-"
        mode = os.fstat(self._fd).st_mode
        if stat.S_ISDIR(mode):
            self.close()
            raise InputError(f"The input {path} is a directory.", hint="Name a file.")
        self.is_stream = path == "-" or not stat.S_ISREG(mode)
        self._is_empty = False
        self._digest = blake2b(digest_size=16) if self.is_stream else None
        self._expected: Identity | None = None
        self._gzip: gzip.GzipFile | None = None
        if not self.is_stream and path.lower().endswith(".gz"):
            self._gzip = gzip.GzipFile(path, "rb")
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._reset()

    @property
    def name(self) -> str:
        """The input's name, for messages."""
        return "standard input" if self._path == "-" else self._path

    def fileno(self) -> int | None:
        """Return the descriptor to wait for if the last read found no data; None otherwise."""
        return self._fd if self._is_empty else None

    @property
    def is_skipping(self) -> bool:
        """Whether a stream is still before the position of `seek`."""
        return self.byte < self._skip_until

    @property
    def at_unended_line(self) -> bool:
        """Whether the line read last is the last one of a file, without a newline."""
        return not (self._terminated or self.is_stream) and self.exhausted

    def give_back(self, line: bytes) -> None:
        """Leave the line read last, which has no newline, to a later life."""
        self.byte -= len(line)
        self.line -= 1
        self._terminated = True

    def read_so_far(self, byte: int | None = None) -> Identity:
        """The present position, a hash of the bytes before it, and whether a line ends there.

        `byte`, if given, is the position to use in place of the present one; a line ends there.
        """
        if self._expected is not None:
            return self._expected
        if self._digest is not None:
            return {"byte": self.byte, "digest": self._digest.hexdigest(), "ended": True}
        ended = self._terminated or byte not in (None, self.byte)
        byte = self.byte if byte is None else byte
        packed: Any = self._gzip
        raw = byte if packed is None else packed.fileobj.tell()
        return {"byte": byte, "ended": ended, "raw": raw, "digest": self._hash_before(raw)}

    def expect(self, read: Identity) -> None:
        """Raise InputError unless the part of the file that an earlier life has read is unchanged.

        For a stream, `read_lines` raises it.
        """
        if self.is_stream:
            self._expected = read if read["byte"] else None
            return
        here = self.byte, self.line
        byte, raw = int(str(read["byte"])), int(str(read["raw"]))
        self.seek(byte, 0)
        after = self._read()
        self.seek(*here)
        if self._hash_before(raw) != read["digest"]:
            raise InputError(
                f"The input {self.name} is not what it was: what this job has read of it, up to "
                f"byte {byte}, has been changed.",
                hint="Put the old file back, or begin anew with an empty state directory.",
            )
        after = (after or b"").lstrip(b" \t\r")
        if not read["ended"] and after and not after.startswith(b"\n"):
            raise InputError(
                f"The last line of {self.name} had no end when this job read it, and has been "
                f"completed since: what there was up to byte {byte} was taken for the whole line.",
                hint="Begin anew with an empty state directory; let lines be written whole.",
            )

    def read_lines(self, limit: int) -> list[bytes]:
        """Return up to `limit` lines without newline; none if `exhausted` or without data yet."""
        while self.byte < self._skip_until:
            if not self._next_lines(1):
                if self.exhausted:
                    raise self.other_stream()
                return []
        if self._skip_until:
            if self.byte != self._skip_until:
                raise self.other_stream()
            self._skip_until = 0
        return self._next_lines(limit)

    def seek(self, byte: int, line: int) -> None:
        """Go to the line that begins at `byte` and has `line` lines before it."""
        if self.is_stream:
            self._skip_until = byte
            return
        try:
            if self._gzip is not None:
                reached = self._gzip.seek(byte)
            else:
                reached = min(os.lseek(self._fd, byte, os.SEEK_SET), os.fstat(self._fd).st_size)
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(error) from error
        if reached < byte:
            raise InputError(
                f"The input {self.name} ends at byte {reached}, before byte {byte} where this job "
                "had arrived: it was cut or replaced.",
                hint="Put the old file back, or begin anew with an empty state directory.",
            )
        self._reset()
        self.byte, self.line = byte, line

    def identity(self) -> Identity:
        """Return the path, the size and a hash of the file's beginning."""
        if self.is_stream:
            return {"path": self._path}
        size = os.fstat(self._fd).st_size
        head = min(size, _HEAD)
        return {
            "path": str(Path(self._path).absolute()),
            "size": size,
            "head_size": head,
            "head": self._hash(head),
        }

    def check(self, identity: Identity) -> None:
        """Raise InputError unless `identity` is of this file, or of its beginning."""
        if self.is_stream == ("head" in identity) or "path" not in identity:
            begun_with = identity.get("path", "a Python list")
            raise InputError(
                f"This job was begun with the input {begun_with}, not {self.name}.",
                hint="Name the same input, or an empty state directory.",
            )
        if self.is_stream:
            return
        size, head = identity["size"], identity["head_size"]
        if (
            not isinstance(size, int)
            or not isinstance(head, int)
            or os.fstat(self._fd).st_size < size
            or self._hash(head) != identity["head"]
        ):
            raise InputError(
                f"The input {self.name} is not the one this job was begun with: its beginning "
                "differs, or it is shorter.",
                hint="Name the old input (it may have grown), or an empty state directory.",
            )

    def fraction(self) -> float | None:
        """Return which part of the file has been read; None for streams and compressed files."""
        if self.is_stream or self._gzip is not None:
            return None
        size = os.fstat(self._fd).st_size
        return min(1.0, self.byte / size) if size else 1.0

    def close(self) -> None:
        """Close the file, standard input excepted."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)
            if getattr(self, "_gzip", None) is not None:
                self._gzip.close()  # type: ignore[union-attr]

    def _reset(self) -> None:
        self._lines: list[bytes] = []
        self._next = 0
        self._parts: list[bytes] = []
        self._ended = False
        self._terminated = True
        self.exhausted = False

    def _next_lines(self, limit: int) -> list[bytes]:
        while self._next == len(self._lines):
            if self._ended:
                self.exhausted = True
                if self._expected is not None:
                    raise self.other_stream()
                return []
            if not self._refill():
                return []
        if self._expected is not None:
            limit = 1  # to stop at the position of the earlier life
        lines = self._lines[self._next : self._next + limit]
        self._next += len(lines)
        if self.byte == 0:
            lines[0] = self._without_mark(lines[0])
            self.byte = self.mark
        self.byte += sum(map(len, lines)) + len(lines)
        self.line += len(lines)
        if self._ended and self._next == len(self._lines):
            self.exhausted = True
            if not self._terminated:
                self.byte -= 1
        if self._digest is not None:
            self._digest.update(b"".join(line + b"\n" for line in lines))
            if self._expected is not None:
                self._compare(self._digest.hexdigest(), self._expected)
        return lines

    def _compare(self, digest: str, expected: Identity) -> None:
        """Compare the part read from a stream with the part that an earlier life has read."""
        byte = int(str(expected["byte"]))
        if self.byte < byte and not self.exhausted:
            return
        # One byte more: the newline of what was the last line, now that another follows.
        if digest != expected["digest"] or not byte <= self.byte <= byte + 1:
            raise self.other_stream()
        self._expected = None

    def _refill(self) -> bool:
        """Read the next chunk, or find the end; return False if there is no data at the moment."""
        data = self._read()
        if data is None:
            return False
        if not data:
            self._ended = True
            if self._parts:
                self._lines, self._next = [b"".join(self._parts)], 0
                self._parts = []
                self._terminated = False
            return True
        lines = data.split(b"\n")
        if len(lines) == 1:
            self._parts.append(data)
            return True
        if self._parts:
            lines[0] = b"".join((*self._parts, lines[0]))
        last = lines.pop()
        self._parts = [last] if last else []
        self._lines, self._next = lines, 0
        return True

    def _read(self) -> bytes | None:
        try:
            if self._gzip is not None:
                return self._gzip.read(_CHUNK)
            self._is_empty = self.is_stream and not self._poll.poll(0)
            if self._is_empty:
                return None
            return os.read(self._fd, _CHUNK)
        except BlockingIOError:
            self._is_empty = True
            return None
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(error) from error

    def other_stream(self) -> InputError:
        """Return the error for a stream that has no line start at an earlier run's position."""
        return InputError(
            f"What comes from {self.name} is not what this job was begun with.",
            hint="Feed the same input again, from its beginning, or name an empty state directory.",
        )

    def _without_mark(self, line: bytes) -> bytes:
        for beginning, (kind, hint) in NO_TEXT.items():
            if line.startswith(beginning):
                raise InputError(f"The input {self.name} is {kind}.", hint=hint)
        if not line.startswith(_BOM):
            return line
        self.mark = len(_BOM)
        return line[len(_BOM) :]

    def _hash(self, size: int, start: int = 0) -> str:
        try:
            data = os.pread(self._fd, size, start)
        except OSError as error:
            raise self._unreadable(error) from error
        return blake2b(data, digest_size=16).hexdigest()

    def _hash_before(self, end: int) -> str:
        start = max(0, end - _HEAD)
        return self._hash(end - start, start)

    def _unreadable(self, error: Exception) -> InputError:
        if isinstance(error, gzip.BadGzipFile) and os.pread(self._fd, 2, 0) != b"\x1f\x8b":
            return InputError(
                f"The input {self.name} is not compressed by gzip, as its name says.",
                hint="Rename it without .gz, or compress it.",
            )
        return InputError(
            f"The input {self.name} cannot be read after byte {self.byte}: {error}.",
            hint="Repair it and repeat the command to carry on.",
        )


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise InputError(f"There is no input {path}.", hint="Check the name.") from None
    except OSError as error:
        raise InputError(
            f"The input {path} cannot be opened: {error.strerror}.", hint="Check its permissions."
        ) from error
