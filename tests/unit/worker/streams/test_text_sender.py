"""A worker sends what calls write: collected, bounded, and only where it is wanted."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from tamias.worker import wire
from tamias.worker.streams import text_sender
from tamias.worker.streams.text_sender import TextSender

if TYPE_CHECKING:
    import pytest

    from tamias.worker.runs.run import Run


def run_of(offset: int | None, step: int = 0) -> Run:
    """As much of a run as a stream needs."""
    writer = SimpleNamespace(shard=SimpleNamespace(epoch=4))
    run = SimpleNamespace(origin=offset, step=step, lane=SimpleNamespace(writer=writer))
    return cast("Run", run)


def collected(*, wanted: list[int]) -> tuple[TextSender, list[list[Any]]]:
    """A sender, and the parts that it has sent."""
    parts: list[list[Any]] = []
    sender = TextSender(
        asyncio.get_running_loop(), lambda message: parts.extend(wire.unpack(message)["parts"])
    )
    sender.change(want=wanted, forget=[], all=False)
    return sender, parts


def test_only_calls_of_wanted_inputs_have_streams() -> None:
    async def main() -> None:
        sender, _ = collected(wanted=[1, 2, 3])
        sender.change(want=[5], forget=[1], all=False)
        wanted = [n for n in range(7) if sender.of_call(run_of(n), 0) is not None]
        assert wanted == [2, 3, 5]
        assert sender.of_call(run_of(None), 0) is None
        sender.change(want=[6], forget=[], all=True)
        assert [n for n in range(7) if sender.of_call(run_of(n), 0) is not None] == [6]

    asyncio.run(main())


def test_what_is_written_at_once_is_one_part_with_its_place() -> None:
    async def main() -> None:
        sender, parts = collected(wanted=[9])
        call = sender.of_call(run_of(9, step=2), 5)
        assert call is not None
        first = call.attempt()
        first.write("a")
        first.write("b")
        first.write(reasoning="c")
        sender.flush()
        second = call.attempt()
        second.write("d")
        sender.flush()
        assert parts == [
            [9, 2, 5, 4, 1, 1, "a", ""],
            [9, 2, 5, 4, 1, 2, "b", "c"],
            [9, 2, 5, 4, 2, 1, "d", ""],
        ]

    asyncio.run(main())


def test_what_waits_is_sent_without_another_write() -> None:
    async def main() -> None:
        sent: asyncio.Queue[str] = asyncio.Queue()
        sender = TextSender(
            asyncio.get_running_loop(),
            lambda message: sent.put_nowait(wire.unpack(message)["parts"][0][6]),
        )
        sender.change(want=[9], forget=[], all=False)
        call = sender.of_call(run_of(9), 0)
        assert call is not None
        await asyncio.to_thread(call.write, "from a thread")
        call.write(" and more")
        assert [await sent.get(), await sent.get()] == ["from a thread", " and more"]

    asyncio.run(main())


def test_of_too_much_the_rest_of_an_attempt_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_sender, "MOST_CHARACTERS", 10)
    monkeypatch.setattr(text_sender, "FLUSH_SECONDS", 1000.0)

    async def main() -> None:
        sender, parts = collected(wanted=[9])
        call = sender.of_call(run_of(9), 0)
        assert call is not None
        attempt = call.attempt()
        attempt.write("a")
        for text in ("12345", "67890", "more", "x"):
            attempt.write(text)
        sender.flush()
        attempt.write("still dropped")
        call.attempt().write("new")
        sender.flush()
        assert "".join(part[6] for part in parts) == "a1234567890new"

    asyncio.run(main())
