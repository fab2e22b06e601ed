"""What the pool gives to the dispatcher: inputs, deaths of workers, rejections on inputs.

The dispatcher is a pure state machine; the pool around it owns the sockets and the processes. What
goes the other way is in `instructions.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an item is set aside as a dead letter instead of being run.

    `cause` is one of the causes of a dead letter (`"crash"`, `"timeout"`, `"memory"`,
    `"bad-input"`, ...), `error` one line for people, `attempts` the number of deaths it was
    suspected of. `signal`, `stacks` and `worker_pid` describe the last of them, where known.
    """

    cause: str
    error: str
    attempts: int = 0
    signal: int | None = None
    traceback: str = ""
    action: str | None = None
    stacks: str = ""
    worker_pid: int = 0


class Suspicion:
    """The deaths in which one item was a suspect.

    `attempts` counts the deaths it was a suspect in, `alone` those of them with nothing else in
    flight, both under the code of `generation` only. `sent` tells whether it went out as rejected.
    """

    __slots__ = ("alone", "attempts", "generation", "sent")

    def __init__(self, generation: int = 0) -> None:
        self.reset(generation)
        self.sent = False

    def reset(self, generation: int) -> None:
        """Nothing is held against it under the code of this generation."""
        self.generation = generation
        self.attempts = 0
        self.alone = 0


class Item:
    """One input on its way: opaque bytes and the shard that they belong to.

    `offset` is the position in the source, `shard` that of the key, `size` the payload's length in
    bytes. `deaths` is the level of suspicion: 0 for nearly all items, and
    the higher it is the smaller the company in which the item is retried (`quarantine.py`). It and
    `suspicion` belong to the dispatcher. An item with a `rejection` is never run: the worker
    records it as a dead letter.

    A plain class, because one is made for every input: the fields that only a suspect needs live in
    an object of their own.
    """

    __slots__ = ("deaths", "key", "offset", "payload", "rejection", "shard", "size", "suspicion")

    def __init__(
        self,
        offset: int,
        key: bytes,
        payload: bytes,
        shard: int,
        rejection: Rejection | None = None,
    ) -> None:
        self.offset = offset
        self.key = key
        self.payload = payload
        self.shard = shard
        self.rejection = rejection
        self.size = len(payload)
        self.deaths = 0
        self.suspicion: Suspicion | None = None

    def __repr__(self) -> str:
        rejected = ", rejected" if self.rejection is not None else ""
        return f"Item({self.offset}, {self.key!r}, deaths={self.deaths}{rejected})"


@dataclass(frozen=True, slots=True)
class Death:
    """How a ready worker ended, as far as the shell knows.

    `suspect` is the offset of the input it was executing at that moment, when its beacon in shared
    memory says so. `cause` becomes the cause of a dead letter if an item is rejected, and
    `text`, one line, part of its error. A `unrelated` death cannot come from anything the worker
    was doing (its zygote was killed, and it with it): it makes no input a suspect.
    """

    cause: Literal["crash", "timeout", "memory"] = "crash"
    text: str = ""
    signal: int | None = None
    exit_code: int | None = None
    suspect: int | None = None
    stacks: str = ""
    worker_pid: int = 0
    unrelated: bool = False

    def describe(self) -> str:
        """One line on how the worker ended, from what is known."""
        if self.text:
            return self.text
        if self.signal is not None:
            return f"signal {self.signal}"
        if self.exit_code is not None:
            return f"exit code {self.exit_code}"
        return self.cause
