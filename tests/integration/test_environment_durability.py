"""What a program's state directory promises reaches the disk: its outputs no less than the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tamias import Agent, AgentsExecutionEnvironment, InputEvent, OutputEvent, RunnerContext, action
from tamias.store.state.layout import StateLayout


class Echo(Agent):
    @action(InputEvent)
    @staticmethod
    def echo(event: InputEvent, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=event.input))


@pytest.mark.parametrize(("durability", "synced"), [("process", False), ("machine", True)])
def test_outputs_are_synced_if_they_must_survive_power_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, *, synced: bool
) -> None:
    seen = set()
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        seen.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    state = tmp_path / "state"
    env = AgentsExecutionEnvironment.get_execution_environment(
        workers=1, state_dir=str(state), durability=durability
    )
    outputs = env.from_list([{"key": n, "value": n} for n in range(3)]).apply(Echo).to_list()
    env.execute()
    assert outputs == [{n: n} for n in range(3)]
    assert (str(StateLayout(state).outputs) in seen) is synced
