"""The kinds of inputs that the agent under chaos knows, and what has to become of them."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

POISONS: Final = {
    "segv": "crash",
    "exit": "crash",
    "overflow": "crash",
    "async-segv": "crash",
    "async-exit": "crash",
    "spin": "timeout",
    "async-hang": "timeout",
    "bomb": "memory",
    "unpicklable": "unserializable",
    "raise": "exception",
    "malformed": "bad-input",
}
"""Kinds that must end in the dead letters, and the cause that must be given there."""

ONCE: Final = (
    "once-segv",
    "once-exit",
    "once-raise",
    "once-spin",
    "once-bomb",
    "async-once-segv",
    "async-once-exit",
    "async-once-hang",
    "call-then-raise",
)
"""Kinds that fail at their first attempt, and must have their effect at another."""

CALLS: Final = {
    "call": ("one",),
    "calls": ("one", "two"),
    "call-then-raise": ("one",),
    "async-gather": ("g0", "g1"),
    "async-nap": ("one", "two"),
    "async-naps": ("g0", "g1"),
    "async-once-segv": ("one",),
    "async-once-exit": ("one",),
    "async-once-hang": ("one",),
}
"""The durable calls that a run makes, by kind; of poisons nothing is asked."""

IN_TURN: Final = frozenset(("calls", "async-nap"))
"""Kinds whose calls are made one after the other."""

CALM: Final = {
    "plain": 8,
    "busy": 8,
    "call": 3,
    "calls": 2,
    "async-plain": 4,
    "async-slow": 2,
    "async-gather": 3,
    "async-nap": 2,
    "async-naps": 1,
}
"""Kinds without trouble, with weights."""

TIMED: Final = {
    "async-timer": 2,
    "async-cancel": 1,
    "async-ask": 1,
    "async-late": 1,
}
"""More of these, for jobs: they set and cancel timers, and ask."""

IN_DIARY: Final = 10
"""So many links of its chain a key has in its memory set, at most."""

BAD_CODE: Final = "this code is bad"
"""What bad code says when it raises."""


def link_after(link: str, i: int) -> str:
    """The next link of a key's chain."""
    return blake2b(f"{link} {i}".encode(), digest_size=8).hexdigest()
