"""`tamias metrics`, and `--metrics` of the commands that run pools."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from typing import TYPE_CHECKING

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.cli import Folder, is_dead, wait_for
from support.otlp.collector import collecting

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def url_in(process: subprocess.Popen[str]) -> str:
    """Where a command says that its metrics are."""
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"metrics at (http://\S+)", line)
        if found:
            return found[1]
    raise AssertionError("no metrics")


def sample(url: str, name: str) -> float:
    """A sample without further labels; -1 if there is none."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        found = re.search(rf'^{name}{{agent="[^"]*"}} (\S+)$', answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else -1.0


def test_a_job_serves_its_metrics_while_it_runs_and_has_them_when_it_is_killed(
    folder: Folder,
) -> None:
    folder.inputs(["wait"])
    arguments = ("agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", "1")
    with folder.started("run", *arguments, "--metrics", "0") as process:
        url = url_in(process)
        wait_for((folder.path / "waiting").exists)
        wait_for(lambda: sample(url, "tamias_inputs_in_flight") == 1)
        assert sample(url, "tamias_up") == 1
        beside = [
            each
            for each in psutil.Process(process.pid).children()
            if "--with-parent" in each.cmdline()
        ]
        assert len(beside) == 1
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: is_dead(beside[0]))
    page = folder.tamias("metrics", "out.jsonl.tamias").stdout
    assert 'tamias_up{agent="out.jsonl"} 0.0' in page
    assert 'tamias_inputs_in_flight{agent="out.jsonl"} 1.0' in page


def test_mistakes_are_said_before_the_job_begins(folder: Folder) -> None:
    folder.inputs([1])
    arguments = ("agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl")
    done = folder.tamias("run", *arguments, "--metrics", "nowhere", code=2)
    assert "nowhere is no address for metrics" in done.stderr
    assert "out.jsonl.tamias" not in folder.everything()
    done = folder.tamias("run", *arguments, "--otlp", "localhost:4318", code=2)
    assert "localhost:4318 is no URL of a collector" in done.stderr
    done = folder.tamias("metrics", "out.jsonl.tamias", code=2)
    assert "is not a state directory" in done.stderr
    done = folder.tamias("metrics", "out.jsonl.tamias", "--format", "xml", code=2)
    assert "--format xml is unknown" in done.stderr


def test_a_deployment_has_one_page_for_all_its_agents(folder: Folder) -> None:
    folder.inputs(["wait"])
    folder.write(
        "all.yaml",
        "agents:\n"
        + "".join(
            f"  {name}:\n    target: agent.py:Counter\n    input: in.jsonl\n"
            f"    output: {name}.jsonl\n    workers: 1\n"
            for name in ("first", "second")
        ),
    )
    with folder.started("up", "all.yaml", "--metrics", "0") as process:
        url = url_in(process)

        def at_work() -> int:
            with urllib.request.urlopen(url, timeout=60) as answer:
                page = answer.read().decode()
            return sum(
                f'tamias_inputs_in_flight{{agent="{name}"}} 1.0' in page
                for name in ("first", "second")
            )

        wait_for(lambda: at_work() == 2)
        (folder.path / "go").touch()
        assert process.wait(60) == 0


def test_a_collector_gets_metrics_and_traces_at_the_latest_when_a_job_ends(folder: Folder) -> None:
    folder.inputs([1, 2])
    arguments = ("agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", "1")
    with collecting() as collector:
        folder.tamias("run", *arguments, "--otlp", collector.url, "-s", "event-log.sample=1")
        assert [point.as_double for _, point in collector.points("tamias_inputs")] == [2]
        assert {span.name for span in collector.spans()} == {
            "invoke_agent agent:Counter",
            "action count",
        }
        folder.tamias("metrics", "out.jsonl.tamias", "--otlp", collector.url, "--once")
        assert len(collector.metrics) == 2


NAMING = """
from tamias import Agent, InputEvent, OutputEvent, action


class Naming(Agent):
    @action(InputEvent)
    @staticmethod
    def name(event, ctx):
        if event.input:
            group = ctx.agent_metric_group
            group.get_counter(event.input).inc()
            group.get_sub_group(event.input).get_histogram("size").update(3)
        ctx.send_event(OutputEvent(output=1))
"""
NASTY = ('"', "\\", "\n", "}", 'le="1"', "\u2028", "\0", "# HELP", "é", "")


def families(folder: Folder, state: str) -> dict[str, int]:
    """How many samples each family of a page has, as the official parser reads it."""
    page = folder.tamias("metrics", state).stdout
    return {family.name: len(family.samples) for family in text_string_to_metric_families(page)}


@pytest.mark.parametrize("named", [False, True], ids=["keys", "metrics-named-after-keys"])
def test_series_are_bounded_whatever_keys_are_called(folder: Folder, *, named: bool) -> None:
    folder.write("naming.py", NAMING)
    found = []
    for count in (10, 3000):
        keys = [f"{NASTY[n % 10]}{NASTY[n // 10 % 10]}{n}" for n in range(count)]
        lines = [{"key": key, "value": key if named else ""} for key in keys]
        folder.write(f"in{count}.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
        files = ("-i", f"in{count}.jsonl", "-o", f"out{count}.jsonl")
        folder.tamias("run", "naming.py:Naming", *files, "--workers", "1")
        found.append(families(folder, f"out{count}.jsonl.tamias"))
    few, many = found
    assert many["tamias_exporter_dropped_samples"] == 1
    if not named:
        assert many == few
    else:
        names = {"tamias_agent_number", "tamias_agent_histogram"}
        assert {name for name in many if many[name] != few[name]} == names
        assert many["tamias_agent_number"] < 1100
        assert many["tamias_agent_histogram"] < 1100 * 40
