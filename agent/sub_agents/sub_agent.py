"""`SubAgent`: an agent as a tool of another.

The model of the outer agent calls it like any tool, several at once if it likes. The sub-agent runs
inside that call, in the key of its caller: what it does durably is on record there, so it is as
exact as the outer agent, and an approval that one of its tools needs suspends the outer run.
"""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, Field, PrivateAttr

from ..config.configuration import Configuration
from ..errors import AgentDefinitionError, ResourceNotFoundError, RunError
from ..event import InputEvent
from ..naming.classes import is_subclass
from ..naming.public import public
from ..plan import AgentPlan
from ..resources.registry import ResourceRegistry
from ..tools.metadata import ToolMetadata, ToolType
from ..tools.tool import Tool
from .inner_run import InnerRun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..context import RunnerContext
    from ..resources.provider import ResourceProvider
    from ..resources.resource import Resource, ResourceType

__all__ = ["SubAgent"]

DEEPEST: Final = 8
"""So many agents may be inside one another."""


@public
class SubAgent(Tool):
    """An agent that a model may call as a tool.

    Its outputs are the result: the only one, or a list of several.

    Args:
        agent: the agent, or its class.
        name: the name a model calls it by.
        description: what it is good for, in words for a model.
        input: a pydantic model: the arguments that a model gives, and the sub-agent's input. None:
            the input is a text.
        memory: "own", a part of the key's memory that only this sub-agent sees and that lasts from
            call to call; or "shared", all of the key's memory.
        settings: how it is called: an approval, a time limit.

    Raises:
        AgentDefinitionError: the agent is declared in a way that cannot run, or no action of it
            listens to inputs.
    """

    runs_in_action = True

    agent: Any = Field(exclude=True, repr=False)
    input: Any = Field(default=None, exclude=True, repr=False)
    memory: Literal["own", "shared"] = "own"

    _config: Configuration = PrivateAttr(default_factory=Configuration)
    _made: tuple[AgentPlan, ResourceRegistry] | None = PrivateAttr(default=None)

    def __init__(self, *, agent: Any, name: str, description: str = "", **data: Any) -> None:
        if not name or "." in name:
            msg = f"{name!r} is given as the name of a sub-agent."
            raise AgentDefinitionError(msg, hint="A name is a text without dots.")
        model = data.get("input")
        if model is not None and not is_subclass(model, BaseModel):
            msg = f"The input of the sub-agent {name!r} is {model!r}, which is no pydantic model."
            raise AgentDefinitionError(msg, hint="Leave it out: then the input is a text.")
        AgentPlan.compile(agent).check_handles_input()
        metadata = ToolMetadata(
            name=name, description=description, args_schema=_TextInput if model is None else model
        )
        super().__init__(metadata=metadata, agent=agent, **data)

    @classmethod
    def tool_type(cls) -> ToolType:
        """`ToolType.AGENT`."""
        return ToolType.AGENT

    def provided(self, name: str, config: Configuration) -> None:
        """Keep the settings of the job, for the agent's resources."""
        super().provided(name, config)
        self._config = config

    def _plan(self) -> tuple[AgentPlan, ResourceRegistry]:
        """The agent's plan and resources, made once in each worker."""
        with _MAKING:
            if self._made is None:
                plan = AgentPlan.compile(self.agent, self._config)
                resources = _InnerResources(plan.providers, self._config, self)
                self._made = plan, resources
            return self._made

    def call(self, *_: Any, **__: Any) -> Any:
        """Refuse: it needs the context of an action. Raises RunError."""
        raise RunError(
            f"The sub-agent {self.name!r} was called directly.",
            hint="Call it with call_tools(ctx, ...), or let a model call it.",
        )

    async def run(self, ctx: RunnerContext, call_id: str, arguments: dict[str, Any]) -> Any:
        """Run the agent over one input.

        Raises:
            SubAgentError: an action has failed.
            RunError: too many agents are inside one another.
        """
        plan, resources = self._plan()
        run = InnerRun(
            self.name, call_id, ctx, plan, resources, shares_memory=self.memory == "shared"
        )
        if run.depth > DEEPEST:
            raise RunError(
                f"The sub-agent {self.name!r} is inside of {DEEPEST} others.",
                hint="Do agents call each other in a circle?",
            )
        given = arguments["input"] if self.input is None else self.input(**arguments)
        limit = self.timeout
        await asyncio.wait_for(run.perform(InputEvent(input=given)), limit)
        return run.outputs[0] if len(run.outputs) == 1 else run.outputs or None

    def close(self) -> None:
        """Close the agent's resources."""
        made, self._made = self._made, None
        if made is not None:
            made[1].close()

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        private = dict(state.get("__pydantic_private__") or {})
        private.update(_made=None)
        return {**state, "__pydantic_private__": private}


_MAKING: Final = Lock()


class _TextInput(BaseModel):
    """The argument of a sub-agent whose input is a text."""

    input: str = Field(description="What it is to do, with all that it has to know.")


class _InnerResources(ResourceRegistry):
    """The resources of a sub-agent, and behind them those of the agent that has it as a tool."""

    __slots__ = ("_tool",)

    def __init__(
        self,
        providers: Mapping[ResourceType, Mapping[str, ResourceProvider]],
        config: Configuration,
        tool: SubAgent,
    ) -> None:
        super().__init__(providers, config)
        self._tool = tool

    def get(self, name: str, kind: ResourceType) -> Resource:
        """The sub-agent's resource, or else the outer agent's."""
        outer = self._tool.get_resource
        if outer is None or self.has(name, kind):
            return super().get(name, kind)
        try:
            return outer(name, kind)
        except ResourceNotFoundError:
            return super().get(name, kind)  # which says what it has
