"""Outputs that a program's job keeps: those of a key are removed, whatever dies meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.processes import run
from tamias.launcher.sinks.collect import CollectSink
from tamias.launcher.sinks.spool_of_key import FoundOutputs, erase_outputs, find_outputs
from tamias.store.encoding.values import dumps, loads
from tamias.store.records.outbox import decode_outputs, encode_outputs
from tamias.store.state.directory import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = [
    ([0, 1], [1, 2], [{"ada": 1}, {"bob": 2}, {"ada": 3}]),
    ([2], [1], [{"ada": 4}]),
    ([3, 4], [0, 1], [{"bob": 5}]),
]


def is_of_ada(_: int, output: memoryview) -> bool | None:
    """Whether an output is of the key; b"?" is not known."""
    return None if bytes(output) == b"?" else "ada" in loads(output)


def opened(state: Path) -> StateDirectory:
    """The state directory, locked."""
    return StateDirectory.open(state, "m:A", 1, "process", {})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with outputs, and some behind its checkpoint."""
    path = tmp_path / "state"
    with opened(path) as directory:
        sink = CollectSink(directory.layout.outputs)
        sink.open(None, None)  # type: ignore[arg-type]  # it does not look at it
        for offsets, counts, values in RECORDS:
            encoded = encode_outputs(offsets, counts, [dumps(value) for value in values])
            sink.append(decode_outputs(encoded))
        sink.flush()
        directory.progress.save({"sink": sink.position(), "totals": {"outputs": 5}})
        sink.append(decode_outputs(encode_outputs([9], [1], [dumps({"ada": 9})])))
        sink.close()
    return path


def results(state: Path) -> list[Any]:
    """The outputs, as the next life of the job has them."""
    with opened(state) as directory:
        position = (directory.progress.load() or {})["sink"]
        sink = CollectSink(directory.layout.outputs)
        sink.open(position, None)  # type: ignore[arg-type]
        assert sink.position() == position
        sink.close()
        return sink.take_results()


def test_outputs_of_the_key_are_gone_and_the_others_stay(state: Path) -> None:
    with opened(state) as directory:
        assert find_outputs(directory, is_of_ada) == FoundOutputs(3, 0)
        assert erase_outputs(directory, is_of_ada) == FoundOutputs(3, 0)
        assert erase_outputs(directory, is_of_ada) == FoundOutputs(0, 0)
    assert b"ada" not in (state / "outputs").read_bytes()
    assert results(state) == [{"bob": 2}, {"bob": 5}]
    assert not (state / "outputs.forgotten").exists()


def test_what_cannot_be_read_is_counted_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with opened(path) as directory:
        sink = CollectSink(directory.layout.outputs)
        sink.open(None, None)  # type: ignore[arg-type]
        sink.append(decode_outputs(encode_outputs([0], [2], [b"?", dumps({"ada": 1})])))
        sink.flush()
        directory.progress.save({"sink": sink.position()})
        sink.close()
        assert erase_outputs(directory, is_of_ada) == FoundOutputs(1, 1)
        assert find_outputs(directory, is_of_ada) == FoundOutputs(0, 1)


def test_a_state_without_outputs(tmp_path: Path) -> None:
    with opened(tmp_path / "state") as directory:
        assert erase_outputs(directory, is_of_ada) == FoundOutputs(0, 0)


ERASE = """
import sys
from tamias.launcher.sinks.spool_of_key import erase_outputs
from tamias.store.encoding.values import loads
from tamias.store.state.directory import StateDirectory
with StateDirectory.open(sys.argv[1], "m:A", 1, "process", {}) as directory:
    erase_outputs(directory, lambda _, output: "ada" in loads(output))
"""


@pytest.mark.process
@pytest.mark.parametrize("count", [1, 2])
def test_killed_in_between_the_next_removal_completes_it(state: Path, count: int) -> None:
    flag = state.parent / "flag"
    flag.touch()
    assert run(ERASE, state, TAMIAS_CRASH=f"spool.inside:{count}:{flag}").returncode == -9
    with opened(state) as directory:
        erase_outputs(directory, is_of_ada)
    assert results(state) == [{"bob": 2}, {"bob": 5}]
    assert {path.name for path in state.iterdir() if path.name.startswith("outputs")} == {"outputs"}
