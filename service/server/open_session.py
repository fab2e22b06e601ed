"""A session that is open, as the server sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

    from ..protocol.frames import Hello
    from .request_log import ClientRecord

Peer: TypeAlias = "tuple[int, bytes]"
"""A connection: the index of the socket, and ZeroMQ's identity of the client there."""


class OpenSession:
    """One client's session."""

    __slots__ = (
        "anonymous",
        "attempt",
        "client",
        "floor",
        "identity",
        "incarnation",
        "live_sent",
        "live_taken",
        "nonce",
        "peer",
        "ready",
        "received",
        "replied",
        "sent",
        "taken",
    )

    def __init__(self, peer: Peer, hello: Hello, identity: bytes, client: ClientRecord) -> None:
        self.peer = peer
        self.nonce = hello.nonce
        self.anonymous = hello.anonymous
        self.incarnation = hello.incarnation
        self.attempt = hello.attempt
        self.identity = identity
        self.client = client
        self.floor = client.floor
        self.received = 0
        self.sent = 0
        self.replied = 0
        self.taken = 0
        self.live_sent = 0
        self.live_taken = 0
        # Sequences to be answered, with the outcome if it is not the recorded one.
        self.ready: dict[int, bytes | None] = {}


class PendingQuery(NamedTuple):
    """A query that has not been answered."""

    session: OpenSession
    number: int
    owner: str
    """The name that the client's key proves; empty: a local user."""

    @property
    def client(self) -> int:
        """The number of the client."""
        return self.session.client.number

    @property
    def name(self) -> str:
        """A name for it that no other query has, and that a repeated one has again."""
        return f"{self.client}.{self.session.incarnation}.{self.number}"
