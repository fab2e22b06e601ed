"""Makes records of usual inputs: elements of a Python program, lines of JSON.

A module of its own because it is done for every input, so it is compiled. Unusual inputs are left
to the source, which says what is wrong with them, if something is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from ...store.encoding.codec import dumps_input
from ...store.encoding.values import TEXT_HEAD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..delivery.source import Record

_parse: Final[Any] = orjson.loads


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


def add_line_records(
    records: list[Record],
    lines: list[bytes],
    first: int,
    keys: Mapping[Any, bytes],
    key_field: str,
    *,
    has_value: bool,
) -> int:
    """Append the records of `lines` from the `first` on, up to an unusual one.

    That is one that is not an object with `key_field` and, with `has_value`, with ``value``.

    Returns:
        its place among the lines; their number if there is none.
    """
    for place in range(first, len(lines)):
        line = lines[place]
        try:
            document = _parse(line)
            key = keys[document[key_field]]
            if has_value:
                document["value"]
        except Exception:  # noqa: BLE001 (as above)
            return place
        records.append((key, line, None))
    return len(lines)
