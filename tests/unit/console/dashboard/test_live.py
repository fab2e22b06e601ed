from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from support.console.dashboards import make_state
from tamias.console.dashboard.history import MOST, History
from tamias.console.dashboard.jobs import ShownJobs
from tamias.console.dashboard.live import MOST_STREAMS, EventStream, LiveFeed
from tamias.store.state.layout import StateLayout

if TYPE_CHECKING:
    from pathlib import Path


def status(at: float, *, running: bool = True, cpu: float = 0.0, pid: int = 5) -> dict[str, Any]:
    worker = {
        "pid": pid,
        "in_flight": 3,
        "active": 1,
        "waiting": 4,
        "usage": {"rss": 1000, "cpu_user": cpu, "cpu_system": cpu},
    }
    return {"at": at, "running": running, "rate": 7.0, "workers": [worker, {**worker, "pid": None}]}


class TestHistory:
    def test_points_are_sums_over_workers_and_cpu_is_what_was_spent_between(self) -> None:
        history = History()
        history.add(status(100.0, cpu=10.0))
        history.add(status(102.0, cpu=11.0))
        columns = history.to_json()
        assert columns["at"] == [100.0, 102.0]
        assert columns["rate"] == [7.0, 7.0]
        assert columns["in_flight"] == [6.0, 6.0]
        assert columns["waiting"] == [12.0, 12.0]
        assert columns["rss"] == [2000.0, 2000.0]
        assert columns["cpu"] == [None, 1.0]

    def test_a_worker_that_was_replaced_takes_no_cpu_back(self) -> None:
        history = History()
        history.add(status(100.0, cpu=50.0, pid=5))
        history.add(status(102.0, cpu=1.0, pid=6))
        assert history.to_json()["cpu"] == [None, None]

    def test_a_point_comes_every_two_seconds_and_rest_leaves_one_gap(self) -> None:
        history = History()
        for at in (100.0, 101.0, 102.0):
            history.add(status(at))
        for at in (104.0, 106.0):
            history.add(status(at, running=False))
        history.add(status(200.0))
        columns = history.to_json()
        assert columns["at"] == [100.0, 102.0, 104.0, 200.0]
        assert columns["rate"] == [7.0, 7.0, None, 7.0]

    def test_it_is_bounded(self) -> None:
        history = History()
        for number in range(2 * MOST):
            history.add(status(2.0 * number))
        columns = history.to_json()
        assert {len(column) for column in columns.values()} == {MOST}
        assert columns["at"][-1] == 2.0 * (2 * MOST - 1)


class TestFeed:
    def test_a_browser_that_takes_nothing_has_the_latest_message_only(self, tmp_path: Path) -> None:
        state = make_state(tmp_path / "s")

        async def look() -> list[bytes]:
            feed = LiveFeed(ShownJobs([state]), every=0.01)
            place = feed.subscribe("0")
            assert place is not None
            running = asyncio.ensure_future(feed.run())
            messages = [await place.get()]
            for number in (1, 2):
                StateLayout(state).status.write_text(json.dumps({"events": number}))
                before = feed.samples
                while feed.samples < before + 2:  # noqa: ASYNC110 (it is not told of samples)
                    await asyncio.sleep(0.01)
            messages.append(place.get_nowait())
            assert place.empty()
            running.cancel()
            return messages

        first, last = asyncio.run(look())
        assert first.startswith(b"event: status\ndata: {")
        assert b'"events":2' in last

    def test_a_job_that_has_vanished_is_said_to_be_gone(self, tmp_path: Path) -> None:
        state = make_state(tmp_path / "s")

        async def look() -> bytes:
            jobs = ShownJobs([state])
            state.rename(tmp_path / "elsewhere")
            feed = LiveFeed(jobs)
            place = feed.subscribe("0")
            assert place is not None
            running = asyncio.ensure_future(feed.run())
            message = await place.get()
            running.cancel()
            return message

        assert asyncio.run(look()).startswith(b"event: gone\n")

    def test_there_are_so_many_browsers_at_most(self, tmp_path: Path) -> None:
        feed = LiveFeed(ShownJobs([make_state(tmp_path / "s")]))

        async def fill() -> None:
            places = [feed.subscribe("0") for _ in range(MOST_STREAMS)]
            assert None not in places
            assert feed.subscribe("0") is None
            feed.unsubscribe("0", places[0])  # type: ignore[arg-type]
            assert feed.subscribe("0") is not None

        asyncio.run(fill())

    def test_a_stream_ends_with_its_browser_and_gives_its_place_back(self, tmp_path: Path) -> None:
        feed = LiveFeed(ShownJobs([make_state(tmp_path / "s")]))

        async def listen() -> list[dict[str, Any]]:
            place = feed.subscribe("0")
            assert place is not None
            place.put_nowait(b"event: status\ndata: {}\n\n")
            sent: list[dict[str, Any]] = []
            disconnected = asyncio.Event()

            async def receive() -> dict[str, Any]:
                await disconnected.wait()
                return {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                sent.append(message)
                if message["type"] == "http.response.body":
                    disconnected.set()

            await EventStream(feed, "0", place)({}, receive, send)
            return sent

        sent = asyncio.run(listen())
        assert [message["type"] for message in sent][:2] == [
            "http.response.start",
            "http.response.body",
        ]
        assert feed.streams == 0
