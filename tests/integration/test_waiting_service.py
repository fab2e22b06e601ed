"""Runs of a service that wait: the client gets the outcome when they have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.service.process import serving
from tamias import Client, SubmissionFailedError

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
from tamias import Agent, InputEvent, OutputEvent, action

class Counter(Agent):
    @action(InputEvent)
    @staticmethod
    async def run(event, ctx):
        await ctx.sleep(event.input)
        if event.input == 0.7:
            raise ValueError("too late")
        ctx.send_event(OutputEvent(output=event.input))
"""


def test_a_client_gets_the_outcome_of_a_run_that_has_waited(tmp_path: Path) -> None:
    options = ("--set", "suspend-after=0.05", "--set", "max-attempts=1")
    with (
        serving(tmp_path, *options, agent=AGENT) as service,
        Client(service.state) as client,
    ):
        slow = client.submit("a", 0.6)
        behind = client.submit("a", 0)
        others = client.submit_many((f"k{n}", 0) for n in range(50))
        fails = client.submit("b", 0.7)
        assert [other.result() for other in others] == [[0]] * 50
        assert slow.result() == [0.6]
        assert behind.result() == [0]
        with pytest.raises(SubmissionFailedError, match="too late"):
            fails.result()
