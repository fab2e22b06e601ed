"""The streams of submissions: which clients have asked for them, and what is sent.

A client reports how many frames have arrived, so that one that does not read costs no memory: what
comes meanwhile is dropped. The client sees by the numbers of the parts that some are missing, and
shows no more of that attempt. Nothing here is recorded: a client that comes back repeats what it
has no outcome of, and its wish for the stream with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...store.encoding.json_text import dumps_json
from ..protocol.frames import pack_query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...launcher.streams.text_streams import StreamedText, TextStreams
    from .open_session import OpenSession

LIVE_FRAMES: Final = 64
"""Frames that may be sent to a client before it reports them as arrived."""


class LiveTexts:
    """The streams that clients have asked for.

    Args:
        streams: those of the pool; None: it has none.
    """

    def __init__(self, streams: TextStreams | None) -> None:
        self._streams = streams
        self._calls: dict[int, tuple[int, int]] = {}
        """Client and sequence, by offset."""
        self._offsets: dict[int, set[int]] = {}
        """The offsets of each client."""

    def expect(self, offsets: Iterable[int]) -> None:
        """Note that these are about to be recorded, before the pool can read them."""
        if self._streams is not None:
            self._streams.want(offsets)

    def add(self, offset: int, client: int, sequence: int, *, streamed: bool = True) -> None:
        """Send the client what the calls of a submission write, if that is `streamed`."""
        if not streamed:
            return
        self._calls[offset] = client, sequence
        self._offsets.setdefault(client, set()).add(offset)
        self.expect((offset,))

    def remove(self, offsets: Iterable[int]) -> None:
        """Send nothing more of these."""
        if not self._calls:
            return
        known = [offset for offset in offsets if offset in self._calls]
        for offset in known:
            client, _ = self._calls.pop(offset)
            left = self._offsets[client]
            left.remove(offset)
            if not left:
                del self._offsets[client]
        self._forget(known)

    def remove_client(self, client: int) -> None:
        """Send nothing more to a client, whose session has ended."""
        offsets = self._offsets.pop(client, set())
        for offset in offsets:
            del self._calls[offset]
        self._forget(offsets)

    def cancel(self, offsets: Iterable[int]) -> None:
        """Note that these were not recorded."""
        self._forget([offset for offset in offsets if offset not in self._calls])

    def _forget(self, offsets: Iterable[int]) -> None:
        if self._streams is not None:
            self._streams.forget(offsets)

    def frames(self, sessions: dict[int, OpenSession]) -> Iterator[tuple[OpenSession, bytes]]:
        """Yield the frames to send now, with their sessions, which are given by client."""
        if self._streams is None:
            return
        parts: dict[tuple[int, int], list[StreamedText]] = {}
        for part in self._streams.take():
            call = self._calls.get(part.offset)
            if call is not None:
                parts.setdefault(call, []).append(part)
        for (client, sequence), of_call in parts.items():
            session = sessions.get(client)
            if session is None or session.live_sent - session.live_taken >= LIVE_FRAMES:
                continue
            session.live_sent += 1
            body = dumps_json({"parts": [part[1:] for part in of_call]})
            yield session, pack_query(b"L", session.nonce, sequence, body)
