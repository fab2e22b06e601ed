"""Reads pickles of older versions, which name modules of tamias that have moved since."""

from __future__ import annotations

import importlib
import io
import pickle
from typing import TYPE_CHECKING, Any

from ...agent.naming.moved import current_module, current_name

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["loads_pickle"]


def loads_pickle(data: bytes | bytearray | memoryview, buffers: Iterable[Any] = ()) -> Any:
    """Load a pickle, as `pickle.loads` does, also one of an older version.

    Pickles of this version cost no more than with `pickle.loads`: the table of moved names is used
    only after a name was not found.
    """
    buffers = tuple(buffers)
    try:
        return pickle.loads(data, buffers=buffers)
    except (ImportError, AttributeError) as error:
        try:
            return _Unpickler(io.BytesIO(data), buffers=buffers).load()
        except Exception:  # noqa: BLE001 (the first error names what is missing)
            raise error from None


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        found = super().find_class(*current_name(module_name, global_name))
        if global_name == "subimport" and module_name.startswith("cloudpickle"):
            return _import  # a module that a function of `__main__` uses
        return found


def _import(module: str) -> Any:
    return importlib.import_module(current_module(module))
