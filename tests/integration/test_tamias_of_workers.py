"""Workers have the tamias of their launcher, wherever that has found it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.house.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import tamias
from tamias import Agent, AgentsExecutionEnvironment, InputEvent, OutputEvent, action


class Where(Agent):
    @action(InputEvent)
    @staticmethod
    def act(event, ctx):
        import tamias.worker.wire
        ctx.send_event(OutputEvent(output=tamias.worker.wire.__file__))


if __name__ == "__main__":
    import json
    env = AgentsExecutionEnvironment.get_execution_environment()
    env.get_config().set_str("start-method", "{method}")
    outputs = env.from_list([{"key": "k", "value": 1}]).apply(Where()).to_list()
    env.execute()
    print(json.dumps([tamias.__file__, outputs[0]["k"]]))
"""


@pytest.mark.parametrize("method", ["zygote", "spawn"])
def test_a_tamias_of_pythonpath_is_that_of_the_workers_too(tmp_path: Path, method: str) -> None:
    """Beside another one that is installed, which would be found without PYTHONPATH."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "tamias").symlink_to(ROOT, target_is_directory=True)
    (tmp_path / "program.py").write_text(PROGRAM.replace("{method}", method))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    launcher, worker = json.loads(done.stdout.splitlines()[-1])
    assert launcher == str(folder / "tamias" / "__init__.py")
    assert worker == str(folder / "tamias" / "worker" / "wire.py")
