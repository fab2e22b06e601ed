"""Workers that are threads leave nothing behind in a process that goes on."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

from tamias import Agent, InputEvent, OutputEvent, RunnerContext, action
from tamias.testing import run_agent
from tamias.worker.process import worker

if TYPE_CHECKING:
    import pytest

DESCRIPTORS = Path("/proc/self/fd")


class Echo(Agent):
    """Echoes."""

    @action(InputEvent)
    @staticmethod
    def echo(event: Any, ctx: RunnerContext) -> None:
        """Echo."""
        ctx.send_event(OutputEvent(output=event.input))


def test_descriptors_and_memory_are_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ref[worker.Worker]] = []
    begin = worker.Worker._start

    def start(self: worker.Worker) -> None:
        made.append(ref(self))
        begin(self)

    monkeypatch.setattr(worker.Worker, "_start", start)
    run_agent(Echo, [{"value": 1}])  # opens what the process opens once
    before = {each.name for each in DESCRIPTORS.iterdir()}
    for number in range(3):
        run_agent(Echo, [{"value": number}])
    assert {each.name for each in DESCRIPTORS.iterdir()} == before
    gc.collect()
    assert len(made) == 4
    assert [each for each in made if each() is not None] == []
