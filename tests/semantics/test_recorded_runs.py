"""What is kept of runs, to execute them again: by dead letters, and by the option `record`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action, run_agent
from tamias.store.encoding.keys import encode_key
from tamias.store.encoding.values import loads
from tamias.store.records.run_record import RunMaterial
from tamias.store.state.layout import StateLayout
from tamias.store.state.reader import StoreReader
from tamias.worker.durable.call_log import CallRecord
from tamias.worker.recording.reading import count_runs, recorded_runs, remove_runs

if TYPE_CHECKING:
    from pathlib import Path


def rate(value: int) -> int:
    return value * 10


class Second(Event):
    rating: int


class Steps(Agent):
    @action(InputEvent)
    @staticmethod
    def first(event: Event, ctx: RunnerContext) -> None:
        rating = ctx.durable_execute(rate, event.input)
        ctx.short_term_memory.set("last", event.input)
        ctx.send_event(Second(rating=rating))

    @action(Second)
    @staticmethod
    def second(event: Event, ctx: RunnerContext) -> None:
        doubled = ctx.durable_execute(rate, event.rating)
        if doubled == 300:
            raise ValueError(f"no {doubled}")
        ctx.send_event(OutputEvent(output=doubled))


INPUTS = [("ada", 1), ("bob", 2), ("ada", 3), ("ada", 4)]


def _run(state: Path, **config: Any) -> None:
    run = run_agent(
        Steps, INPUTS, state=state, on_error="dead-letter", config={"max-attempts": 1, **config}
    )
    assert [failure.offset for failure in run.failures] == [2]


def _letter(state: Path) -> RunMaterial:
    with StoreReader(state) as reader:
        (letter,) = reader.dead_letters()
    return RunMaterial.from_json(letter.offset, letter.record)


def test_a_dead_letter_keeps_its_calls_and_the_memory_before_it(tmp_path: Path) -> None:
    _run(tmp_path / "state")
    found = _letter(tmp_path / "state")
    calls = [entry for entry in found.journal if entry.kind == 0]
    assert [(entry.action, entry.index) for entry in calls] == [(0, 0), (1, 0)]
    results = [loads(CallRecord.decode(entry.index, entry.data).outcome) for entry in calls]
    assert results == [30, 300]
    assert found.memory is not None
    assert {path: loads(data) for path, data in found.memory.items()} == {"last": 1}
    assert found.is_complete
    assert found.left_out == []


def test_what_is_too_large_for_a_dead_letter_is_named(tmp_path: Path) -> None:
    _run(tmp_path / "state", **{"dead-letter-record": 8})
    found = _letter(tmp_path / "state")
    assert (found.journal, found.memory, found.left_out) == ([], None, ["journal", "memory"])


def test_a_dead_letter_keeps_nothing_if_that_is_wanted(tmp_path: Path) -> None:
    _run(tmp_path / "state", **{"dead-letter-record": 0})
    with StoreReader(tmp_path / "state") as reader:
        (letter,) = reader.dead_letters()
    assert letter.record == {}


@pytest.mark.parametrize(
    ("wanted", "offsets"),
    [
        ("", []),
        ("failed", [2]),
        ("all", [0, 1, 2, 3]),
        ("bob", [1]),
        ("bob,failed", [1, 2]),
    ],
)
def test_runs_are_recorded_that_are_asked_for(
    tmp_path: Path, wanted: str, offsets: list[int]
) -> None:
    _run(tmp_path / "state", record=wanted)
    found = list(recorded_runs(StateLayout(tmp_path / "state").recordings))
    assert sorted(record.offset for record in found) == offsets


def test_a_recorded_run_has_all_that_it_has_found(tmp_path: Path) -> None:
    _run(tmp_path / "state", record="all")
    folder = StateLayout(tmp_path / "state").recordings
    (record,) = recorded_runs(folder, 3)
    assert (record.status, record.error, loads(record.payload)) == ("succeeded", "", 4)
    assert record.material.memory is not None
    assert loads(record.material.memory["last"]) == 1
    assert len([entry for entry in record.material.journal if entry.kind == 0]) == 2
    (failed,) = recorded_runs(folder, 2)
    assert (failed.status, failed.error, failed.action) == (
        "failed",
        "ValueError: no 300",
        "second",
    )


def test_recorded_runs_are_bounded(tmp_path: Path) -> None:
    state = tmp_path / "state"
    inputs = [("ada", number + 10) for number in range(200)]
    run_agent(Steps, inputs, state=state, config={"record": "all", "record-limit": "16KiB"})
    folder = StateLayout(state).recordings
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 16 << 10
    kept = sorted(record.offset for record in recorded_runs(folder))
    assert kept == list(range(kept[0], 200))
    assert 10 < len(kept) < 200


def test_the_recorded_runs_of_a_key_can_be_removed(tmp_path: Path) -> None:
    _run(tmp_path / "state", record="all")
    folder = StateLayout(tmp_path / "state").recordings
    ada = encode_key("ada")
    assert count_runs(folder, ada) == 3
    assert remove_runs(folder, ada) == 3
    assert [record.offset for record in recorded_runs(folder)] == [1]
    assert count_runs(folder, ada) == 0
    assert base64.b64encode(b"ada") not in b"".join(path.read_bytes() for path in folder.iterdir())


def test_a_record_that_cannot_be_written_harms_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    run_agent(Steps, [], state=state)
    StateLayout(state).recordings.write_text("no folder")
    _run(state, record="all")
    assert caplog.text.count("cannot be recorded") == 1


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    _run(tmp_path / "state", record="all")
    path = StateLayout(tmp_path / "state").recorded_runs(0)
    path.write_bytes(path.read_bytes()[:-20])
    assert sorted(record.offset for record in recorded_runs(path.parent)) == [0, 1, 2]
