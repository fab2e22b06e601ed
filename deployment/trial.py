"""Imports an agent and compiles it, in a process of its own: for `tamias up --check`.

What the agent's modules print is dropped. The result is the last line of standard output: JSON,
null or an error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from ..agent.config.configuration import Configuration
from ..agent.errors import TargetError
from ..agent.failures.error_json import error_from_json, error_to_json
from ..agent.plan import AgentPlan
from ..environments.launch import Launch
from ..worker.importing.guard import importing_agent
from ..worker.importing.target_loader import load_target

if TYPE_CHECKING:
    from ..agent.errors import TamiasError

TRIAL_SECONDS: Final = 120.0
"""The longest that the import may take."""


def main() -> None:
    """Compile the agent that standard input describes."""
    request = json.load(sys.stdin)
    result = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        with importing_agent(request["target"]):
            agent = load_target(request["target"])
        AgentPlan.compile(agent, Configuration(request["config"])).check_handles_input()
        error = None
    except BaseException as raised:  # noqa: BLE001 (user code may raise anything)
        error = error_to_json(raised)
    os.write(result, json.dumps(error).encode())
    os._exit(0)  # threads that the agent has started must not keep it


class Trial:
    """A process that imports an agent.

    Args:
        target: as for any job.
        folder: where its modules are looked for, and the working directory.
        config: the agent's settings.
        launch: the interpreter; None for this one.
    """

    def __init__(
        self, target: str, folder: str, config: dict[str, Any], launch: Launch | None
    ) -> None:
        launch = launch or Launch.own()
        self._request = json.dumps({"target": target, "config": config})
        self._process = subprocess.Popen(
            launch.command(f"{__name__}:main", folders=[folder]),
            cwd=launch.folder or folder,
            env=launch.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def result(self) -> TamiasError | None:
        """Wait for its end; return the error of the import, None if there is none."""
        try:
            printed, _ = self._process.communicate(self._request, TRIAL_SECONDS)
        except subprocess.TimeoutExpired:
            return TargetError(f"Its import has not ended after {TRIAL_SECONDS:g} s.")
        finally:
            self._process.kill()
            self._process.wait()
        if not printed:
            code = self._process.returncode
            return TargetError(f"Its import has ended the interpreter (exit status {code}).")
        error = json.loads(printed)
        return None if error is None else error_from_json(error, otherwise=TargetError)
