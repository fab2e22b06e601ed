"""What hooks of a launcher see of a real pool, and that they can do it no harm."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.launcher.hooks import METHODS, Recorder
from tamias.launcher.control.client import send_request
from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.jobs.agent_spec import AgentSpec
from tamias.launcher.jobs.job import Job
from tamias.launcher.sinks.jsonlines import JsonLinesSink
from tamias.launcher.sources.factory import python_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tamias.launcher.jobs.report import Report

AGENT = """
from tamias import Agent, InputEvent, OutputEvent, action

class Echo(Agent):
    @action(InputEvent)
    @staticmethod
    def echo(event, ctx):
        if event.input == 5:
            raise ValueError("a bad input")
        ctx.send_event(OutputEvent(output=event.input))
"""
PATIENCE = 60.0
HOOKS = "support.launcher.hooks:Evil,support.launcher.hooks:Recorder"


class Hooked:
    """A pool of this process, controlled over its socket; see `hooked`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stop = threading.Event()
        self.fed = 0
        self.report: Report | None = None
        (folder / "agent.py").write_text(AGENT)

    def _feed(self) -> Iterator[dict[str, Any]]:
        while not self.stop.is_set():
            yield {"key": f"k{self.fed % 20}", "value": self.fed}
            self.fed += 1
            if self.fed % 20 == 0:
                time.sleep(0.001)  # the rest of the machine has work to do, too

    def run(self) -> None:
        """The pool's thread."""
        config = {"workers": 2, "shards": 4, "max-attempts": 1, "launcher-hooks": HOOKS}
        config |= {"reload-probation": "0s", "reload-canary": "0s"}
        target = f"{self.folder / 'agent.py'}:Echo"
        spec = AgentSpec("Echo", target=target, config=config, on_error="dead-letter")
        job = Job(spec, handle_signals=False)
        with (
            python_source(self._feed()) as source,
            job.open_state(self.folder / "state", {}) as state,
        ):
            sink = JsonLinesSink(str(self.folder / "out"), ordered=False, sync=False)
            self.report = job.run(state, source, CheckpointedDelivery(sink, state.progress))

    def ask(self, question: str, **arguments: Any) -> dict[str, Any]:
        """What the pool answers."""
        return send_request(self.folder / "state", question, arguments, wait=PATIENCE)

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something has come about."""
        end = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < end
            time.sleep(0.01)


@contextmanager
def hooked(folder: Path) -> Iterator[Hooked]:
    """A pool that works while in the block, and is finished after it."""
    pool = Hooked(folder)
    thread = threading.Thread(target=pool.run)
    thread.start()
    try:
        yield pool
    finally:
        pool.stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def _calls(name: str) -> list[tuple[Any, ...]]:
    return [call[1:] for call in Recorder.seen if call[0] == name]


@pytest.fixture(autouse=True)
def _forget() -> None:
    Recorder.seen.clear()


def test_a_hook_sees_a_death_a_move_a_reload_and_a_dead_letter_behind_one_that_raises(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with hooked(tmp_path) as pool:
        pool.until(lambda: len(_calls("worker_ready")) >= 2)
        victim = _calls("worker_ready")[0][0]
        os.kill(victim.pid, signal.SIGKILL)
        pool.until(lambda: len(_calls("worker_ready")) >= 3)
        pool.until(lambda: bool(_calls("dead_letters")))
        assert pool.ask("scale", workers=3)["moves"] == len(_calls("shard_moved")) == 1
        assert pool.ask("reload")["outcome"] == "promoted"
        errors = send_request(tmp_path / "state", "status", wait=PATIENCE)["hook_errors"]

    names = [call[0] for call in Recorder.seen]
    (gone, exit_), *others = _calls("worker_gone")
    assert gone == victim
    assert exit_.signal == signal.SIGKILL
    assert exit_.text == "was killed by SIGKILL"
    assert not exit_.expected
    assert not exit_.killed_for
    assert all(later.expected for _, later in others)
    lives = [call[0] for call in Recorder.seen if victim in call[1:2]]
    assert lives == ["worker_born", "worker_ready", "worker_gone"]
    successor = next(worker for (worker,) in _calls("worker_ready") if worker.incarnation == 2)
    assert successor.slot == victim.slot
    assert _calls("dead_letters") == [({"failed": 1},)]
    shard, source, target, pause = _calls("shard_moved")[0]
    assert (shard in range(4), source in (0, 1), target, pause > 0) == (True, True, 2, True)
    stages = [
        stage for number, stage, reason in _calls("reload_stage") if (number, reason) == (1, "")
    ]
    assert stages == [
        "preparing", "starting", "moving", "probation", "promoted", "retiring", "over"
    ]  # fmt: skip
    ordered = ["pool_started", "worker_gone", "shard_moved", "reload_stage", "pool_stopping"]
    assert sorted(ordered, key=names.index) == ordered
    assert names[-1] == "pool_ended"
    assert Recorder.seen[-1] == ("pool_ended", "finished")
    events = [events for events, _, _ in _calls("checkpoint_saved")]
    assert events == sorted(events)
    assert events[-1] == pool.fed
    assert ("running",) in _calls("status_sampled")
    # The other hook has raised each time, and nothing came of it but this:
    assert errors > 10
    raised = [record for record in caplog.records if record.name == "tamias.hooks"]
    assert ["Evil failed in" in record.getMessage() for record in raised] == [True]
    assert pool.report is not None
    assert pool.report.finished
    assert pool.report.events == pool.fed
    outputs = [json.loads(line)["output"] for line in (tmp_path / "out").read_text().splitlines()]
    assert sorted(outputs) == [number for number in range(pool.fed) if number != 5]
    assert set(METHODS) - set(names) == {"degraded", "noticed"}
