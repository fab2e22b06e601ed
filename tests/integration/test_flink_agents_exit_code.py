"""How `tamias flink-agents run` ends, by what has become of a program's inputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

PROGRAM = """
    import atexit
    import os
    import signal
    import sys

    from flink_agents.api.agents.agent import Agent
    from flink_agents.api.decorators import action
    from flink_agents.api.events.event import InputEvent, OutputEvent
    from flink_agents.api.execution_environment import AgentsExecutionEnvironment


    class Echo(Agent):
        @action(InputEvent.EVENT_TYPE)
        @staticmethod
        def echo(event, ctx):
            value = InputEvent.from_event(event).input
            if value == "deadly":
                os.kill(os.getpid(), signal.SIGKILL)
            ctx.send_event(OutputEvent(output=value))


    if __name__ == "__main__":
        env = AgentsExecutionEnvironment.get_execution_environment()
        inputs = [{"key": word, "value": word} for word in ["well", sys.argv[1]]]
        outputs = env.from_list(inputs).apply(Echo()).to_list()
        env.execute()
        atexit.register(print, "the end")
        print(len(outputs))
        if sys.argv[2:3] == ["exit"]:
            sys.exit(int(sys.argv[3]))
        if sys.argv[2:]:
            raise ValueError(sys.argv[2])
"""


@pytest.mark.parametrize(
    ("words", "code", "printed"),
    [
        (["fine"], 0, "2\nthe end\n"),
        (["deadly"], 3, "1\nthe end\n"),
        (["deadly", "failed"], 1, "1\nthe end\n"),
        (["deadly", "exit", "5"], 5, "1\nthe end\n"),
        (["deadly", "exit", "0"], 3, "1\nthe end\n"),
    ],
)
def test_inputs_that_were_set_aside_are_in_the_exit_code(
    tmp_path: Path, words: list[str], code: int, printed: str
) -> None:
    (tmp_path / "program.py").write_text(dedent(PROGRAM), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("tamias"), "flink-agents", "run", "program.py", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, printed), done.stderr
