"""What the store costs by itself: reads and writes of one field of each key, in LMDB alone.

As in the measurements of the engine, the keys are spread over eight environments, and each commit
has 32 of them, drawn at random. What a pool takes for many keys cannot be less than this.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

import lmdb

ENVIRONMENTS = 8
PER_COMMIT = 32
COMMITS = 1000
ROUNDS = 3
VALUE = b"\x8a\x01\x02\x03"


def cost(keys: int) -> float:
    """CPU microseconds to read and to write a field, of the cheapest round."""
    chance = random.Random(1)  # noqa: S311 (the same draws each time)
    each = keys // ENVIRONMENTS
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        stores = [_store(Path(folder) / str(number), each) for number in range(ENVIRONMENTS)]
        best = float("inf")
        for _ in range(ROUNDS):
            drawn = [
                [(_address(chance.randrange(each)), VALUE) for _ in range(PER_COMMIT)]
                for _ in range(COMMITS)
            ]
            began = time.process_time()
            for number, fields in enumerate(drawn):
                _commit(stores[number % ENVIRONMENTS], fields)
            spent = time.process_time() - began
            best = min(best, spent / (COMMITS * PER_COMMIT) * 1e6)
        for store in stores:
            store.close()
        return best


def _store(folder: Path, keys: int) -> lmdb.Environment:
    """An environment with this many keys."""
    store = lmdb.open(str(folder), map_size=1 << 32, sync=False, metasync=False, readahead=False)
    fields = sorted((_address(number), VALUE) for number in range(keys))
    with store.begin(write=True) as transaction:
        transaction.cursor().putmulti(fields)
    return store


def _commit(store: lmdb.Environment, fields: list[tuple[bytes, bytes]]) -> None:
    with store.begin() as transaction:
        for address, _ in fields:
            transaction.get(address)
    with store.begin(write=True) as transaction:
        transaction.cursor().putmulti(fields)


def _address(number: int) -> bytes:
    """About as long as that of a field."""
    return b"\x0bskey-%d\x00count" % number
