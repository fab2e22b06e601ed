"""Makes records of a Python program's elements.

A module of its own because it is done for every input, so it is compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...store.encoding.codec import dumps_input
from ...store.encoding.values import TEXT_HEAD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..delivery.source import Record


def add_records(records: list[Record], elements: Sequence[Any], keys: Mapping[Any, bytes]) -> None:
    """Append the records of `elements` that are not there, up to the first unusual one.

    That is one without ``key`` or ``value``, or with one that cannot be encoded.
    """
    for index in range(len(records), len(elements)):
        element = elements[index]
        try:
            value = element["value"]
            payload = TEXT_HEAD + value.encode() if type(value) is str else dumps_input(value)
            records.append((keys[element["key"]], payload, None))
        except Exception:  # noqa: BLE001 (whatever it is, the caller finds it again)
            return
