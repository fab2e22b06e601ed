"""`tamias.testing`: agents inside tests, with a clock that is moved and models that are scripted.

All of it is in `docs/testing.md`, with examples.
"""

from .launcher.testing.agent_test import AgentTest
from .launcher.testing.in_process import AgentRun, FailedInput, run_agent
from .launcher.testing.moved_clock import Clock
from .launcher.testing.observer import SentEvent, SetTimer
from .launcher.testing.scripted import AskedModel, ScriptedChatModel, asks_for_tool
from .worker.intercepting.interceptor import MadeCall

__all__ = [
    "AgentRun",
    "AgentTest",
    "AskedModel",
    "Clock",
    "FailedInput",
    "MadeCall",
    "ScriptedChatModel",
    "SentEvent",
    "SetTimer",
    "asks_for_tool",
    "run_agent",
]
