"""What clients get of runs that are under way, as the sessions decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.launcher.streams.text_streams import TextStreams
from tamias.service.protocol import frames
from tamias.service.server.live_texts import LIVE_FRAMES, LiveTexts
from tamias.service.server.request_log import RequestLog
from tamias.service.server.sessions import Limits, Sessions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NONCE = b"12345678"
PEER = (0, b"peer")


class Server:
    """A server without sockets and pool."""

    def __init__(self, log: RequestLog) -> None:
        self.log = log
        self.streams = TextStreams(lambda: None)
        self.sessions = Sessions(log, Limits(), LiveTexts(self.streams))
        self.receive(frames.pack_hello(NONCE, 1, 1, "me", anonymous=False))

    def receive(self, frame: bytes) -> None:
        """Process a frame, and record what it asks for."""
        self.sessions.receive(PEER, "", frame)
        batch = self.sessions.next_batch()
        if batch:
            self.sessions.live.expect(self.log.following + index for index in batch.streamed)
            first = self.log.record(batch.entries, batch.floors, batch.leaving)
            self.sessions.recorded(batch, first)
        self.sessions.out.clear()

    def submit(self, sequence: int, *, streamed: bool) -> None:
        """Submit an input."""
        values = [b"%d" % sequence]
        self.receive(frames.pack_submit(NONCE, [sequence], [b"sa"], values, streamed=streamed))

    def write(self, offset: int, text: str = "x") -> list[frames.Answer]:
        """Let a call write; return what is sent."""
        self.streams.receive({"parts": [[offset, 0, 0, 1, 1, 1, text, ""]]})
        self.sessions.send_live()
        sent = [frames.unpack_answer(frame) for _, frame in self.sessions.out]
        self.sessions.out.clear()
        return sent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    log = RequestLog.open(tmp_path / "intake", sync=False)
    yield Server(log)
    log.close()


def test_only_those_who_have_asked_get_something(server: Server) -> None:
    server.submit(1, streamed=False)
    server.submit(2, streamed=True)
    assert server.write(0) == []
    body = b'{"parts":[[0,0,1,1,1,"x",""]]}'
    assert server.write(1) == [frames.Query(b"L", NONCE, 2, body)]


def test_nothing_is_sent_behind_the_outcome(server: Server) -> None:
    server.submit(1, streamed=True)
    server.sessions.answered([0])
    assert server.write(0) == []


def test_a_client_that_comes_back_asks_again(server: Server) -> None:
    server.submit(1, streamed=True)
    server.receive(frames.pack_hello(NONCE, 1, 2, "me", anonymous=False))
    assert server.write(0) == []
    server.submit(1, streamed=True)
    assert len(server.write(0)) == 1


def test_a_client_that_does_not_read_gets_no_more_than_so_much(server: Server) -> None:
    server.submit(1, streamed=True)
    sent = sum(len(server.write(0)) for _ in range(3 * LIVE_FRAMES))
    assert sent == LIVE_FRAMES
    server.receive(frames.pack_count(b"K", NONCE, 10))
    assert sum(len(server.write(0)) for _ in range(3 * LIVE_FRAMES)) == 10
    server.receive(frames.pack_count(b"P", NONCE, 1))  # of all these, none counts
    assert server.sessions.count == 1
