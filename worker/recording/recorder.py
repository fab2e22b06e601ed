"""Records runs in a file of the state directory, where the option `record` asks for that.

The file is bounded: when it has half of what may be kept, it takes the place of the earlier half. A
record that cannot be written is counted, logged once, and has no other effect.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ...agent.config.observing.record_options import RecordOptions
from ...agent.failures.error_text import one_line
from ...store import clock
from ...store.encoding.keys import decode_key
from ...store.records.run_record import RunRecord
from .material import material_of

if TYPE_CHECKING:
    from pathlib import Path

    from ...agent.config.configuration import Configuration
    from ...store.state.layout import StateLayout
    from ..runs.run import Run
    from ..waiting.questions import Questions

__all__ = ["RunRecorder", "earlier_runs"]

_FAILED: Final = "failed"
_ALL: Final = "all"
_LOG: Final = logging.getLogger("tamias.worker")


def earlier_runs(path: Path) -> Path:
    """The file with the earlier half of recorded runs."""
    return path.with_name(f"{path.name}.1")


class RunRecorder:
    """Records the runs that are asked for.

    Attributes:
        errors: how many could not be written.
    """

    def __init__(self, path: Path, wanted: str, limit: int, codec: str) -> None:
        """Open no file yet.

        Args:
            path: the file; its folder is made.
            wanted: `failed`, `all` and keys, with commas in between.
            limit: bytes that are kept, in two files.
            codec: how the payloads of inputs are encoded.
        """
        self.errors = 0
        self._path = path
        self._limit = limit
        self._codec = codec
        names = {name.strip() for name in wanted.split(",")}
        self._all = _ALL in names
        self._failed = _FAILED in names or self._all
        self._keys = frozenset(names - {_ALL, _FAILED, ""})
        self._file = -1
        self._size = 0

    @classmethod
    def of(
        cls, config: Configuration, layout: StateLayout, slot: int, codec: str
    ) -> RunRecorder | None:
        """The recorder of a slot that the settings ask for; None if nothing is to be recorded."""
        wanted = config.get(RecordOptions.RECORD)
        if not wanted:
            return None
        limit = config.get(RecordOptions.RECORD_LIMIT)
        return cls(layout.recorded_runs(slot), wanted, limit, codec)

    def record(self, run: Run, questions: Questions, error: BaseException | None = None) -> None:
        """Record a run that is about to be committed, or has failed for good, if it is wanted."""
        if run.is_answer or not self._wants(run, failed=error is not None):
            return
        try:
            self._write(self._record(run, questions, error).encode())
        except Exception as problem:  # noqa: BLE001 (whatever it is, the run goes on)
            self._report(problem)

    def _wants(self, run: Run, *, failed: bool) -> bool:
        if self._all or (failed and self._failed):
            return True
        return bool(self._keys) and str(decode_key(run.lane.key_bytes)) in self._keys

    def _record(self, run: Run, questions: Questions, error: BaseException | None) -> RunRecord:
        return RunRecord(
            number=run.offset,
            key=run.lane.key_bytes,
            payload=run.payload,
            codec=self._codec if run.has_input else "pickle",
            at=clock.now(),
            generation=run.lane.writer.generation,
            status="succeeded" if error is None else "failed",
            error="" if error is None else one_line(error),
            action=run.action.name if error is not None and run.action is not None else None,
            origin=None if run.has_input else run.origin,
            material=material_of(run, questions, self._limit // 4),
        )

    def _write(self, line: bytes) -> None:
        if self._file < 0:
            self._open()
        if self._size and self._size + len(line) > self._limit // 2:
            os.close(self._file)
            self._file = -1
            self._path.replace(earlier_runs(self._path))
            self._open()
        self._size += len(line)
        while line:
            line = line[os.write(self._file, line) :]

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._file).st_size
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            self._size += os.write(self._file, b"\n")  # a worker was killed while it wrote

    def _report(self, problem: Exception) -> None:
        if not self.errors:
            _LOG.warning(
                "a run cannot be recorded in %s (further ones are only counted): %s",
                self._path,
                one_line(problem),
            )
        self.errors += 1
        if self._file >= 0:  # begin a line of its own next time
            with suppress(OSError):
                os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
