"""Programs of Flink Agents whose workers die: their outputs are those of a run without deaths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

PACKAGE = Path(__file__).parents[2] / "flink_agents" / "package"

HEAD = """
    import json
    import os
    import signal
    import sys
    from pathlib import Path

    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.decorators import action, tool
    from flink_agents.api.events.event import Event, InputEvent, OutputEvent
    from flink_agents.api.execution_environment import AgentsExecutionEnvironment
    from flink_agents.api.resource import ResourceType


    def die_once(value):
        mark = Path("dead", f"{value}")
        if DEATH and value % 40 == 17 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), DEATH)


    DEATH = int(sys.argv[1])
"""

OF_0_2 = """
    class Added(Event):
        value: int


    class Counter(Agent):
        @tool
        @staticmethod
        def double(value: int) -> int:
            die_once(value)
            return 2 * value

        @action(InputEvent)
        @staticmethod
        def add(event, ctx):
            total = (ctx.short_term_memory.get("count.total") or 0) + 1
            ctx.short_term_memory.set("count.total", total)
            ctx.send_event(Added(value=event.input))

        @action(Added)
        @staticmethod
        def tell(event, ctx):
            doubled = ctx.get_resource("double", ResourceType.TOOL).call(value=event.value)
            total = ctx.short_term_memory.get("count.total")
            ctx.send_event(OutputEvent(output=[total, event.value, doubled]))
"""

SINCE_0_3 = """
    class Counter(Agent):
        @tool
        @staticmethod
        def double(value: int) -> int:
            die_once(value)
            return 2 * value

        @action(InputEvent.EVENT_TYPE)
        @staticmethod
        def add(event, ctx):
            total = (ctx.short_term_memory.get("count.total") or 0) + 1
            place = ctx.short_term_memory.set("count.total", total)
            value = InputEvent.from_event(event).input
            ctx.send_event(Event(type="added", attributes={"value": value, "place": place}))

        @action("added")
        @staticmethod
        def tell(event, ctx):
            value = event.get_attr("value")
            doubled = ctx.get_resource("double", ResourceType.TOOL).call(value=value)
            total = ctx.short_term_memory.get(event.get_attr("place"))
            ctx.send_event(OutputEvent(output=[total, value, doubled]))
"""

TAIL = """
    if __name__ == "__main__":
        Path("dead").mkdir(exist_ok=True)
        env = AgentsExecutionEnvironment.get_execution_environment()
        inputs = [{"key": f"k{n % 7}", "value": n} for n in range(200)]
        outputs = env.from_list(inputs).apply(Counter()).to_list()
        env.execute()
        print(json.dumps([len(list(Path("dead").iterdir())), outputs]))
"""


def _run(folder: Path, dialect: str, death: int) -> tuple[int, list[dict[str, list[int]]]]:
    done = subprocess.run(
        [sys.executable, "program.py", str(death)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "TAMIAS_FLINK_AGENTS": dialect},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    deaths, outputs = json.loads(done.stdout)
    return deaths, outputs


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "death"), [("0.2", 11), ("0.3", 9), ("0.4", 11)])
def test_outputs_are_the_same_when_workers_die(tmp_path: Path, dialect: str, death: int) -> None:
    parts = (HEAD, OF_0_2 if dialect == "0.2" else SINCE_0_3, TAIL)
    text = "\n".join(dedent(part) for part in parts)
    (tmp_path / "program.py").write_text(text, encoding="utf-8")
    quiet, outputs = _run(tmp_path, dialect, 0)
    deaths, found = _run(tmp_path, dialect, death)
    assert (quiet, deaths) == (0, 5)
    assert len(found) == 200
    for key in {key for each in outputs for key in each}:
        wanted = [each[key] for each in outputs if key in each]
        assert [each[key] for each in found if key in each] == wanted
