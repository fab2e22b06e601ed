"""PYTHONPATH may name the folder of installed packages, as Flink's users set it: all is found."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from textwrap import dedent

PROGRAM = """
    import sys

    from tamias import Agent, AgentsExecutionEnvironment, InputEvent, OutputEvent, action


    class Echo(Agent):
        @action(InputEvent)
        @staticmethod
        def echo(event, ctx):
            ctx.send_event(OutputEvent(output=sys.path.count(event.input)))


    if __name__ == "__main__":
        env = AgentsExecutionEnvironment.get_execution_environment()
        outputs = env.from_list([{"key": 1, "value": sys.argv[1]}]).apply(Echo()).to_list()
        env.execute()
        print(outputs)
"""


def test_workers_find_packages_in_a_folder_that_pythonpath_names(tmp_path: Path) -> None:
    packages = sysconfig.get_paths()["purelib"]
    (tmp_path / "program.py").write_text(dedent(PROGRAM), encoding="utf-8")
    known = os.environ.get("PYTHONPATH")
    done = subprocess.run(
        [sys.executable, "program.py", packages],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([packages, *([known] if known else [])])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "[{1: 1}]\n", done.stderr
