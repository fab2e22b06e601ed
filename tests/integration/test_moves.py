"""Shards that move between real workers under load, and workers that die meanwhile."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from support.launcher.moving import SHARDS, moving
from tamias.agent.errors import ConfigError, PoolError, UsageError
from tamias.launcher.control.commands import Describe, Drain, Scale, Swap

if TYPE_CHECKING:
    from pathlib import Path


def test_workers_come_and_go_without_losing_an_input(tmp_path: Path) -> None:
    with moving(tmp_path) as job:
        for workers in (1, 3, 2, 4, 1):
            assert job.ask(Scale(workers))["workers"] == workers
            status = job.ask(Describe())
            shares = sorted(worker["shards"] for worker in status["workers"])
            assert len(shares) == workers
            assert sum(shares) == SHARDS
            assert shares[-1] - shares[0] <= 1
        status = job.ask(Describe())
        assert status["moves"] > 0
        assert status["longest_pause"] > 0
        assert status["deaths"] == 0
        assert status["retries"] == 0


def test_a_worker_is_replaced_by_a_fresh_one(tmp_path: Path) -> None:
    with moving(tmp_path) as job:
        before = {worker["pid"] for worker in job.ask(Describe())["workers"]}
        for _ in range(2):
            slot = min(worker["slot"] for worker in job.ask(Describe())["workers"])
            assert job.ask(Swap(slot)) | {"longest_pause": 0} == {
                "workers": 2,
                "moves": SHARDS // 2,
                "longest_pause": 0,
            }
        after = {worker["pid"] for worker in job.ask(Describe())["workers"]}
        assert len(after - before) > 0
        assert job.ask(Describe())["deaths"] == 0


def test_impossible_orders_are_refused_and_nothing_happens(tmp_path: Path) -> None:
    with moving(tmp_path) as job:
        with pytest.raises(ConfigError, match="9 workers cannot share 8 shards"):
            job.ask(Scale(SHARDS + 1))
        with pytest.raises(ConfigError, match="0 workers"):
            job.ask(Scale(0))
        with pytest.raises(UsageError, match="no worker 7"):
            job.ask(Swap(7))
        assert len(job.ask(Describe())["workers"]) == 2


def test_draining_finishes_what_was_read_and_ends_the_pool(tmp_path: Path) -> None:
    with moving(tmp_path) as job:
        job.ask(Scale(3))
        job.drained = True
        assert job.ask(Drain()) == {"finished": False}
        with pytest.raises(PoolError, match="ended"):
            job.ask(Scale(1))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.timeout(180)
def test_workers_killed_at_random_while_shards_move_to_and_fro(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    over = threading.Event()
    with moving(tmp_path) as job:

        def shoot() -> None:
            while not over.wait(chance.uniform(0.05, 0.4)):
                job.kill(chance.randrange(9))

        killer = threading.Thread(target=shoot)
        killer.start()
        try:
            for _ in range(6):
                if chance.random() < 0.5:
                    job.ask(Scale(chance.randint(1, 4)))
                else:
                    slots = [worker["slot"] for worker in job.ask(Describe())["workers"]]
                    with suppress(UsageError):  # one that is just leaving
                        job.ask(Swap(chance.choice(slots)))
        finally:
            over.set()
            killer.join()
        assert job.ask(Describe())["moves"] > 0
