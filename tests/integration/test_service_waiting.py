"""A service whose runs wait: outcomes that come later, questions, answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.moved_clock import SharedClock
from support.service.process import serving, wait_for
from tamias import Client, ServiceTimeoutError

if TYPE_CHECKING:
    from pathlib import Path

AGENT = '''
from tamias import Agent, InputEvent, OutputEvent, action


class Counter(Agent):
    """Asks, or waits, or answers at once."""

    @action(InputEvent)
    @staticmethod
    async def run(event, ctx):
        if isinstance(event.input, dict):
            event.input = await ctx.wait_for("approve", ask=event.input)
        elif event.input == "remind":
            ctx.schedule(after=60, event=InputEvent(input="later"))
        elif event.input == "fail":
            await ctx.sleep(3600)
            raise ValueError("this is trouble")
        elif event.input == "sleep":
            await ctx.sleep(3600)
        ctx.send_event(OutputEvent(output=event.input))
'''


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    return SharedClock(monkeypatch, tmp_path / "clock")


def test_outcomes_of_runs_that_wait_come_over_restarts(tmp_path: Path, moved: SharedClock) -> None:
    options = ("--set", "window=4", "--set", "service-window=4", "--set", "max-attempts=1")
    with serving(tmp_path, *options, agent=AGENT) as service:
        with Client(service.state, client_id="c") as client:
            waiting = client.submit_many(
                [("a", "sleep"), ("b", "fail"), ("a", "behind"), ("c", "sleep"), ("d", "sleep")]
            )
            wait_for(lambda: service.told()["suspended"] == 5)  # more than the window
            assert client.submit("e", "quick", timeout=30).result(30) == ["quick"]
            with pytest.raises(ServiceTimeoutError):
                waiting[0].result(0)
            assert service.told()["waiting"] == 0
        service.kill()
    with serving(tmp_path, *options, agent=AGENT) as service:
        assert service.told()["suspended"] == 5
        with Client(service.state, client_id="c") as client:
            again = client.submit_many(
                [("a", "sleep"), ("b", "fail"), ("a", "behind"), ("c", "sleep")]
            )
            client.flush()
            moved.advance(3601)
            assert [again[n].result(30) for n in (0, 2, 3)] == [["sleep"], ["behind"], ["sleep"]]
            with pytest.raises(Exception, match="ValueError: this is trouble"):
                again[1].result(30)
        wait_for(lambda: service.told()["suspended"] == 0)
        service.end()
    with (
        serving(tmp_path, *options, agent=AGENT) as service,
        Client(service.state, client_id="c") as client,
    ):
        # The outcome of the one that nobody has waited for is on record, too.
        assert client.submit("d", "sleep", sequence=5).result(30) == ["sleep"]
        service.end()
