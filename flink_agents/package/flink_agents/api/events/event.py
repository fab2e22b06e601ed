"""As `flink_agents.api.events.event` of Flink Agents."""

from tamias import Event, InputEvent, OutputEvent
from tamias.flink_agents.event_form import use_event_form

__all__ = ["Event", "InputEvent", "OutputEvent"]

use_event_form()
