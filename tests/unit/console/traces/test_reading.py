"""Runs are read from the end of files that may be cut anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import SHARED_FIXTURE
from tamias.agent.event import input_event
from tamias.console.traces.lines import lines_backwards
from tamias.console.traces.reading import find_run, runs_in
from tamias.console.traces.text import as_text, seconds_text
from tamias.store.encoding.codec import make_decoder
from tamias.store.encoding.keys import encode_key
from tamias.worker.tracing.rendering import Renderer
from tamias.worker.tracing.settings import EventLogSettings
from tamias.worker.tracing.tracer import Tracer

if TYPE_CHECKING:
    from pathlib import Path


@settings(suppress_health_check=SHARED_FIXTURE)
@given(
    lines=st.lists(st.sampled_from([b"", b"a", b"b" * 70_000, b"c" * 65_536, b"d" * 65_535])),
    ends=st.booleans(),
)
def test_lines_are_read_from_the_end(tmp_path: Path, lines: list[bytes], ends: bool) -> None:  # noqa: FBT001 (given by Hypothesis)
    path = tmp_path / "lines"
    path.write_bytes(b"\n".join(lines) + b"\n" * ends)
    found = list(lines_backwards(path))
    wanted = path.read_bytes().split(b"\n")[::-1]
    assert found == (wanted if path.stat().st_size else [])
    assert list(lines_backwards(tmp_path / "none")) == []


def written(state: Path, slot: int, *runs: tuple[int, object, str]) -> Path:
    """Write runs into the log of a slot: number, key, status."""
    options = EventLogSettings(sample=1)
    path = state / "events" / f"events-{slot}.log"
    worker = {"worker": slot, "generation": 0}
    renderer = Renderer(options, "shop:Shop", worker, make_decoder("json"))
    tracer = Tracer(options, path, renderer)
    for number, key, status in runs:
        trace = tracer.begin(number, encode_key(key), 1)
        event = input_event({"amount": number}, (encode_key(key), number, 0, 0))
        trace.begin_with(event)
        trace.start_action("handle", event)
        model = trace.start("llm", "writer", {"model": "gpt"})
        trace.finish(model, attributes={"promptTokens": 9})
        trace.start("wait", "approval", {"until": 1e9})
        trace.finish_action(ValueError("no") if status == "failed" else None)
        tracer.finish(trace, status, ValueError("no") if status == "failed" else None)
    tracer.close()
    return path


def test_the_runs_of_all_slots_are_selected_and_the_newest_is_first(tmp_path: Path) -> None:
    written(tmp_path, 0, (1, "ada", "success"), (2, 7, "failed"))
    written(tmp_path, 1, (3, "ada", "failed"), (4, "7", "suspended"))
    runs = list(runs_in(tmp_path))
    assert [run.offset for run in runs] == [4, 3, 2, 1]
    assert [run.worker for run in runs] == [1, 1, 0, 0]
    assert [run.offset for run in runs_in(tmp_path, key="ada")] == [3, 1]
    assert [run.offset for run in runs_in(tmp_path, key="7")] == [4, 2]
    assert [run.offset for run in runs_in(tmp_path, key=encode_key(7))] == [2]
    assert [run.offset for run in runs_in(tmp_path, offset=1)] == [1]
    assert [run.offset for run in runs_in(tmp_path, failed=True)] == [3, 2]
    assert list(runs_in(tmp_path, last=-60.0)) == []
    assert find_run(tmp_path, runs[2].id) == runs[2]
    assert find_run(tmp_path, "none") is None
    assert runs[2].to_json()["roots"][0]["children"][0]["error"] == "ValueError: no"


def test_a_file_may_be_cut_anywhere(tmp_path: Path) -> None:
    path = written(tmp_path, 0, (1, "ada", "success"), (2, "bob", "success"))
    data = path.read_bytes()
    second = data.rindex(b"\n", 0, data.index(b'"businessKey":"bob"'))
    for place in range(0, len(data), 97):
        path.write_bytes(data[:place])
        assert [run.offset for run in runs_in(tmp_path)] == ([1] if place >= second else [])
        path.write_bytes(data[place:])
        assert [run.offset for run in runs_in(tmp_path)] in ([2, 1], [2], [])
        path.write_bytes(data[:place] + b"\n" + data)
        assert [run.offset for run in runs_in(tmp_path)][:2] == [2, 1]


def test_records_of_others_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, 0, (1, "ada", "success"))
    others = b'[]\n7\n{"entityType":"run","eventType":"x"}\n{"entityType":"run"}\nno\n\xff\n{}\n'
    path.write_bytes(others + path.read_bytes() + others)
    assert [run.offset for run in runs_in(tmp_path)] == [1]


def test_as_text(tmp_path: Path) -> None:
    written(tmp_path, 0, (1, "ada", "failed"))
    (run,) = runs_in(tmp_path)
    head, error, *lines = as_text(run)
    assert head.startswith("input 1, key ada: failed after ")
    assert ", 9 tokens in and 0 out  [" in head
    assert head.endswith(", worker 0, sampled]")
    assert error == "  ValueError: no"
    assert lines[0] == '└─ _input_event {"input": {"amount": 1}}'
    assert "action handle" in lines[1]
    assert "failed: ValueError: no" in lines[1]
    assert "├─ llm writer" in lines[2]
    assert lines[2].endswith("(model gpt, promptTokens 9)")
    assert "└─ wait approval  unfinished" in lines[3]
    texts = [seconds_text(seconds) for seconds in (None, 2e-5, 0.5, 1.25, 3600)]
    assert texts == ["", "20 µs", "500.0 ms", "1.25 s", "3,600 s"]
