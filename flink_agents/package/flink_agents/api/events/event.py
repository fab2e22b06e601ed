"""As `flink_agents.api.events.event` of Flink Agents."""

from tamias import Event, InputEvent, OutputEvent

__all__ = ["Event", "InputEvent", "OutputEvent"]
