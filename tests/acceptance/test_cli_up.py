"""Several agents from one deployment file: each in its own world, and none in another's way."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from support.cli import AGENT, PATIENCE, Folder, interrupt, is_dead, pool_of, wait_for
from support.environments.pythons import (
    HERE,
    from_folder,
    other_python,
    other_pythons,
    shared_cache,
    slow_project,
    warm,
    wheel,
)
from tamias import Client
from tamias.environments.interpreters import find
from tamias.store.lease import Lease
from tamias.store.state.directory import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

TELLER = """
import sys
import tiny
from tamias import Agent, InputEvent, OutputEvent, action

class Teller(Agent):
    @action(InputEvent)
    @staticmethod
    def tell(event, ctx):
        memory = ctx.short_term_memory
        memory.set("n", (memory.get("n") or 0) + 1)
        version = "%d.%d" % sys.version_info[:2]
        ctx.send_event(OutputEvent(output=[version, tiny.VERSION, memory.get("n")]))
"""

SETTLED = """
from tamias import Agent, InputEvent, OutputEvent, action

class Settled(Agent):
    @action(InputEvent)
    @staticmethod
    def tell(event, ctx):
        ctx.send_event(OutputEvent(output=ctx.config.get_str("step")))
"""


@pytest.fixture(scope="module")
def cache(pytestconfig: pytest.Config) -> Iterator[str]:
    with shared_cache(pytestconfig) as folder:
        yield str(folder)


class Place(Folder):
    """A folder with a deployment file, and a folder of its own for each agent."""

    def agent(self, name: str, values: list[Any], keys: int = 4) -> str:
        """An agent with inputs; the entry for it in the file."""
        (self.path / name).mkdir()
        self.write(f"{name}/agent.py", AGENT)
        self.inputs(values, keys, f"{name}/in.jsonl")
        return (
            f"{name}: {{target: {name}/agent.py:Counter, workers: 2, "
            f"input: {name}/in.jsonl, output: {name}/out.jsonl}}"
        )

    def deploy(self, *entries: str, defaults: str = "{shards: 4}") -> None:
        """Write the file."""
        lines = [f"defaults: {defaults}", "agents:", *(f"  {entry}" for entry in entries)]
        self.write("all.yaml", "\n".join(lines))

    def waits(self, name: str) -> bool:
        """Whether an agent has come to its input that waits."""
        return (self.path / name / "waiting").exists()

    def go(self, name: str) -> None:
        """Let it go on."""
        (self.path / name / "go").touch()

    def state(self, name: str) -> Path:
        """Its state directory."""
        return self.path / "all.tamias" / name

    def pool(self, name: str) -> int | None:
        """The pid of its pool process, if there is one at work."""
        if not (self.state(name) / "tamias.json").exists():
            return None
        with StateDirectory.view(self.state(name)) as view:
            return view.launcher_pid()

    def family(self, name: str) -> list[psutil.Process]:
        """Its pool process, zygote and workers."""
        pool = psutil.Process(self.pool(name))
        return [pool, *pool.children(recursive=True)]

    def is_exact(self, name: str) -> bool:
        """Whether its output is what an undisturbed run would have written."""
        with (self.path / name / "in.jsonl").open() as file:
            inputs = [json.loads(line) for line in file]
        numbers: dict[str, int] = {}
        expected = []
        for offset, line in enumerate(inputs):
            numbers[line["key"]] = number = numbers.get(line["key"], 0) + 1
            value = line["value"]
            output = [len(value) if isinstance(value, str) else value, number]
            expected.append({"key": line["key"], "output": output, "offset": offset})
        return sorted(self.lines(f"{name}/out.jsonl"), key=lambda line: line["offset"]) == expected


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def told(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What a command with --json has said when it is over."""
    assert process.stdout is not None
    output = process.communicate(timeout=PATIENCE)[0]
    return [json.loads(line) for line in output.splitlines()]


def until(process: subprocess.Popen[str], event: str, agent: str) -> dict[str, Any]:
    """Read what a command with --json says until it says this."""
    assert process.stdout is not None
    for line in process.stdout:
        record: dict[str, Any] = json.loads(line)
        if (record["event"], record.get("agent")) == (event, agent):
            return record
    raise AssertionError(f"it ended without {event} of {agent}")


def test_two_interpreters_with_two_versions_of_a_package_beside_one_that_cannot_be_made(
    place: Place, cache: str
) -> None:
    place.write("teller.py", TELLER)
    place.inputs([1, 2, 3, 4], keys=2)
    first = "{}.{}".format(*other_python().minor)
    second = "{}.{}".format(*other_pythons()[0].minor) if len(other_pythons()) > 1 else HERE
    warm(Path(cache), find(second))
    entries = []
    for number in (1, 2):
        wheel(place.path, "tiny", f"{number}.0", {"tiny.py": f"VERSION = {number}\n"})
    for number, python in ((1, first), (2, second), (3, second)):
        lines = json.dumps(from_folder(place.path, f"tiny=={number}.0"))
        entries.append(
            f"with{number}: {{target: teller.py:Teller, input: in.jsonl, "
            f"output: out{number}.jsonl, workers: 1, "
            f'environment: {{python: "{python}", requirements: {lines}}}}}'
        )
    place.deploy(*entries)
    done = place.tamias("up", "all.yaml", TAMIAS_CACHE=cache, code=2)
    for number, python in ((1, first), (2, second)):
        outputs = sorted(place.lines(f"out{number}.jsonl"), key=lambda line: line["offset"])
        assert [line["output"] for line in outputs] == [
            [python, number, count] for count in (1, 1, 2, 2)
        ]
    assert "error: with3: Could not install the requirements" in done.stderr
    assert "with1: done: 4 inputs" in done.stderr
    assert not (place.path / "out3.jsonl").exists()
    assert not place.state("with3").exists()


def test_the_death_of_a_pool_or_a_worker_does_not_affect_other_agents(place: Place) -> None:
    values: list[Any] = [*range(40), "wait", *range(40)]
    place.deploy(place.agent("a", values), place.agent("b", values))
    with place.started("up", "all.yaml", "--json") as process:
        wait_for(lambda: place.waits("a") and place.waits("b"))
        assert "is up: process" in place.tamias("up", "all.yaml", code=2).stderr
        was_a, was_b = place.family("a"), place.family("b")
        was_a[0].kill()
        wait_for(lambda: all(map(is_dead, was_a)))
        wait_for(lambda: place.pool("a") not in (None, was_a[0].pid))
        assert place.family("b") == was_b
        record = until(process, "died", "a")
        assert record["how"] == "its pool process was killed by SIGKILL"
        wait_for(lambda: len(place.family("a")) == 5)
        now_a = place.family("a")
        was_b[-1].kill()
        wait_for(lambda: len(place.family("b")) == 5 and was_b[-1] not in place.family("b"))
        assert place.family("b")[:2] == was_b[:2]
        assert place.family("a") == now_a
        status = json.loads(place.tamias("status", place.state("a"), "--json").stdout)
        assert (status["running"], status["launcher"]) == (True, now_a[0].pid)
        place.go("b")
        until(process, "ended", "b")
        assert place.pool("a") == now_a[0].pid
        place.go("a")
        last = told(process)[-1]
    assert last == {"event": "over", "exit_code": 0, "agents": {"a": 0, "b": 0}}
    assert place.is_exact("a")
    assert place.is_exact("b")


def test_the_death_of_the_launcher_leaves_no_process_and_all_carry_on(place: Place) -> None:
    place.deploy(
        place.agent("a", [*range(40), "wait", *range(40)]), place.agent("b", list(range(50)))
    )
    with place.started("up", "all.yaml", "--json") as process:
        until(process, "ended", "b")
        wait_for(lambda: place.waits("a"))
        everybody = pool_of(process)
        assert len(everybody) == 5
        process.kill()
        wait_for(lambda: all(map(is_dead, everybody)))
    before = (place.path / "b/out.jsonl").read_bytes()
    place.go("a")
    done = place.tamias("up", "all.yaml")
    assert "b: done before: 50 inputs; nothing is new" in done.stderr
    assert (place.path / "b/out.jsonl").read_bytes() == before
    assert place.is_exact("a")
    assert place.is_exact("b")


def test_an_interruption_drains_all_and_a_second_one_does_not_wait(place: Place) -> None:
    service = "front: {target: a/agent.py:Counter, workers: 1, serve: {}}"
    place.deploy(place.agent("a", [*range(40), "wait", *range(40)]), service)
    with place.started("up", "all.yaml", "--json") as process:
        until(process, "ready", "front")
        with Client(place.state("front")) as client:
            assert client.submit("k", 7).result(PATIENCE) == [[7, 1]]
        wait_for(lambda: place.waits("a"))
        interrupt(process)
        until(process, "ended", "front")
        assert process.poll() is None  # the input that waits is in flight
        interrupt(process)
        assert told(process)[-1]["agents"] == {"a": 130, "front": 0}
        assert process.returncode == 130
    place.go("a")
    with place.started("up", "all.yaml", "--json") as process:
        until(process, "ended", "a")
        process.terminate()
        assert told(process)[-1]["exit_code"] == 0
    assert place.is_exact("a")


def test_what_comes_of_each_agent_is_its_own_affair(place: Place) -> None:
    bad = place.agent("bad", [1, "raise", 3], keys=1)
    place.deploy(
        place.agent("good", [1, 2, 3]),
        place.agent("letters", [1, "raise", 3]),
        bad.replace("workers: 2", "settings: {on-error: fail}"),
        "lost: {target: nowhere.py:Lost, input: good/in.jsonl, output: lost.jsonl}",
        defaults="{max-attempts: 1, shards: 4, workers: 1}",
    )
    checked = place.tamias("up", "all.yaml", "--check", code=2)
    assert "good: agent:Counter to good/out.jsonl" in checked.stdout
    assert "error: lost: There is no file" in checked.stderr
    assert not (place.path / "all.tamias").exists()
    done = place.tamias("up", "all.yaml", code=1)
    assert "error: lost: There is no file" in done.stderr
    assert "error: bad: " in done.stderr
    assert "ValueError: this is trouble" in done.stderr
    assert f"tamias dead-letters list {place.state('letters').relative_to(place.path)}" in (
        done.stderr
    )
    assert [letter["offset"] for letter in place.dead_letters("all.tamias/letters")] == [1]
    assert place.memory("k0", "all.tamias/good")["n"] == 1
    assert len(place.lines("good/out.jsonl")) == 3
    status = json.loads(place.tamias("status", "all.tamias/letters", "--json").stdout)
    assert status["phase"] == "finished"
    place.deploy("letters" + bad.removeprefix("bad").replace("bad/", "letters/"))
    assert "nothing is new" in place.tamias("up", "all.yaml", code=3).stderr


def test_a_pool_that_comes_again_has_what_it_was_reloaded_to(place: Place) -> None:
    place.write("settled.py", dedent(SETTLED))
    place.deploy(
        "front: {target: settled.py:Settled, workers: 1, serve: {}, settings: {step: one}}",
        defaults="{shards: 4, reload-canary: 0, reload-probation: 0}",
    )
    with place.started("up", "all.yaml", "--json") as process:
        until(process, "ready", "front")
        with Client(place.state("front")) as client:
            assert client.submit("k", 1).result(PATIENCE) == ["one"]
            assert "2 workers" in place.tamias("scale", place.state("front"), 2).stderr
            place.tamias("reload", place.state("front"), "--set", "step=two")
            assert client.submit("k", 2).result(PATIENCE) == ["two"]
            psutil.Process(place.pool("front")).kill()
            assert client.submit("k", 3).result(PATIENCE) == ["two"]
        process.send_signal(signal.SIGTERM)
        assert told(process)[-1]["exit_code"] == 0
    with place.started("up", "all.yaml", "--json") as process:  # the file counts again
        until(process, "ready", "front")
        with Client(place.state("front")) as client:
            assert client.submit("k", 4).result(PATIENCE) == ["one"]
        process.terminate()
        assert told(process)[-1]["exit_code"] == 0


def test_a_stopped_supervisor_delays_no_pool(place: Place) -> None:
    place.deploy(place.agent("a", ["wait", *range(40)]))
    with place.started("up", "all.yaml", "--json") as process:
        wait_for(lambda: place.waits("a"))
        pool = psutil.Process(place.pool("a"))
        process.send_signal(signal.SIGSTOP)
        place.go("a")
        wait_for(lambda: is_dead(pool))
        assert place.is_exact("a")
        process.send_signal(signal.SIGCONT)
        assert told(process)[-1]["exit_code"] == 0


def test_an_interruption_ends_the_making_of_an_environment(place: Place, cache: str) -> None:
    slow_project(place.path)
    requirement = f"slowly @ file://{place.path}/slowly"
    place.deploy(
        place.agent("a", [1]).replace(
            "workers: 2", f'environment: {{requirements: ["{requirement}"]}}'
        )
    )
    with place.started("up", "all.yaml", "--json", TAMIAS_CACHE=cache) as process:
        wait_for((place.path / "marks" / "begun").exists)
        everybody = pool_of(process)
        interrupt(process)
        assert told(process)[-1]["agents"] == {"a": 130}
        wait_for(lambda: all(map(is_dead, everybody)))
    assert not place.state("a").exists()


def test_a_state_directory_in_use_is_waited_for(place: Place) -> None:
    place.deploy(place.agent("a", [1, 2, 3]))
    place.state("a").mkdir(parents=True)
    lease = Lease.acquire(place.state("a") / "launcher.lock")
    with place.started("up", "all.yaml", "--json") as process:
        record = until(process, "died", "a")
        assert "is in use by process" in record["how"]
        assert record["again_in"] > 0
        lease.close()
        assert told(process)[-1]["exit_code"] == 0
    assert place.is_exact("a")


def test_a_bad_file_is_one_error_and_nothing_is_begun(place: Place) -> None:
    place.deploy(place.agent("a", [1, 2, 3]).replace("workers", "worker"))
    before = place.everything()
    for flag in ((), ("--check",), ("--json",)):
        done = place.tamias("up", "all.yaml", *flag, code=2)
        assert done.stdout == ""
        assert "error: all.yaml, line 3: agents.a.worker: there is no such key" in done.stderr
    assert "cannot be read" in place.tamias("up", "none.yaml", code=2).stderr
    assert place.everything() == before
