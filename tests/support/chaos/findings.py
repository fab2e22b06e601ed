"""What is found when all is over: the files of the actions, the store, and what should be gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.chaos.history import Call, Leftover, Letter, Memory, Run
from tamias import open_memory
from tamias.store.lmdb_env import open_reader
from tamias.store.records.offsets import LARGEST_OFFSET
from tamias.store.state.layout import StateLayout
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.chaos.history import History


def collect(folder: Path, history: History) -> None:
    """Add to the history what is in the folder of a chaos that is over."""
    for mark, i, key, pid, at in _lines(folder / "runs"):
        if int(i) >= 0:  # else it is a smoke input
            history.runs.append(Run(mark, int(i), key, int(pid), int(at)))
    for i, name, token, pid, at in _lines(folder / "calls"):
        history.calls.append(Call(int(i), name, token, int(pid), int(at)))
    with StoreReader(folder / "state") as reader:
        for key in list(reader.keys()):
            history.memory.append(
                Memory(key, {**(reader.memory(key) or {}), **_diary(folder, key)})
            )
        for letter in reader.dead_letters():
            is_input = letter.offset <= LARGEST_OFFSET
            number = _number_of(letter.payload, letter.offset) if is_input else 0
            (history.letters if is_input else history.lost_ticks).append(
                Letter(number, letter.cause, letter.error, letter.worker_pid, letter.generation)
            )
        journal = list(reader.journal())
        for number in range(reader.view.manifest.shards):
            with reader.shard(number) as snapshot:
                if snapshot is not None and snapshot.waiting.counts():
                    what = f"shard {number} waits: {snapshot.waiting.counts()}"
                    history.leftovers.append(Leftover(what))
    left = [f"journal of {journal[:5]}"] if journal else []
    history.leftovers += map(Leftover, [*left, *_leftovers(folder)])


def _diary(folder: Path, key: Any) -> dict[str, Any]:
    """What a key has in its memory set: the numbers and the texts of its items."""
    with open_memory(folder / "state") as memory:
        if "diary" not in memory.memory_set_names(key):
            return {}
        items = memory.get_memory_set(key, "diary").get(limit=None)
    return {"diary": [[int(item.id), item.value] for item in items]}


def _leftovers(folder: Path) -> Iterator[str]:
    """Sockets, temporary files, slots of readers who are dead."""
    state = folder / "state"
    yield from (str(path) for path in state.rglob("*") if path.is_socket())
    yield from map(str, (folder / "tmp").iterdir())
    for shard in sorted(StateLayout(state).shards.iterdir()):
        if (shard / "data.mdb").exists():
            environment = open_reader(shard)
            handle = environment.require()
            stale = handle.reader_check()
            readers = handle.readers().strip()
            if stale or readers != "(no active readers)":
                yield f"readers of shard {shard.name}: {stale} are dead; {readers}"
            environment.close()


def _lines(path: Path) -> Iterator[list[str]]:
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield line.split()


def _number_of(payload: bytes, offset: int) -> int:
    """The number of an input that was set aside; one that cannot be read has that of its line."""
    try:
        return int(json.loads(payload)["i"])
    except (ValueError, TypeError, KeyError):
        return offset
