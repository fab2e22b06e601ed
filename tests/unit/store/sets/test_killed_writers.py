"""A writer of memory sets is killed at each write point; its successor goes on from a commit."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

import tamias.store.sets.applying
import tamias.store.shard.applying
import tamias.store.shard.shard
from support.fire.points import IN_SETS
from support.processes import forked
from support.sets.script import Changes, batch_of, script, state_after, state_of
from tamias.store.sets import writing
from tamias.store.sets.checking import problems_in
from tamias.store.sets.folding import Sizes
from tamias.store.shard.shard import Shard
from tamias.store.shard.snapshot import Databases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.process

COMMITS = 150
MODULES = (
    writing,
    tamias.store.sets.applying,
    tamias.store.shard.applying,
    tamias.store.shard.shard,
)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing.SetWriter, "sizes", Sizes(tail=4, chunk=16))
    monkeypatch.setattr(writing, "REMOVED_AT_ONCE", 7)


def commit_until_death(
    directory: Path, commits: list[Changes], point: str, count: int, tell: Callable[[], None]
) -> None:
    left = count

    def reach(name: str) -> None:
        nonlocal left
        left -= name == point
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for module in MODULES:
        vars(module)["reach"] = reach
    shard = Shard.acquire(directory, 0, wait=0)
    for changes in commits:
        shard.commit(batch_of(changes))
        tell()


def check(shard: Shard, commits: list[Changes]) -> None:
    assert shard.read(state_of) == state_after(commits)
    handle = shard._environment.require()
    with handle.begin() as transaction:
        databases = Databases.open(handle, None, create=False)
        assert list(problems_in(transaction, databases)) == []


@pytest.mark.parametrize("point", [*IN_SETS, "commit.inside", "commit.after"])
def test_a_death_at_a_write_point(tmp_path: Path, point: str) -> None:
    commits = script(7, COMMITS)
    Shard.acquire(tmp_path, 0).close()
    done = 0
    for count in (1, 9):
        rest = commits[done:]
        with forked(partial(commit_until_death, tmp_path, rest, point, count)) as child:
            told = child.await_signals(len(rest) + 1)
        assert told < len(rest), f"{point} was not reached {count} times"
        done += told + (point == "commit.after")
        shard = Shard.acquire(tmp_path, 0)
        check(shard, commits[:done])
        shard.close()
    shard = Shard.acquire(tmp_path, 0)
    for changes in commits[done:]:
        shard.commit(batch_of(changes))
    check(shard, commits)
    shard.close()
