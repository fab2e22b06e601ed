"""Dead letters of runs without an input (timers, ends of the input): put back into their shards.

No source can read such a run again, since it has never had an input. So it becomes again what it
was before it failed: a run that its shard owns, and which is due. That and the removal of the
letter are one commit, so whatever dies, the run is either a dead letter or is run once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...store.shard.batch import Batch
from ...store.shard.shard import Shard
from ...store.waiting.records import run_of_letter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...store.records.dead_letters import DeadLetter
    from ...store.state.directory import StateDirectory


def requeue(state: StateDirectory, letters: Sequence[tuple[int, DeadLetter]]) -> None:
    """Put dead letters of runs without an input back; each comes with the number of its shard.

    No worker may have one of these shards.
    """
    for number in sorted({shard for shard, _ in letters}):
        batch = Batch()
        for shard, letter in letters:
            if shard == number:
                batch.retried.append(letter.offset)
                batch.changes_of_waiting().put(letter.offset, run_of_letter(letter).encode())
        writer = Shard.acquire(
            state.layout.shard(number),
            number,
            state.manifest.durability,
            store=state.manifest.identity,
            create=False,
        )
        try:
            writer.commit(batch)
        finally:
            writer.close()
