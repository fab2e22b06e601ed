"""Chooses the source for a file, a list or an iterable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...agent.errors import UsageError
from .csvfile import CsvSource
from .iterables import IterableSource, ListSource
from .jsonlines import JsonLinesSource

if TYPE_CHECKING:
    from ..delivery.source import Source


def open_source(path: str, key: str | None = None, input_format: str | None = None) -> Source:
    """Open a file, or standard input for ``-``, as a source.

    Args:
        path: the input; a file that ends in ``.gz`` is decompressed (in any case).
        key: the field or column with the key; see the formats for what None means.
        input_format: ``json`` (lines), ``csv`` or ``tsv``; None: by the path's suffix, else
            ``json``.

    Raises:
        InputError: it cannot be opened, or is not in the format.
        UsageError: there is no such format.
    """
    if input_format is None:
        suffix = path.lower().removesuffix(".gz").rpartition(".")[2]
        input_format = suffix if suffix in ("csv", "tsv") else "json"
    if input_format == "json":
        return JsonLinesSource(path, key)
    if input_format in ("csv", "tsv"):
        return CsvSource(path, key, delimiter="," if input_format == "csv" else "\t")
    raise UsageError(f"There is no input format {input_format!r}.", hint="Use json, csv or tsv.")


def python_source(elements: object, *, compared: bool = False) -> Source:
    """Return the source for the argument of `from_list`: a list or tuple, or any iterable.

    If `compared`, a later life refuses other elements than those that an earlier one has read.

    Raises:
        InputError: it is neither.
    """
    if isinstance(elements, (list, tuple)):
        return ListSource(elements, compared=compared)
    try:
        return IterableSource(elements, compared=compared)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(
            f"The input is of type {type(elements).__qualname__}.",
            hint="Give a list, or another iterable, of dicts with 'key' and 'value'.",
        ) from None
