"""Packs the inputs that a worker gets at once, in one message.

A module of its own because it is done for every input, so it is compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...worker import wire

if TYPE_CHECKING:
    from typing import Any

    from ..dispatch.item import Item, Rejection


def pack_items(items: list[Item]) -> bytes:
    """The message that brings a worker these inputs."""
    return wire.pack_inputs(
        [item.offset for item in items],
        [item.key for item in items],
        [item.payload for item in items],
        {item.offset: _described(item.rejection) for item in items if item.rejection is not None},
    )


def _described(rejection: Rejection) -> dict[str, Any]:
    return {
        "cause": rejection.cause,
        "error": rejection.error,
        "attempts": rejection.attempts,
        "signal": rejection.signal,
        "stacks": rejection.stacks,
        "worker_pid": rejection.worker_pid,
    }
