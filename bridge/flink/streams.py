"""Inputs: PyFlink's streams and tables, keyed, in the form that the operator needs.

Where a callable or KeySelector gives the key, PyFlink runs it, in Python beside the JVM, and hands
on rows of key and value. Where the key is a field of the element's row, Java takes it out by
itself: because the job names the field, or because its selector does nothing else than return it
(`key_access`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...agent.errors import UsageError
from .key_access import key_field

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_KEY = (
    "Give a key_selector: a callable, a KeySelector, or the name of a field; or a stream that is"
    " keyed already."
)


@dataclass(frozen=True, slots=True)
class KeyedInput:
    """A keyed stream."""

    java_stream: Callable[[], Any]
    """Makes Flink's KeyedStream; call it when the JVM can find all jars."""
    key_type: Any
    """Java's TypeInformation of the key."""
    value_type: Any
    """Java's TypeInformation of the values."""
    key_in_front: bool
    """Whether the stream's elements are rows of key and value."""


def from_stream(stream: Any, key_selector: Any) -> KeyedInput:
    """The input for a DataStream or KeyedStream.

    Raises:
        UsageError: it has no key, or two, or the key is no field of its rows.
    """
    from pyflink.datastream import DataStream, KeyedStream  # noqa: PLC0415 (an extra)

    if isinstance(stream, KeyedStream):
        if key_selector is not None:
            raise UsageError(
                "The stream is keyed already, and there is a key_selector, too.",
                hint="Leave one of them out.",
            )
        return _keyed(stream)
    if not isinstance(stream, DataStream):
        raise UsageError(
            f"{type(stream).__name__} is no DataStream.",
            hint="Give a DataStream or KeyedStream of PyFlink; a Table goes to from_table.",
        )
    if key_selector is None:
        raise UsageError("The stream has no key.", hint=_NO_KEY)
    if isinstance(key_selector, (str, int)):
        return _by_field(stream, key_selector)
    return _by_access(stream, key_selector) or _keyed(stream.key_by(key_selector))


def from_table(t_env: Any, table: Any, key_selector: Any) -> KeyedInput:
    """The input for a Table, as `from_stream`."""
    from pyflink.table import Table  # noqa: PLC0415 (an extra)

    if not isinstance(table, Table):
        raise UsageError(f"{type(table).__name__} is no Table.", hint="Give a Table of PyFlink.")
    if key_selector is None:
        raise UsageError("The table has no key.", hint=_NO_KEY)
    return from_stream(t_env.to_data_stream(table), key_selector)


def _keyed(stream: Any) -> KeyedInput:
    """The input for the result of PyFlink's `key_by`: rows of key and value."""
    java_stream = stream._j_data_stream  # noqa: SLF001 (PyFlink has no other way)
    row = java_stream.getType()
    return KeyedInput(lambda: java_stream, row.getTypeAt(0), row.getTypeAt(1), key_in_front=True)


def _by_access(stream: Any, key_selector: Any) -> KeyedInput | None:
    """The input where Java can do what the selector does; None: PyFlink has to run it.

    The key is the pickle that the selector's result would be, so keys are in the same key groups,
    and a savepoint is read by both.
    """
    from pyflink.common import Types  # noqa: PLC0415 (an extra)

    settings = stream._j_data_stream.getExecutionEnvironment().getConfiguration()  # noqa: SLF001 (PyFlink has no other way)
    if settings.toMap().get("python.execution-mode") not in (None, "process"):
        return None  # in the JVM's own interpreter keys are pickled in another way
    kind = stream.get_type()
    field = key_field(key_selector, kind)
    if field is None:
        return None
    pickle = Types.PICKLED_BYTE_ARRAY()

    def keyed() -> Any:
        from .classes import new, strings  # noqa: PLC0415 (needs a gateway)

        selector = new(
            "PythonKey", strings(field.positions), strings(field.names), strings(field.failures)
        )
        key_type = Types.ROW([pickle]).get_java_type_info()
        return stream._j_data_stream.keyBy(selector, key_type)  # noqa: SLF001 (as above)

    return KeyedInput(
        keyed, pickle.get_java_type_info(), kind.get_java_type_info(), key_in_front=False
    )


def _by_field(stream: Any, field: str | int) -> KeyedInput:
    from pyflink.common.typeinfo import ExternalTypeInfo, RowTypeInfo  # noqa: PLC0415 (an extra)

    kind = stream.get_type()
    if isinstance(kind, ExternalTypeInfo):  # a table's
        kind = kind._type_info  # noqa: SLF001 (PyFlink has no other way)
    if not isinstance(kind, RowTypeInfo):
        raise UsageError(
            f"The elements of the stream are of {kind}, which has no field {field!r}.",
            hint="Give the stream a row type, or a callable as key_selector.",
        )
    names = list(kind.get_field_names())
    position = names.index(field) if field in names else field
    if not isinstance(position, int) or not 0 <= position < len(names):
        raise UsageError(
            f"There is no field {field!r}.", hint=f"The fields are: {', '.join(names)}."
        )
    row = kind.get_java_type_info()
    key_type = row.getTypeAt(position)

    def keyed() -> Any:
        from .classes import new  # noqa: PLC0415 (needs a gateway)

        selector = new("FieldKey", position, names[position])
        return stream._j_data_stream.keyBy(selector, key_type)  # noqa: SLF001

    return KeyedInput(keyed, key_type, row, key_in_front=False)
