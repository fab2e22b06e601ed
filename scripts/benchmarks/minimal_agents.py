"""The worker of the minimal pool that runs the benchmarks' agent: the least code that can.

It has tamias's events, and in place of everything else two small classes: a context, and a
memory that is a dict. One pickle a key and a commit a batch, as in the minimal pool, and nothing
that would be needed after a crash. So the distance from the minimal pool to it is what the API
costs in plain Python; from it to tamias on plain Python, what exactly once and the rest do.
"""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

from minimal_pool import joined

from agents import Counter
from tamias import OutputEvent
from tamias.agent.event import input_event

if TYPE_CHECKING:
    from pathlib import Path

    from tamias import Event


class Memory:
    """Short-term memory: the fields of a key."""

    __slots__ = ("fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    def get(self, path: str) -> Any:
        """A value, None if there is none."""
        return self.fields.get(path)

    def set(self, path: str, value: Any) -> None:
        """Set a value."""
        self.fields[path] = value


class Context:
    """What an action gets besides its event."""

    __slots__ = ("outputs", "short_term_memory")

    def __init__(self, memory: Memory) -> None:
        self.short_term_memory = memory
        self.outputs: list[Any] = []

    def send_event(self, event: Event) -> None:
        """Keep an output; other events are not known here."""
        if not isinstance(event, OutputEvent):
            raise TypeError(event)
        self.outputs.append(event.output)


def work(address: str, home: Path, number: int) -> None:
    """A worker's whole life."""
    socket, environment, fields, outbox = joined(address, home, number)
    act: Any = Counter.count
    sequence = 0
    while request := socket.recv():
        fresh: dict[bytes, Memory] = {}
        outputs = []
        for offset, key, value in pickle.loads(request):
            memory = fresh.get(key)
            if memory is None:
                with environment.begin(db=fields) as transaction:
                    stored = transaction.get(key)
                memory = fresh[key] = Memory(pickle.loads(stored) if stored else {})
            context = Context(memory)
            act(input_event(value, (key, offset, 0, 0)), context)
            outputs += [(offset, key, output) for output in context.outputs]
        answer = pickle.dumps(outputs, 5)
        with environment.begin(write=True) as transaction:
            for key, memory in fresh.items():
                transaction.put(key, pickle.dumps(memory.fields, 5), db=fields)
            transaction.put(sequence.to_bytes(8, "big"), answer, db=outbox)
        sequence += 1
        socket.send(answer)
    os._exit(0)
