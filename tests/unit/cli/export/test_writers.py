"""Memory as JSON lines, CSV and Parquet."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pyarrow.parquet
import pytest

from tamias.agent.errors import MissingExtraError, UsageError
from tamias.cli.export.fields import MISSING, chosen, find
from tamias.cli.export.parquet import ParquetWriter
from tamias.cli.export.writers import CsvWriter, JsonWriter

if TYPE_CHECKING:
    from tamias.cli.export.writers import Rows, Writer

    Row = tuple[Any, dict[str, Any]]


def written(writer: Writer, rows: Rows) -> bytes:
    """Return what a writer writes."""
    file = io.BytesIO()
    writer.write(rows, file)
    return file.getvalue()


def table(paths: list[str], rows: Rows) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the columns' types and the rows of a Parquet file."""
    data = written(ParquetWriter(paths), rows)
    read = pyarrow.parquet.read_table(io.BytesIO(data))
    types = {
        field.name: "json" if field.metadata == {b"tamias": b"json"} else str(field.type)
        for field in read.schema
    }
    return types, read.to_pylist()


def column(*values: Any) -> tuple[str, list[Any]]:
    """Return the type and the values of a Parquet column."""
    types, rows = table(["v"], [(str(n), {"v": value}) for n, value in enumerate(values)])
    return types["v"], [row["v"] for row in rows]


def test_a_path_leads_through_fields_and_into_values() -> None:
    memory = {"a": {"b": {"c.d": 1, "e": None}}, "a.b": 2, "n": 3}
    assert find(memory, "n") == 3
    assert find(memory, "a.b") == 2
    assert find(memory, "a.b.c.d") == 1
    assert find(memory, "a.b.e") is None
    for lost in ("x", "a.x", "n.x", "a.b.c", "a.b.c.d.e"):
        assert find(memory, lost) is MISSING


def test_chosen_fields_stay_nested_and_nothing_of_the_memory_changes() -> None:
    memory = {"a": {"b": 1, "c": {"d": 2, "e": 3}}, "n": 4}
    assert chosen(memory, ["a.c.e", "n", "a.b", "no"]) == {"a": {"c": {"e": 3}, "b": 1}, "n": 4}
    assert chosen(memory, ["a", "a.b"]) == {"a": memory["a"]}
    assert memory == {"a": {"b": 1, "c": {"d": 2, "e": 3}}, "n": 4}


def test_json_lines_have_a_key_and_its_memory_each() -> None:
    rows: list[Row] = [("k", {"n": 1, "o": {}}), (("a", 2), {"t": "ü"}), (None, {"n": "\ud800"})]
    lines = written(JsonWriter([]), rows).decode().splitlines()
    assert lines[0] == '{"key":"k","short_term":{"n":1,"o":{}}}'
    assert [json.loads(line) for line in lines[1:]] == [
        {"key": ["a", 2], "short_term": {"t": "ü"}},
        {"key": None, "short_term": {"n": "\ud800"}},
    ]
    assert json.loads(written(JsonWriter(["n"]), rows).splitlines()[1])["short_term"] == {}


def test_csv_cells_are_texts_and_numbers_or_json() -> None:
    values: list[Any] = [
        *("a", 'say "x", y', "two\nlines", " blank ", "", None, 1, 2.5, True, [1, "b"], {"c": 1}),
        *(10**20, "\ud800"),
    ]
    rows = [(n, {"v": value}) for n, value in enumerate(values)] + [("none", {"w": 1})]
    data = written(CsvWriter(["v"], ","), rows).decode()
    assert list(csv.reader(io.StringIO(data))) == [
        ["key", "v"],
        *(["0", "a"], ["1", 'say "x", y'], ["2", "two\nlines"], ["3", " blank "], ["4", ""]),
        *(["5", ""], ["6", "1"], ["7", "2.5"], ["8", "true"], ["9", '[1,"b"]']),
        *(["10", '{"c":1}'], ["11", "1" + "0" * 20], ["12", "\\ud800"], ["none", ""]),
    ]
    assert '\n4,""\n5,\n' in data  # an empty text is another thing than nothing


def test_tsv_quotes_tabs_and_no_commas() -> None:
    rows = [("a,b", {"v": "c\td"})]
    assert written(CsvWriter(["v"], "\t"), rows) == b'key\tv\na,b\t"c\td"\n'


def test_a_parquet_column_has_the_type_of_all_its_values() -> None:
    assert column("a", None, "\ud800") == ("string", ["a", None, "\\ud800"])
    assert column(True, None, False) == ("bool", [True, None, False])
    assert column(1, 2**62, None) == ("int64", [1, 2**62, None])
    assert column(1, 0.5) == ("double", [1.0, 0.5])
    assert column(None, None) == ("string", [None, None])


@pytest.mark.parametrize(
    "values",
    [["a", 1], [1, True], [[1], [2]], [{"a": 1}, {"b": [None]}], [1, 2**64], [2**60, 0.5]],
)
def test_mixed_values_become_json_text(values: list[Any]) -> None:
    kind, found = column(*values)
    assert kind == "json"
    assert [json.loads(text) for text in found] == values


def test_a_value_that_comes_late_counts_for_the_type() -> None:
    kind, found = column(*range(70_000), "text")
    assert kind == "json"
    assert (len(found), found[0], found[-1]) == (70_001, "0", '"text"')


def test_keys_of_parquet_follow_the_same_rule() -> None:
    assert table([], [(1, {"n": 1}), (2, {})]) == (
        {"key": "int64", "short_term": "json"},
        [{"key": 1, "short_term": '{"n":1}'}, {"key": 2, "short_term": "{}"}],
    )
    types, rows = table(["n"], [(1, {"n": 1}), (("a", 1), {})])
    assert (types["key"], [row["key"] for row in rows]) == ("json", ["1", '["a",1]'])
    assert table(["n"], []) == ({"key": "string", "n": "string"}, [])


def test_a_field_called_key_is_not_mistaken_for_the_key() -> None:
    assert written(CsvWriter(["key"], ","), [("k", {"key": 1})]) == b"key,short_term.key\nk,1\n"
    assert table(["key"], [("k", {"key": 1})])[1] == [{"key": "k", "short_term.key": 1}]


@pytest.mark.parametrize("paths", [["a", "a"], [""], ["a..b"], ["key", "short_term.key"]])
def test_fields_that_cannot_be_columns_are_refused(paths: list[str]) -> None:
    for make in (JsonWriter, ParquetWriter, lambda paths: CsvWriter(paths, ",")):
        with pytest.raises(UsageError):
            make(paths)


def test_without_pyarrow_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tamias\[parquet\]'"):
        ParquetWriter(["n"])
