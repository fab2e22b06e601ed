"""What arrives of streams waits for its reader, within limits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tamias.launcher.streams import text_streams
from tamias.launcher.streams.text_streams import TextStreams
from tamias.worker import wire

if TYPE_CHECKING:
    import pytest


def parts(*offsets: int, text: str = "abc") -> dict[str, Any]:
    return {"parts": [[offset, 0, 0, 1, 1, 1, text, ""] for offset in offsets]}


def test_only_what_is_wanted_is_kept() -> None:
    woken: list[int] = []
    streams = TextStreams(lambda: woken.append(1))
    streams.want([1, 2])
    streams.forget([2, 3])
    streams.receive(parts(1, 2, 3))
    assert [part.offset for part in streams.take()] == [1]
    assert streams.take() == []
    assert woken == [1]


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_streams, "MOST_CHARACTERS", 7)
    streams = TextStreams(lambda: None)
    streams.want([1])
    for _ in range(5):
        streams.receive(parts(1))
    assert len(streams.take()) == 2
    streams.receive(parts(1))
    assert len(streams.take()) == 1


class Transport:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, dict[str, Any]]] = []

    def send(self, identity: bytes, message: bytes) -> None:
        """Send a message."""
        assert message[:1] == wire.WANTED
        self.sent.append((identity, wire.unpack(message)))


def worker(name: bytes, *, ready: bool = True, streams: bool = True) -> Any:
    """As much of a worker's handle as streams need."""
    return SimpleNamespace(identity=name, ready=ready, streams=streams, knows_streams=False)


def test_workers_are_told_what_has_changed_and_new_ones_all() -> None:
    streams = TextStreams(lambda: None)
    transport: Any = Transport()
    old, late, first = worker(b"old", streams=False), worker(b"late", ready=False), worker(b"first")
    registry: Any = [old, late, first]
    streams.want([1, 2])
    streams.announce(registry, transport)
    assert transport.sent == [(b"first", {"want": [1, 2], "forget": [], "all": True})]
    transport.sent.clear()
    streams.announce(registry, transport)
    assert transport.sent == []
    streams.want([3])
    streams.forget([1])
    late.ready = True
    streams.announce(registry, transport)
    assert transport.sent == [
        (b"late", {"want": [2, 3], "forget": [], "all": True}),
        (b"first", {"want": [3], "forget": [1], "all": False}),
    ]
