"""Bytewax: a stateful map between its own file source and sink.

Modes: `recovery` keeps snapshots each second, as its documentation says for exactly-once files;
`memory` keeps nothing.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax._bytewax import cli_main
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from contract import Adapter, main

SNAPSHOTS = timedelta(seconds=1)


def count(state: int | None, value: int) -> tuple[int, tuple[int, int]]:
    """The agent: read the state, add, emit."""
    total = (state or 0) + 1
    return total, (value, total)


def parse(line: str) -> tuple[str, int]:
    """An input."""
    record = json.loads(line)
    return record["key"], record["value"]


def form(item: tuple[str, tuple[int, int]]) -> tuple[str, str]:
    """A line of output."""
    key, (value, total) = item
    return key, json.dumps({"key": key, "value": value, "count": total})


class Turns(StatelessSourcePartition[Any]):
    """Gives an event when the output of the one before has been written."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.ready = True
        self.sent = 0.0
        self.trips: list[float] = []

    def next_batch(self) -> list[tuple[str, int]]:
        """As bytewax asks for it."""
        if not self.ready:
            return []
        if not self.left:
            raise StopIteration
        self.left -= 1
        self.ready = False
        self.sent = time.perf_counter()
        return [(f"key-{self.left % 1000}", self.left)]


class TurnsSource(DynamicSource[Any]):
    """One of them."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def build(self, *_: object) -> Turns:
        """As bytewax asks for it."""
        return self.turns


class Arrived(StatelessSinkPartition[Any]):
    """Takes the time."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def write_batch(self, items: list[Any]) -> None:
        """As bytewax asks for it."""
        for _ in items:
            self.turns.trips.append((time.perf_counter() - self.turns.sent) * 1e6)
            self.turns.ready = True


class ArrivedSink(DynamicSink[Any]):
    """One of them."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def build(self, *_: object) -> Arrived:
        """As bytewax asks for it."""
        return Arrived(self.turns)


class OnBytewax(Adapter):
    """One process, one worker: one file is read by one worker."""

    def prepare(self, folder: Path, mode: str) -> None:
        """As `Adapter.prepare`."""
        if mode == "recovery":
            (folder / "recovery").mkdir()
            init_db_dir(folder / "recovery", 1)

    def _start(self, flow: Dataflow, folder: Path, mode: str) -> None:
        if mode == "recovery":
            config = RecoveryConfig(str(folder / "recovery"))
            cli_main(flow, epoch_interval=SNAPSHOTS, recovery_config=config)
        else:
            cli_main(flow)

    def run(self, folder: Path, mode: str) -> None:
        """As `Adapter.run`."""
        flow = Dataflow("counter")
        lines = op.input("in", flow, FileSource(folder / "in.jsonl"))
        counted = op.stateful_map("count", op.map("parse", lines, parse), count)
        op.output("out", op.map("form", counted, form), FileSink(folder / "out.jsonl"))
        self._start(flow, folder, mode)

    def trips(self, folder: Path, mode: str, count_: int) -> list[float]:
        """As `Adapter.trips`; the output is there before the snapshot that has its state."""
        turns = Turns(count_)
        flow = Dataflow("turns")
        counted = op.stateful_map("count", op.input("in", flow, TurnsSource(turns)), count)
        op.output("out", op.map("form", counted, form), ArrivedSink(turns))
        self._start(flow, folder, mode)
        return turns.trips


if __name__ == "__main__":
    main(OnBytewax())
