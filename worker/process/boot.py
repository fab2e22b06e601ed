"""The messages with which a launcher starts its workers.

`Boot` is the same for all workers of a generation and is sent to its zygote once; `Assignment` is
one incarnation of one slot. Both are sent as JSON over the zygote's control socket. The only pickle
in them is the agent, where the program has it as an object: it is sent from the launcher to a
worker, never the other way.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ...agent.config.configuration import Configuration
from ...agent.plan import AgentPlan
from ...store.encoding.main_classes import dumps_by_value
from ...store.encoding.moved_classes import loads_pickle
from ..importing.target_loader import load_target

if TYPE_CHECKING:
    from ...agent.agent import Agent
    from ...agent.resources.resource import ResourceType
    from ...store.shard.shard import Durability


@dataclass(frozen=True, slots=True)
class Boot:
    """Settings that all workers of a generation share."""

    parent: int
    """The launcher's process id: workers and zygotes die with it."""
    address: str
    """Where the launcher listens; its form says by which transport."""
    state: str
    """The state directory."""
    store: str
    """The identity of the store in it."""
    shards: int
    durability: Durability
    on_error: str
    input_codec: str
    output_codec: str
    config: dict[str, Any]
    target: str | None = None
    """`package.module:name` or `file.py:name`; None when `agent` carries the agent."""
    agent: str | None = None
    """The pickled agent and its environment's resources, base64."""
    sys_path: list[str] = field(default_factory=list)
    """Appended to the zygote's `sys.path`, so that it finds the launcher's modules, too."""
    scratch: str | None = None
    """A temporary state directory to delete if the launcher dies."""
    generation: int = 0
    """The number of this code and configuration, in the life of the state directory."""

    def encode(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Boot:
        """Inverse of `encode`."""
        return cls(**json.loads(line))

    def compile(self) -> AgentPlan:
        """Import or unpickle the agent and compile it.

        Raises:
            TargetError: the agent does not import.
            AgentDefinitionError: it does not compile.
        """
        config = Configuration(self.config)
        if self.agent is None:
            plan = AgentPlan.compile(load_target(self.target or ""), config)
        else:
            agent, resources = loads_pickle(base64.b64decode(self.agent))
            plan = AgentPlan.compile(agent, config, resources)
        plan.check_handles_input()
        return plan


def pack_agent(agent: Agent | type[Agent], resources: dict[ResourceType, dict[str, Any]]) -> str:
    """Pickle an agent object for `Boot.agent`; classes of `__main__` are pickled by value."""
    return base64.b64encode(dumps_by_value((agent, resources))).decode()


@dataclass(frozen=True, slots=True)
class Assignment:
    """One incarnation of one slot."""

    slot: int
    incarnation: int
    identity: str
    """Routing id, hex: random, so that no other process can send messages as this worker."""
    shards: list[int]
    """The shards that it acquires at the start."""
