"""Trees of events from event logs: of tamias, of Flink Agents, and of damaged ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tamias.flink_agents.traces.forest import as_text, forest_of
from tamias.flink_agents.traces.records import Warnings, log_files, observations


def event(
    name: str, kind: str = "Mine", parent: str = "", action: str = "act", **attributes: Any
) -> dict[str, Any]:
    lineage = {"upstreamEventId": parent, "upstreamActionName": action} if parent else {}
    return {"eventId": name, "eventType": kind, **lineage, "eventAttributes": attributes}


def before_04(name: str, parent: str = "", **attributes: Any) -> dict[str, Any]:
    lineage = {"upstreamEventId": parent, "upstreamActionName": "act"} if parent else {}
    inner = {"id": name, "attributes": attributes, **lineage}
    return {"eventType": "Mine", "event": inner}


ROOT = event("root", "_input_event")


def read(folder: Path, *records: Any, text: str = "") -> dict[str, Any]:
    file = folder / "events-0.log"
    file.write_text("".join(json.dumps(each) + "\n" for each in records) + text)
    warnings = Warnings()
    return forest_of(observations(folder, warnings), warnings)


def codes(forest: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(each["code"], each.get("eventId")) for each in forest["warnings"]]


def test_events_are_below_the_action_that_has_sent_them(tmp_path: Path) -> None:
    forest = read(
        tmp_path,
        ROOT,
        event("a", parent="root", action="first"),
        event("b", parent="root", action="first"),
        event("c", "_output_event", parent="a", action="second"),
        event("other", "_input_event"),
    )
    assert codes(forest) == []
    assert forest["roots"] == ["root", "other"]
    assert as_text(forest).splitlines() == [
        "Trace Tree 1",
        "  _input_event (root)",
        "    [Action: first]",
        "      Mine (a)",
        "        [Action: second]",
        "          _output_event (c)",
        "      Mine (b)",
        "",
        "Trace Tree 2",
        "  _input_event (other)",
    ]


def test_events_that_are_seen_again_are_one(tmp_path: Path) -> None:
    again = event("a", parent="root", value=1)
    other = event("a", parent="two", value=1)
    forest = read(tmp_path, ROOT, again, again, event("two", "_input_event"), other)
    node = forest["nodes"]["a"]
    assert node["observationCount"] == 3
    assert [each["upstreamEventId"] for each in node["upstreamEdges"]] == ["root", "two"]
    assert codes(forest) == []


@pytest.mark.parametrize(("first", "second"), [(1, 2), (1, True), ({"a": 1}, {"a": [1]})])
def test_events_that_differ_are_told(tmp_path: Path, first: Any, second: Any) -> None:
    forest = read(
        tmp_path, ROOT, event("a", parent="root", v=first), event("a", parent="root", v=second)
    )
    assert codes(forest) == [("EVENT_ID_CONFLICT", "a")]
    assert forest["nodes"]["root"]["actions"] == [{"name": "act", "children": ["a"]}]


def test_the_order_of_fields_is_no_difference(tmp_path: Path) -> None:
    one, two = event("a", parent="root", x=1, y=2), event("a", parent="root", y=2, x=1)
    assert codes(read(tmp_path, ROOT, one, two)) == []


def test_what_cannot_be_joined_is_told(tmp_path: Path) -> None:
    nameless = {**event("b", parent="root")}
    del nameless["upstreamActionName"]
    forest = read(
        tmp_path,
        ROOT,
        event("a"),
        nameless,
        event("c", parent="gone"),
        event("root2", "_input_event", parent="root"),
    )
    assert codes(forest) == [
        ("UNLINKED_EVENT", "a"),
        ("MISSING_ACTION_NAME", "b"),
        ("MISSING_PARENT", "c"),
        ("INVALID_ROOT_LINEAGE", "root2"),
    ]
    assert forest["roots"] == ["root"]


def test_circles_are_cut_at_the_same_edge(tmp_path: Path) -> None:
    records = [
        event("a", parent="root"),
        event("b", parent="a"),
        event("a", parent="b", action="back"),
    ]
    for order in (records, records[::-1]):
        forest = read(tmp_path, ROOT, *order)
        assert codes(forest) == [("CYCLE_DETECTED", "a")]
        assert forest["nodes"]["b"]["actions"] == []
        assert [each["upstreamEventId"] for each in forest["nodes"]["a"]["upstreamEdges"]] == [
            "root"
        ]


def test_deep_trees(tmp_path: Path) -> None:
    depth = sys.getrecursionlimit() + 100
    chain = [event(str(n), parent=str(n - 1) if n else "root") for n in range(depth)]
    forest = read(tmp_path, ROOT, *chain)
    assert codes(forest) == []
    assert f"Mine ({depth - 1})" in as_text(forest)


def test_records_of_before_04_are_the_same_events(tmp_path: Path) -> None:
    forest = read(tmp_path, ROOT, before_04("a", "root", v=1), event("a", parent="root", v=1))
    assert forest["nodes"]["a"]["observationCount"] == 2
    assert codes(forest) == []


def test_executions_are_left_out(tmp_path: Path) -> None:
    kind = "_execution_started_event"
    fields = {"executionId": "1", "entityType": "action", "entityName": "act", "status": "started"}
    forest = read(
        tmp_path, ROOT, {**event("e", kind), **fields}, event("mine", kind, parent="root")
    )
    assert set(forest["nodes"]) == {"root", "mine"}
    assert codes(forest) == [("RESERVED_EVENT_TYPE", "mine")]


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ([], None),
        ({}, None),
        ({"eventType": "A", "event": 1}, None),
        ({"eventType": "A", "eventId": "", "eventAttributes": {}}, None),
        ({"eventType": 1, "eventId": "a", "eventAttributes": {}}, "a"),
        ({"eventType": "A", "eventId": "a"}, "a"),
        ({**event("a"), "upstreamEventId": 1}, "a"),
    ],
)
def test_records_of_another_shape(tmp_path: Path, record: Any, name: str | None) -> None:
    forest = read(tmp_path, record, ROOT)
    assert codes(forest) == [("MALFORMED_RECORD", name)]
    assert forest["roots"] == ["root"]


def test_cut_and_damaged_records(tmp_path: Path) -> None:
    text = '{"eventId": oh\n' + json.dumps(event("a", parent="root"), indent=2) + '\n{"eventId":'
    forest = read(tmp_path, ROOT, text=text)
    assert codes(forest) == [("MALFORMED_RECORD", None)] * 2
    assert (forest["warnings"][0]["lineNumber"], forest["warnings"][0]["columnNumber"]) == (2, 13)
    assert set(forest["nodes"]) == {"root", "a"}


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "events-1.log").write_bytes(b"\xff")
    assert codes(read(tmp_path, ROOT)) == [("UNREADABLE_FILE", None)]
    assert log_files(tmp_path / "events-0.log") == [tmp_path / "events-0.log"]
    with pytest.raises(FileNotFoundError):
        list(observations(tmp_path / "nowhere", Warnings()))
