"""Outputs of an agent as elements of a stream with a type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def to_type(output_type: Any) -> Callable[[Any], Any]:
    """The function that converts an output to `output_type`: mappings become rows."""
    from pyflink.common.typeinfo import ExternalTypeInfo, RowTypeInfo  # noqa: PLC0415 (an extra)

    if isinstance(output_type, ExternalTypeInfo):  # as a table's
        output_type = output_type._type_info  # noqa: SLF001 (PyFlink has no other way)
    if not isinstance(output_type, RowTypeInfo):
        return lambda output: output
    names = list(output_type.get_field_names())

    def named(values: Iterable[Any]) -> Any:
        from pyflink.common import Row  # noqa: PLC0415 (an extra)

        row = Row(*values)
        row.set_field_names(names)  # for functions that PyFlink chains to this one
        return row

    def to_row(output: Any) -> Any:
        from pyflink.common import Row  # noqa: PLC0415 (an extra)

        if isinstance(output, Row):
            return output
        if hasattr(output, "model_dump"):
            output = output.model_dump()
        if isinstance(output, Mapping):
            return named(output.get(name) for name in names)
        if isinstance(output, Sequence) and not isinstance(output, (str, bytes)):
            return named(output)
        return named([output])

    return to_row
