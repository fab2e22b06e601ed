"""As `flink_agents.runtime.local_runner` of Flink Agents: an agent in this process, for tests.

It is `tamias.testing` behind: the same engine and store as everywhere. For new tests, that is what
to use.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import finalize

from tamias import Agent, Configuration, TamiasError
from tamias.testing import run_agent

from ..api.function import JavaFunction

__all__ = ["LocalRunner", "LocalRunnerContext", "NoJvmError"]


class NoJvmError(TamiasError, RuntimeError):
    """An action in Java cannot be executed, as there is no JVM."""


class LocalRunner:
    """Runs an agent over one input at a time; its memory is kept between them."""

    def __init__(self, agent: Agent, config: Configuration) -> None:
        self._agent = agent
        self._config = config
        self._inputs: list[dict[str, Any]] = []
        self._outputs: list[dict[Any, Any]] = []
        self._state = tempfile.mkdtemp(prefix="tamias-local-runner-")
        finalize(self, shutil.rmtree, self._state, ignore_errors=True)

    def run(self, key: Any = None, value: Any = None, **_: Any) -> Any:
        """Run the agent over an input; returns its key.

        Raises:
            RuntimeError: an action is written in Java.
        """
        for name, action in self._agent.actions.items():
            if isinstance(action[1], JavaFunction):
                msg = f"The action {name!r} is in Java, and there is no JVM resource adapter."
                raise NoJvmError(msg, hint="Write the action in Python.")
        self._inputs.append({"key": key, "value": value})  # those of before are not run again
        state = Path(self._state) / "state"
        done = run_agent(self._agent, self._inputs, state=state, config=self._config.data)
        self._outputs += done.outputs[len(self._outputs) :]
        return key

    def get_outputs(self) -> list[dict[Any, Any]]:
        """All outputs so far, each as ``{key: output}``."""
        return list(self._outputs)


class LocalRunnerContext:
    """Gives actions of the local runner durable calls, which are made and not recorded."""

    def durable_execute(
        self,
        func: Callable[..., Any],
        *args: Any,
        reconciler: Callable[[], Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a function; nothing is recovered, so the reconciler is not asked."""
        del reconciler
        return func(*args, **kwargs)

    async def durable_execute_async(
        self,
        func: Callable[..., Any],
        *args: Any,
        reconciler: Callable[[], Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call a function, awaited."""
        del reconciler
        return func(*args, **kwargs)
