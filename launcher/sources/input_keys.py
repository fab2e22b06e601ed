"""The keys of inputs that are not done, read from the input's file by their offsets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import TamiasError
from ..delivery.source import Position
from .factory import open_source

if TYPE_CHECKING:
    from ..delivery.source import Source

__all__ = ["InputKeys"]

_AT_ONCE: Final = 256


class InputKeys:
    """Looks up the keys of inputs behind the last checkpoint of a job that reads a file.

    It knows no key if the input is no file, or is another one than the job has read.
    """

    def __init__(self, job: dict[str, Any], checkpoint: dict[str, Any] | None) -> None:
        """`job` is that of the manifest, `checkpoint` the record of the progress log."""
        self._job = job
        self._checkpoint = checkpoint or {}
        self._source: Source | None = None
        self._keys: dict[int, bytes] = {}
        self._has_failed = False

    def key_of(self, offset: int) -> bytes | None:
        """The encoded key of an input, None if it is not known."""
        if not self._has_failed:
            try:
                source = self._source or self._opened()
                while source.position.offset <= offset and not source.exhausted:
                    first = source.position.offset
                    for number, (key, _, _) in enumerate(source.read(_AT_ONCE), first):
                        self._keys[number] = key
            except (TamiasError, OSError, TypeError, ValueError, KeyError):
                self._has_failed = True  # the job itself says what is wrong with its input
        return self._keys.get(offset)

    def _opened(self) -> Source:
        spec = self._job["spec"]
        path = str(spec["input"])
        if not Path(path).is_file():
            raise KeyError(path)
        source = self._source = open_source(path, spec.get("key"), spec.get("input_format"))
        source.check(self._job["input"])
        if self._checkpoint.get("read"):
            source.expect(self._checkpoint["read"])
        if "source" in self._checkpoint:
            source.seek(Position(*self._checkpoint["source"]))
        return source

    def close(self) -> None:
        """Close the input."""
        if self._source is not None:
            self._source.close()
