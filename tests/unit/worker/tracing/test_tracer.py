"""Which runs are written, in which format, and what happens where they cannot be written."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tamias import Configuration, Event, OutputEvent, StoreError
from tamias.agent.event import input_event
from tamias.console.traces.reading import runs_in
from tamias.store.encoding.codec import make_decoder
from tamias.store.encoding.keys import encode_key
from tamias.worker.runs.traced import next_traced
from tamias.worker.tracing.erasing import count_traces, remove_traces
from tamias.worker.tracing.rendering import Renderer
from tamias.worker.tracing.run_trace import MOST_ENTRIES, RunTrace
from tamias.worker.tracing.settings import EventLogSettings
from tamias.worker.tracing.tracer import Tracer
from tamias.worker.tracing.writing import EventLogFile, placed_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = encode_key("ada")


class Order(Event):
    """An event of the agent."""

    amount: int


def tracer_in(state: Path, slot: int = 0, **settings: Any) -> Tracer:
    """The event log of a worker, with these settings."""
    made = replace(EventLogSettings(sample=1), **settings)
    worker = {"worker": slot, "generation": 2}
    renderer = Renderer(made, "shop:Shop", worker, make_decoder("json"))
    return Tracer(made, state / "events" / f"events-{slot}.log", renderer)


def write(tracer: Tracer, number: int, key: Any = "ada", status: str = "success") -> None:
    """Write a short run."""
    trace = tracer.begin(number, encode_key(key), 1)
    trace.begin_with_payload(b'{"amount": 3}')
    tracer.finish(trace, status, ValueError("no") if status == "failed" else None)


def offsets(state: Path) -> list[int]:
    """The runs in the log, the newest first."""
    return [run.offset for run in runs_in(state)]


def test_the_format(tmp_path: Path) -> None:
    tracer = tracer_in(tmp_path)
    trace = tracer.begin(7, KEY, 2)
    event = input_event({"amount": 3}, (KEY, 7, 0, 0))
    trace.begin_with(event)
    trace.start_action("handle", event)
    model = trace.start("llm", "writer", {"model": "gpt"})
    trace.finish(model, attributes={"promptTokens": 5})
    trace.finish(trace.start("call", "shop.charge"), reused=True)
    with (
        pytest.raises(ValueError, match="bad"),
        trace.execution("tool", "add", {"toolCallId": "c"}),
    ):
        raise ValueError("bad") from KeyError("deepest")
    trace.send(Order(amount=4))
    trace.send_output(OutputEvent(output="sent"), 1)
    trace.finish_action(RuntimeError("over"))
    tracer.finish(trace, "failed", RuntimeError("over"), followedBy="retry")
    path = tmp_path / "events" / "events-0.log"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    records = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    scope = ["timestamp", "logLevel", "inputRunId", "businessKey", "agentName"]
    execution = [*scope, "executionId", "parentExecutionId", "entityType", "entityName"]
    lifecycle = ["eventId", "eventType", "status", "eventAttributes"]
    failure = ["eventId", "eventType", "status", "problemCategory", "eventAttributes"]
    handling = ["eventId", "eventType", "upstreamEventId", "status", "eventAttributes"]
    upstream = ["eventId", "eventType", "upstreamEventId", "upstreamActionName", "eventAttributes"]
    sender = [*scope, "executionId", "entityType", "entityName"]
    run = [*scope, "executionId", "entityType", "entityName", "entityMetadata"]
    assert [list(record) for record in records] == [
        [*run, *lifecycle],
        [*scope, "eventId", "eventType", "eventAttributes"],
        [*execution, *handling],
        [*execution, "entityMetadata", *lifecycle],
        [*execution, "entityMetadata", *lifecycle],
        [*execution, *lifecycle],
        [*execution, *lifecycle],
        [*execution, "entityMetadata", *lifecycle],
        [*execution, "entityMetadata", *failure],
        [*sender, *upstream],
        [*sender, *upstream],
        [*execution, *handling[:3], "status", "problemCategory", "eventAttributes"],
        [*run, *failure],
    ]
    shown = ("entityType", "entityName", "eventType", "status", "problemCategory")
    assert [tuple(record.get(name) for name in shown) for record in records] == [
        ("run", "shop:Shop", "_execution_started_event", "started", None),
        (None, None, "_input_event", None, None),
        ("action", "handle", "_execution_started_event", "started", None),
        ("llm", "writer", "_execution_started_event", "started", None),
        ("llm", "writer", "_execution_finished_event", "success", None),
        ("call", "shop.charge", "_execution_started_event", "started", None),
        ("call", "shop.charge", "_execution_reused_event", "reused", None),
        ("tool", "add", "_execution_started_event", "started", None),
        ("tool", "add", "_execution_failed_event", "failed", "tool_call_failed"),
        ("action", "handle", "Order", None, None),
        ("action", "handle", "_output_event", None, None),
        ("action", "handle", "_execution_failed_event", "failed", "action_execution_failed"),
        ("run", "shop:Shop", "_execution_failed_event", "failed", "action_execution_failed"),
    ]
    assert len({record["eventId"] for record in records}) == len(records)
    assert {record["inputRunId"] for record in records} == {str(event.id)}
    assert [record["upstreamEventId"] for record in records[9:11]] == [str(event.id)] * 2
    assert records[8]["eventAttributes"] == {
        "errorType": "builtins.KeyError",
        "errorMessage": "'deepest'",
    }
    end = records[-1]["eventAttributes"]
    assert end.pop("seconds") >= 0
    assert end == {
        "errorType": "builtins.RuntimeError",
        "errorMessage": "over",
        "cause": "sampled",
        "outcome": "failed",
        "outputs": 1,
        "followedBy": "retry",
    }


def test_a_run_is_written_for_its_end_or_not_at_all(tmp_path: Path) -> None:
    tracer = tracer_in(tmp_path, sample=0)
    for number, status in enumerate(["success", "failed", "suspended", "success"]):
        write(tracer, number, status=status)
    slow = RunTrace(9, KEY, 1, began=tracer.begin(9, KEY, 1).began - 5)
    tracer.finish(slow, "success", waited=1)
    tracer.finish(RunTrace(10, KEY, 1, began=slow.began), "success", waited=4.5)
    assert [(run.offset, run.cause) for run in runs_in(tmp_path)] == [(9, "slow"), (1, "failed")]


def test_one_in_so_many_is_written_whoever_executes_it(tmp_path: Path) -> None:
    kept = {slot: tracer_in(tmp_path, slot, sample=100) for slot in (0, 1)}
    causes = [[kept[slot].cause(number, KEY) for number in range(10_000)] for slot in kept]
    assert causes[0] == causes[1]
    assert 95 <= causes[0].count("sampled") <= 105
    assert causes[0][0] == "sampled"


def test_no_more_than_so_many_a_second(tmp_path: Path) -> None:
    tracer = tracer_in(tmp_path, rate=1e-6, keys=frozenset({encode_key("bob")}))
    for number in range(4):
        write(tracer, number)
    write(tracer, 4, "bob")
    assert tracer.totals() == {"written": 2, "failed": 0, "skipped": 3}
    assert [run.attributes.get("skippedBefore") for run in runs_in(tmp_path)] == [3, None]


def test_of_very_many_plain_runs_few_are_written_unless_most_are_wanted(tmp_path: Path) -> None:
    def begun(sample: int, key: str = "ada", **settings: Any) -> list[int]:
        """Of runs that come all at once, those whose trace begins with them."""
        tracer = tracer_in(tmp_path, sample=sample, **settings)
        found, wanted = [], 0.0
        for number in range(100 * sample):
            if number >= wanted:
                run: Any = SimpleNamespace(offset=number)
                run.lane = SimpleNamespace(key_bytes=encode_key(key))
                is_traced, wanted = next_traced(run, tracer)
                found += [number] if is_traced else []
        return found

    assert len(begun(999)) == 100
    assert 20 <= len(begun(1000)) <= 40
    assert 20 <= len(begun(1000, keys=frozenset({encode_key("bob")}))) <= 40
    assert begun(1000)[0] == 0
    assert len(begun(1000, "bob", keys=frozenset({encode_key("bob")}))) == 100_000


def test_a_run_with_very_many_steps_has_the_first_of_them(tmp_path: Path) -> None:
    tracer = tracer_in(tmp_path)
    trace = tracer.begin(0, KEY, 1)
    trace.start_action("handle", None)
    for number in range(MOST_ENTRIES):
        trace.send(Order(amount=number))
    trace.finish_action()
    tracer.finish(trace, "success")
    (run,) = runs_in(tmp_path)
    assert run.attributes["omittedRecords"] == 2
    assert run.status == "success"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Files of this process cannot grow beyond this, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_written_is_counted_and_what_follows_is_whole(tmp_path: Path) -> None:
    tracer = tracer_in(tmp_path)
    write(tracer, 0)
    size = (tmp_path / "events" / "events-0.log").stat().st_size
    with files_of_at_most(size + 700):
        write(tracer, 1)
        write(tracer, 2)
    assert tracer.totals() == {"written": 1, "failed": 2, "skipped": 0}
    write(tracer, 3)
    assert offsets(tmp_path) == [3, 0]
    assert tracer_in(tmp_path / "none" / "there").totals()["failed"] == 0


def test_a_folder_that_is_none_is_a_failure_like_others(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("no folder")
    tracer = tracer_in(tmp_path)
    write(tracer, 0)
    assert tracer.failed == 1
    (tmp_path / "events").unlink()
    write(tracer, 1)
    assert offsets(tmp_path) == [1]


def test_the_log_is_bounded_and_its_newest_runs_stay(tmp_path: Path) -> None:
    tracer = tracer_in(tmp_path, max_bytes=20_000)
    for number in range(100):
        write(tracer, number)
    found = offsets(tmp_path)
    assert found == list(range(99, 99 - len(found), -1))
    files = sorted((tmp_path / "events").iterdir())
    assert [path.name for path in files] == ["events-0.1.log", "events-0.log"]
    assert sum(path.stat().st_size for path in files) <= 20_000
    assert 5 < len(found) < 40
    files[1].unlink()  # by a person, while the worker has it open
    write(tracer, 100)
    assert offsets(tmp_path)[0] == 100


def test_the_runs_of_a_key_are_removed(tmp_path: Path) -> None:
    for slot in (0, 1):
        tracer = tracer_in(tmp_path, slot, max_bytes=8_000)
        for number, key in enumerate(["ada", 7, "7", "ada", "bob"]):
            write(tracer, 10 * slot + number, key)
    events = tmp_path / "events"
    with (events / "events-0.log").open("ab") as file:
        file.write(b'{"timestamp":"2026-11-28T00:00:00Z","businessKey":"ada","entit')
    there = [(run.offset, run.key) for run in runs_in(tmp_path)]
    for key in ("ada", 7, "7"):
        found = count_traces(events, encode_key(key))
        assert found > 0
        assert remove_traces(events, encode_key(key)) == found
        assert count_traces(events, encode_key(key)) == 0
    assert {key for _, key in there} > {"bob"}
    assert {run.key for run in runs_in(tmp_path)} == {"bob"}
    assert not any(b'"ada"' in path.read_bytes() for path in events.iterdir())
    assert all((path.stat().st_mode & 0o777) == 0o600 for path in events.iterdir())


def test_levels_of_types_are_inherited_by_the_parts_of_their_names() -> None:
    config = Configuration(
        {
            "event-log.level": "off",
            "event-log.type.shop.level": "VERBOSE",
            "event-log.type.shop.orders.Order.level": "STANDARD",
        }
    )
    settings = EventLogSettings.of(config)
    types = ["shop.orders.Order", "shop.orders.Other", "shop", "shopping", "Order"]
    levels = ["STANDARD", "VERBOSE", "VERBOSE", "OFF", "OFF"]
    assert [settings.level_of(name).value for name in types] == levels
    assert not settings.is_off
    assert EventLogSettings.of(Configuration({"event-log.level": "OFF"})).is_off


def test_keys_are_texts_or_what_their_json_says() -> None:
    settings = EventLogSettings.of(Configuration({"event-log.keys": ["ada", "7", '"7"']}))
    assert settings.keys == {encode_key(key) for key in ("ada", "7", 7, '"7"')}


def test_a_log_in_another_folder_is_read_and_erased_by_its_state_directory(tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "events"
    states = [tmp_path / name / "state" for name in ("one", "two")]
    for state in states:
        (state / "events").mkdir(parents=True)
        path = placed_in(folder, state / "events" / "events-0.log")
        file = tracer_in(state, max_bytes=3000)
        file._file = EventLogFile(path, 3000)
        for number in range(9):
            write(file, number, "bob" if number % 2 else "ada")
    assert len(list(folder.glob("events-*.log"))) == 4
    kept = offsets(states[0])
    assert 1 < len(kept) < 9
    assert kept == offsets(states[1])
    events = states[0] / "events"
    assert count_traces(events, KEY) == remove_traces(events, KEY) == sum(n % 2 == 0 for n in kept)
    assert offsets(states[0]) == [number for number in kept if number % 2]
    assert offsets(states[1]) == kept


@pytest.mark.parametrize(
    ("given", "folder", "sample", "rate"),
    [
        ({}, "", 1000, 100),
        ({"event-log.folder": "a"}, "a", 1000, 100),
        ({"baseLogDir": "b"}, "b", 1, inf),
        ({"baseLogDir": "b", "event-log.folder": "a"}, "a", 1000, 100),
        ({"baseLogDir": "b", "event-log.sample": 10, "event-log.rate": 5}, "b", 10, 5),
    ],
)
def test_a_folder_of_flink_agents_has_all_runs(
    given: dict[str, Any], folder: str, sample: int, rate: float
) -> None:
    found = EventLogSettings.of(Configuration(given))
    assert (found.folder, found.sample, found.rate) == (folder, sample, rate)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
def test_a_link_to_a_file_of_another_user_is_no_part_of_the_log(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text('{"businessKey":"k","status":"started"}\n')
    events = tmp_path / "events"
    events.mkdir()
    link = events / "events-0.log"
    link.symlink_to(other)
    os.chown(link, 65534, 65534, follow_symlinks=False)
    with pytest.raises(StoreError, match="a link to a file of another user"):
        remove_traces(events, encode_key("k"))
    assert other.read_text()
