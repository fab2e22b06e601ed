"""The series of a real pool one of whose workers dies: none falls, and each has what it says."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tamias.launcher.jobs.file_job import JobSpec, run_file_job
from tamias.launcher.metrics.series import series_of

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.launcher.pool.status import PoolStatus

INPUTS = 600
AGENT = """
import os, pathlib, signal, time
from tamias import Agent, InputEvent, OutputEvent, action

DEAD = pathlib.Path(__file__).with_name("dead")
DONE = os.open(pathlib.Path(__file__).with_name("done"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)

class Worker(Agent):
    @action(InputEvent)
    @staticmethod
    def work(event, ctx):
        time.sleep(0.004)
        if event.input["value"] == 300 and not DEAD.exists():
            DEAD.touch()
            time.sleep(1.2)
            os.kill(os.getpid(), signal.SIGKILL)
        if event.input["value"] == 5:
            raise ValueError("a bad input")
        os.write(DONE, b".")
        ctx.action_metric_group.get_counter("orders").inc()
        ctx.send_event(OutputEvent(output=ctx.durable_execute(abs, -1)))
"""

Sample = tuple[Any, ...]


def samples(status: dict[str, Any]) -> dict[Sample, Any]:
    """All of them, histograms as their counts."""
    return {
        (family["name"], *(f"{name}={text}" for name, text in labels.items())): (
            value["count"] if family["type"] == "histogram" else value
        )
        for family in series_of(status)
        for labels, value in family["samples"]
    }


def growing(status: dict[str, Any]) -> set[str]:
    """The names of series that must not fall."""
    return {family["name"] for family in series_of(status) if family["type"] != "gauge"}


def test_series_of_a_pool_whose_worker_dies(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(AGENT)
    lines = [json.dumps({"key": f"k{n % 40}", "value": n}) for n in range(INPUTS)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    statuses: list[dict[str, Any]] = []

    def on_status(status: PoolStatus) -> None:
        statuses.append(json.loads(json.dumps(status.to_json())))

    spec = JobSpec(
        target=f"{tmp_path / 'agent.py'}:Worker",
        input=str(tmp_path / "in.jsonl"),
        output=str(tmp_path / "out.jsonl"),
        config={"workers": 2, "shards": 4, "max-attempts": 1, "profile-rate": 0},
        on_error="dead-letter",
        key="key",
    )
    run_file_job(spec, tmp_path / "state", on_status=on_status)

    names = growing(statuses[-1])
    shown = [samples(status) for status in statuses]
    for before, after in pairwise(shown):
        for sample, value in before.items():
            if sample[0] in names:
                assert after[sample] >= value, sample
    last = shown[-1]
    assert last["tamias_inputs_total",] == INPUTS
    assert last["tamias_dead_letters_total", "cause=exception"] == 1
    assert last["tamias_worker_restarts_total", "cause=crash"] == 1
    assert last["tamias_worker_deaths_total",] == 1
    # What was found done after the death is in no generation's count.
    assert INPUTS - 300 < last["tamias_generation_inputs_total", "generation=0"] <= INPUTS
    assert last["tamias_action_failures_total", "action=work"] == 1
    # Also what the dead worker has executed since its last report, and what was then repeated.
    executed = last["tamias_action_executions_total", "action=work"]
    assert executed == (tmp_path / "done").stat().st_size
    assert executed >= INPUTS - 1
    assert last["tamias_action_seconds", "action=work"] == executed + 1
    made = last["tamias_durable_calls_made_total", "action=work"]
    replayed = last.get(("tamias_durable_calls_replayed_total", "action=work"), 0)
    assert executed == made + replayed
    assert last["tamias_agent_number", "metric=action.work.orders"] == executed
    assert last["tamias_commit_seconds",] > 0
    for slot in ("worker=0", "worker=1"):
        assert last["tamias_worker_user_code_seconds_total", slot] > 0
        assert last["tamias_worker_cpu_seconds_total", slot, "mode=user"] > 0
        assert last["tamias_worker_context_switches_total", slot, "kind=voluntary"] > 0
        assert any(each.get(("tamias_worker_resident_bytes", slot), 0) > 1 << 20 for each in shown)
        assert any(each.get(("tamias_worker_descriptors", slot), 0) > 3 for each in shown)
    own = [key for each in shown for key in each if key[0] == "tamias_worker_own_bytes"]
    assert own  # measured now and then: not of each worker of a job this short
    assert any(each["tamias_oldest_input_age_seconds",] > 0 for each in shown)
    assert last["tamias_oldest_input_age_seconds",] == 0
