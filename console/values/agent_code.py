"""Reads what an agent has stored, with the agent's own classes.

A state directory may be looked at from anywhere, so the modules that define these classes are not
on Python's path in general. The manifest knows them: the target, the folder in which the job was
started, and the files of the agent's own code. They are imported only if a value needs them. What
can still not be read (another Python environment, a class that is gone) is shown as such.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.errors import UnserializableError
from ...agent.failures.error_text import one_line
from ...launcher.reload import generation_record
from ...store.encoding.codec import make_decoder
from ...store.encoding.values import loads
from ...worker.importing.target_loader import load_target
from ...worker.importing.target_names import is_file
from .json_text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...store.state.manifest import Manifest


class AgentCode:
    """The code of the agent that a state directory belongs to."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._steps = [self._extend_path, self._import_target]
        """What can still be done to find classes."""

    def stored(self, data: bytes) -> Any:
        """Return a stored value as plain JSON types; a text in `<>` if it cannot be read."""
        try:
            return plain(self._load(lambda: loads(data)))
        except UnserializableError as error:
            return _unreadable(error, len(data))

    def payload(self, codec: str, data: bytes) -> Any:
        """Return an input as plain JSON types; the raw text if it is malformed."""
        try:
            return plain(self._load(lambda: make_decoder(codec)(data)))
        except UnserializableError as error:
            return _unreadable(error, len(data))
        except Exception:  # noqa: BLE001 (malformed)
            return data.decode(errors="backslashreplace")

    def value(self, codec: str | None, data: bytes) -> Any:
        """Return a stored value (without a codec) or an input as it is.

        Raises:
            UnserializableError: it cannot be read here.
        """
        if codec is None:
            return self._load(lambda: loads(data))
        try:
            return self._load(lambda: make_decoder(codec)(data))
        except UnserializableError:
            raise
        except Exception:  # noqa: BLE001 (malformed)
            return data.decode(errors="backslashreplace")

    def _load(self, load: Callable[[], Any]) -> Any:
        # Modules that print when they are imported must not do so into this command's output.
        with contextlib.redirect_stdout(sys.stderr):
            while True:
                try:
                    return load()
                except UnserializableError:
                    if not self._steps:
                        raise
                self._steps.pop(0)()

    def _extend_path(self) -> None:
        """Put the agent's folders on Python's path, behind all others."""
        for folder in self._folders():
            if folder not in sys.path:
                sys.path.append(folder)

    def _import_target(self) -> None:
        """Import the target: a module of its name may be hidden by another one."""
        for spec in generation_record.specs(self._manifest.job).values():
            target, folder = spec.get("target"), spec.get("folder")
            if isinstance(target, str):
                with contextlib.suppress(Exception):  # the value's own error says more
                    load_target(target, Path(folder) if isinstance(folder, str) else None)

    def _folders(self) -> Iterator[str]:
        for spec in generation_record.specs(self._manifest.job).values():
            location = str(spec.get("target") or "").rpartition(":")[0]
            if is_file(location):
                yield str(Path(location).parent)
            if isinstance(spec.get("folder"), str):
                yield str(spec["folder"])
        for file in generation_record.files(self._manifest):
            folder = Path(file).parent
            while (folder / "__init__.py").is_file() and folder != folder.parent:
                folder = folder.parent
            yield str(folder)


def _unreadable(error: UnserializableError, length: int) -> str:
    return f"<not readable here: {one_line(error.__cause__ or error)} ({length:,} bytes)>"
