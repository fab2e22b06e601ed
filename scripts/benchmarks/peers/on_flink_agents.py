"""Flink Agents: its own runner for local execution, which keeps everything in memory.

Its runtime on Flink needs Java archives that are not in Python's package index. One mode, `local`.
"""

from pathlib import Path

from contract import Adapter, Output, inputs, main
from flink_agents.api.agents.agent import Agent
from flink_agents.api.decorators import action
from flink_agents.api.events.event import Event, InputEvent, OutputEvent
from flink_agents.api.execution_environment import AgentsExecutionEnvironment
from flink_agents.api.runner_context import RunnerContext


class Counter(Agent):  # type: ignore[misc]  # a stranger to mypy
    """The agent: read the state, add, emit."""

    @action(InputEvent.EVENT_TYPE)
    @staticmethod
    def count(event: Event, ctx: RunnerContext) -> None:
        """Count one."""
        total = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", total)
        ctx.send_event(
            OutputEvent(output={"value": InputEvent.from_event(event).input, "count": total})
        )


class OnFlinkAgents(Adapter):
    """A list in, a list out."""

    def run(self, folder: Path, mode: str) -> None:
        """As `Adapter.run`."""
        del mode
        output = Output(folder)
        env = AgentsExecutionEnvironment.get_execution_environment()
        given = [{"key": key, "value": value} for key, value in inputs(folder)]
        found = env.from_list(given).apply(Counter()).to_list()
        env.execute()
        output.write([{"key": key, **one} for pair in found for key, one in pair.items()])


if __name__ == "__main__":
    main(OnFlinkAgents())
