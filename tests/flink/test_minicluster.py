"""In a mini-cluster: the flights agent, inputs of all forms, and what a job brings along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support import flights
from support.flink import outputs, patient

pytest.importorskip("pyflink", reason="PyFlink is not installed: it has no wheels for this Python")

pytestmark = pytest.mark.timeout(900)

SUPPORT = Path(__file__).parents[1] / "support" / "flink"


def run(program: Path, *arguments: object) -> str:
    """What the program prints."""
    done = started(program, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def started(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program whose environment is not activated: `python` on the PATH is another one."""
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != own)
    return subprocess.run(
        [sys.executable, str(program), *map(str, arguments)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", ["table", pytest.param("stream", marks=pytest.mark.nightly)])
def test_the_flights_agent_gives_the_same_as_without_flink(tmp_path: Path, kind: str) -> None:
    data = flights.write_data(tmp_path / "data", flights.random_rows(1500, 3))
    out = tmp_path / "out"
    run(flights.EXAMPLE / "flink.py", out, "--data", data, "--from", kind, "--parallelism", 2)
    assert flights.by_key(outputs.lines(out)) == flights.expected(data)


def test_inputs_and_outputs_of_all_forms(tmp_path: Path) -> None:
    run(SUPPORT / "inputs_job.py", tmp_path)
    numbers = range(60)

    def counts(name: str) -> list[tuple[object, int]]:
        found = [(line["key"], line["count"]) for line in outputs.lines(tmp_path / name)]
        return sorted(found, key=str)

    def values(name: str) -> list[object]:
        found = [line["value"] for line in outputs.lines(tmp_path / name)]
        return sorted(found, key=str)

    def expected(key: object = lambda n: n % 7) -> list[tuple[object, int]]:
        sizes = Counter(key(n) for n in numbers)  # type: ignore[operator]
        pairs = [(key, count) for key, size in sizes.items() for count in range(1, size + 1)]
        return sorted(pairs, key=str)

    for name in ("selector", "function", "keyed", "rows"):
        assert counts(name) == expected(), name
    assert counts("keyed-rows") == expected(lambda n: f"key {n % 7}")
    # Java does what the first function would; PyFlink runs the second.
    assert counts("accessed") == expected(lambda n: f"key {n % 7}" if n % 7 else None)
    assert counts("computed") == counts("accessed")
    assert values("computed") == values("accessed")
    assert counts("table") == [pair for pair in expected() if pair[1] > 1]
    rows = sorted(({"n": n, "text": f"text {n}"} for n in numbers), key=str)
    assert values("selector") == values("keyed-rows") == rows
    assert values("function") == sorted(({"n": n} for n in numbers), key=str)
    assert values("keyed") == sorted(numbers, key=str)
    # The input has ended while runs waited.
    patient.judge(sorted(outputs.lines(tmp_path / "waiting"), key=patient.place_of), 60, 7)


def test_the_agent_has_what_the_job_brings_along(tmp_path: Path) -> None:
    found = json.loads(run(SUPPORT / "dependencies_job.py", tmp_path).splitlines()[-1])
    brought = {
        "file": "shipped",
        "wheel": "installed",
        "archive": "unpacked",
        "started by": "archive",
    }
    assert sorted(found, key=lambda told: told["n"]) == [{**brought, "n": n} for n in range(3)]


FAILING = """
import sys
from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment
from tamias import AgentsExecutionEnvironment

env = StreamExecutionEnvironment.get_execution_environment()
env.set_parallelism(1)
env.enable_checkpointing(500)
if sys.argv[1] == "interpreter":
    env.set_python_executable("/usr/bin/no-such-python")
agents = AgentsExecutionEnvironment.get_execution_environment(env=env)
stream = env.from_collection([{"n": n} for n in range(10)])
agents.from_datastream(stream, lambda value: value["n" if sys.argv[1] != "key" else "x"]).apply(
    "broken.py:Agent"
).to_datastream(Types.STRING()).print()
agents.execute()
"""


SOUND = """
import tamias

class Agent(tamias.Agent):
    @tamias.action(tamias.InputEvent)
    @staticmethod
    def act(event, ctx):
        pass
"""


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("agent", "PoolError: The pool of a task has ended: TargetError"),
        pytest.param(
            "key",
            "PoolError: A Python function of the job has failed: KeyError: 'x'",
            marks=pytest.mark.nightly,
        ),
        ("interpreter", "ConfigError: python.executable is /usr/bin/no-such-python"),
    ],
)
def test_what_cannot_start_fails_once_and_says_why(tmp_path: Path, kind: str, says: str) -> None:
    text = SOUND if kind == "key" else "import no_such_module\n"
    (tmp_path / "broken.py").write_text(text)
    program = tmp_path / "job.py"
    program.write_text(FAILING.replace("broken.py", str(tmp_path / "broken.py")))
    done = started(program, kind)
    assert done.returncode == 1
    assert says in done.stderr
    assert kind != "agent" or "No module named 'no_such_module'" in done.stderr
    assert "at org.apache.flink" not in done.stderr
