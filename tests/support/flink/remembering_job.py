"""A job whose runs change memory sets, on pools under fire."""

from __future__ import annotations

import pickle
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.flink import remembering
from support.flink.task import Job
from support.flink.waiting import Trouble
from tamias.store.state.layout import StateLayout
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.flink.task import Task
    from tamias.store.sets.records import StoredItem
    from tamias.store.shard.snapshot import Snapshot

AGENT = f"{Path(__file__).with_name('remembering.py')}:Remembering"
KEYS = 7


class RememberingJob(Job):
    """Numbers for a few keys."""

    def __init__(self, folder: Path, count: int, keys: int = KEYS, **config: Any) -> None:
        records = [(f"key-{n % keys}", pickle.dumps({"n": n})) for n in range(count)]
        super().__init__(
            folder,
            records,
            name="agent:Remembering",
            target=AGENT,
            config={"workers": 2, "shards": 4, "at-end": "wait", **config},
        )

    @property
    def found(self) -> list[dict[str, Any]]:
        """The committed outputs."""
        return [pickle.loads(value) for value in self.committed]

    def settle(self) -> None:
        """Wait for what was sent, and for what is being restored."""
        while not all(map(_is_settled, self.tasks)):
            self.listen()

    def items(self, name: str) -> dict[tuple[bytes, str], StoredItem]:
        """What the stores of the tasks have of the sets with a name."""
        found: dict[tuple[bytes, str], StoredItem] = {}
        for task in self.tasks:
            with StoreReader(task.home / "state") as reader:
                for number in range(reader.view.manifest.shards):
                    with reader.shard(number) as shard:
                        for owner, item in () if shard is None else items_of(shard, name):
                            assert (owner, item.id) not in found
                            found[owner, item.id] = item
        return found


def _is_settled(task: Task) -> bool:
    has_state = StateLayout(task.home / "state").manifest.exists()
    return not task.pending and task.whole and has_state


def items_of(shard: Snapshot, name: str) -> Iterator[tuple[bytes, StoredItem]]:
    """The items of all sets with a name, and their owners."""
    for each in shard.sets():
        if each.name == name:
            stored = shard.set(each)
            yield from ((each.owner, item) for item in dict(stored.items()).values())


def run(folder: Path, seed: int, inputs: int, steps: int) -> Counter[str]:
    """Run a job to its end through what the seed has in store; return what was done to it."""
    chance = random.Random(seed)
    job = RememberingJob(folder, inputs)
    trouble = Trouble(job, chance)
    job.start(chance.choice([1, 2]))
    while not any(task.emitted for task in job.tasks):
        job.feed(1)
        job.listen()
    for _ in range(steps):
        job.feed(chance.randrange(1, 2 * inputs // steps))
        trouble.step()
    job.feed(inputs)
    job.settle()
    assert job.position == inputs
    shared = job.items("shared")
    assert sorted(item.value for item in shared.values()) == sorted(
        f"key-{n % KEYS} had {n}" for n in range(inputs)
    )
    job.finish()
    remembering.judge(job.found)
    assert len(job.found) == inputs
    trouble.done["built upon another"] = job.built_upon
    return trouble.done
