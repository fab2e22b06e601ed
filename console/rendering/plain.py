"""Reads stored values that need no class: nothing of anybody else's code is executed.

Most values are texts, numbers, lists and dicts. Their pickles name no class and no function; for
one that does, a child process is needed.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from typing import Any, Final, NoReturn

from ...agent.row import Row
from ...store.encoding.codec import JSON_CODECS, loads_json
from ...store.encoding.stamps import split

__all__ = ["LARGEST", "NeedsClassesError", "plain_payload", "plain_value"]

LARGEST: Final = 256 << 10
"""Bytes of a value that is read here. A larger one would hold up the threads of other requests."""
_PICKLE: Final = b"\x80"
_TEXT: Final = b"\xb4"
_ROW: Final = b"\xba"


class NeedsClassesError(Exception):
    """A value that has to be read by a child process."""


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        raise NeedsClassesError(f"{module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise NeedsClassesError(str(pid))


def plain_value(data: bytes) -> Any:
    """A stored value (`store.encoding.values`).

    Raises:
        NeedsClassesError: it has classes, or is large.
    """
    if len(data) > LARGEST:
        raise NeedsClassesError("it is large")
    try:
        _, data = split(data)
        if data[:1] == _TEXT:
            return data[1:].decode()
        if data[:1] == _ROW:
            return Row(plain_value(data[1:]))
        if data[:1] == _PICKLE:
            if getattr(copyreg, "_inverted_registry", None):
                # Classes with a code are found without `find_class`. Nobody has such, in general.
                raise NeedsClassesError("there are extension codes")  # noqa: TRY301
            return _PlainUnpickler(io.BytesIO(data)).load()
    except NeedsClassesError:
        raise
    except Exception as error:  # damaged: a child says how
        raise NeedsClassesError(str(error)) from error
    raise NeedsClassesError("it has large buffers")


def plain_payload(codec: str, data: bytes) -> Any:
    """An input as the source had it; text of one that is malformed.

    Raises:
        NeedsClassesError: as `plain_value`.
    """
    if codec not in JSON_CODECS:
        return plain_value(data)
    if len(data) > LARGEST:
        raise NeedsClassesError("it is large")
    try:
        return loads_json(data)
    except ValueError:
        return data.decode(errors="backslashreplace")
