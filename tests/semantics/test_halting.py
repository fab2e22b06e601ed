"""A pool that is stopped finishes what it executes; the rest is done by the next life."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any

from tamias import Agent, InputEvent, OutputEvent
from tamias.agent.plan import AgentPlan
from tamias.launcher.control.client import send_request
from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.jobs.agent_spec import AgentSpec
from tamias.launcher.jobs.job import Job
from tamias.launcher.pool.status import PoolStatus, WorkerStatus
from tamias.launcher.sinks.jsonlines import JsonLinesSink
from tamias.launcher.sources.factory import python_source
from tamias.launcher.workers.threads import ThreadStarter

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = [{"key": f"k{n % 20}", "value": n} for n in range(400)]


class Trial:
    """A job whose workers are threads of this process, in as many lives as are wanted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun: list[int] = []
        self.gate = threading.Event()
        self.said = ""
        agent = Agent()
        agent.add_action("act", [InputEvent], self._act)
        self._plan = AgentPlan.compile(agent)

    def _act(self, event: InputEvent, ctx: Any) -> None:
        self.begun.append(event.input)
        if len(self.begun) == 2:  # each worker executes one
            threading.Thread(target=send_request, args=(self.folder / "state", "stop", {})).start()
        self.gate.wait(60)
        ctx.send_event(OutputEvent(output=event.input))

    def _show(self, status: PoolStatus) -> None:
        if status.phase == "draining":
            self.said = status.describe_drain()
            self.gate.set()

    def live(self) -> bool:
        """Run the job once; returns whether it is finished."""
        config = {"shards": 4, "workers": 2}
        job = Job(
            AgentSpec("trial", target="trial:agent", config=config),
            on_status=self._show,
            handle_signals=False,
            make_starter=lambda boot: ThreadStarter(boot, self._plan),
        )
        with python_source(INPUTS) as source, job.open_state(self.folder / "state", {}) as state:
            sink = JsonLinesSink(str(self.folder / "out"), ordered=False, sync=False)
            return job.run(state, source, CheckpointedDelivery(sink, state.progress)).finished

    def outputs(self) -> list[int]:
        """All outputs."""
        lines = (self.folder / "out").read_text().splitlines()
        return [json.loads(line)["output"] for line in lines]


def test_a_stop_ends_it_after_what_is_executed(tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    assert not trial.live()
    assert sorted(trial.begun) == sorted(trial.outputs())
    assert len(trial.begun) == 2
    assert re.fullmatch(
        r"stopping after 2 runs that are executed; \d+ queued inputs go back, to be done when the"
        r" job is resumed; interrupt again to stop at once",
        trial.said,
    )
    assert trial.live()
    assert sorted(trial.begun) == sorted(trial.outputs()) == list(range(400))
    for key in range(20):
        assert [n for n in trial.outputs() if n % 20 == key] == list(range(key, 400, 20))


def test_the_message_counts_what_is_executed_and_what_goes_back() -> None:
    status = PoolStatus(1, 0.0, "draining", workers=[WorkerStatus(0, 1, "ready", 1, 5, 0, 1)])
    assert "1 run that is executed; 4 queued inputs go back" in status.describe_drain()
    status.workers = [WorkerStatus(0, 1, "ready", 1, 0, 1)]
    assert status.describe_drain() == (
        "stopping; 1 queued input goes back, to be done when the job is resumed; interrupt again"
        " to stop at once"
    )
    status.workers = []
    assert status.describe_drain() == "stopping; interrupt again to stop at once"
