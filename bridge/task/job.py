"""The job of a launcher under a Flink task: its first message."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any

from ...agent.config.configuration import Configuration
from ...agent.config.options import PoolOptions
from ...agent.errors import BridgeError
from ...launcher.jobs.agent_spec import AgentSpec


@dataclass(frozen=True, slots=True)
class PoolJob:
    """A pool's job; the Flink program writes most of it, the task adds the rest."""

    name: str
    """The agent's identity."""
    state: str
    """The state directory, on the task manager's local disk."""
    first_group: int
    last_group: int
    """The key groups whose keys the task gets, both included."""
    step: int
    """The distance between the offsets of two inputs of the task: the number of tasks."""
    agent: str | None = None
    """The agent with its resources, pickled, base64."""
    target: str | None = None
    """Or its name: `package.module:name` or `file.py:name`."""
    codec: str = "pickle-value"
    """How outputs are encoded."""
    input_codec: str = "pickle"
    """How values of inputs are decoded: all of them are pickles."""
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    sys_path: list[str] = field(default_factory=list)
    """Where the agent's modules are."""
    flink: dict[str, Any] = field(default_factory=dict)
    """The task: `job`, `vertex`, `task`, `subtask` of `subtasks`, and the `url` of its page."""

    def agent_spec(self) -> AgentSpec:
        """The agent, as a job describes it to its workers."""
        return AgentSpec(
            self.name,
            target=self.target,
            pickled=self.agent,
            config=self.config,
            on_error=Configuration(self.config).get(PoolOptions.ON_ERROR) or "fail",
            sys_path=self.sys_path,
            environment=self.environment,
        )

    @classmethod
    def decode(cls, body: bytes) -> PoolJob:
        """From JSON; fields that this version does not know are ignored.

        Raises:
            BridgeError: parts are missing.
        """
        known = {column.name for column in fields(cls)}
        try:
            return cls(**{key: value for key, value in json.loads(body).items() if key in known})
        except (TypeError, ValueError, AttributeError) as error:
            raise BridgeError(
                f"The Flink task has sent no job that this version of tamias knows: {error}.",
                hint="Use the same version of tamias in the program and on the task managers.",
            ) from None
