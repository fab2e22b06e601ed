"""A job on pools under fire: seeded kills, restores and rescalings, then the judgement."""

from __future__ import annotations

import pickle
import random
import zlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from support.flink.task import Job

if TYPE_CHECKING:
    from pathlib import Path

KEYS = 17


def run(folder: Path, seed: int, inputs: int = 1500, steps: int = 40) -> Counter[str]:
    """Run a job to its end through whatever the seed has in store; what was done to it."""
    chance = random.Random(seed)
    calls = folder / "calls"
    calls.touch()
    records = [(f"key-{n % KEYS}", pickle.dumps({"n": n})) for n in range(inputs)]
    job = Job(folder, records, config={"workers": 2, "shards": 4, "calls": str(calls)})
    job.start(chance.choice([1, 2]))
    done: Counter[str] = Counter()
    final: dict[int, int] = {}
    """How often the durable call of an input had been made when a checkpoint came to have it."""

    def kill_worker() -> None:
        workers = [worker for task in job.tasks for worker in task.workers()]
        if workers:
            chance.choice(workers).kill()
            done["worker killed"] += 1

    def kill_launcher() -> None:
        chance.choice(job.tasks).kill_launcher()
        done["launcher killed"] += 1

    def fail() -> None:
        job.fail(chance.choice([1, 2, 3]))
        done["all killed, restored"] += 1

    def checkpoint() -> None:
        during = chance.choice([None, None, kill_worker, kill_launcher])
        if not job.take_checkpoint(during):
            done["checkpoint lost"] += 1
            return
        done["checkpoint"] += 1
        times = made(calls)
        for n in settled(job):
            final.setdefault(n, times[n])

    def work() -> None:
        job.feed(chance.randrange(1, 2 * inputs // steps))
        for _ in range(chance.randrange(8)):
            job.listen()

    for _ in range(steps):
        work()
        step = chance.choices([checkpoint, kill_worker, kill_launcher, fail], [9, 3, 2, 1])[0]
        step()
    job.finish()
    judge([pickle.loads(output) for output in job.committed], inputs)
    times = made(calls)
    assert {n: times[n] for n in final} == final
    done["built upon another"] = job.built_upon
    done["durable calls made again"] = sum(times.values()) - len(times)
    return done


def made(calls: Path) -> Counter[int]:
    """How often the durable call of each input was really made."""
    return Counter(int(line.split()[1]) for line in calls.read_text().splitlines())


def settled(job: Job) -> set[int]:
    """The inputs whose durable call is on record in the last checkpoint."""
    numbers = {pickle.loads(output)["n"] for output in job.committed}
    for group in job.checkpoint.groups.values():
        recorded = {offset for offset, _, _ in group.journal}
        numbers |= {pickle.loads(output)["n"] for output in group.answered}
        for pending in group.pending:
            if pending.offset in recorded:
                numbers.add(pickle.loads(pending.payload)["n"])
    return numbers


def judge(outputs: list[dict[str, Any]], inputs: int) -> None:
    """Every input has one output, and each key's memory went through its inputs in order."""
    assert Counter(output["n"] for output in outputs) == dict.fromkeys(range(inputs), 1)
    by_key: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for output in outputs:
        by_key[output["key"]].append(output)
    for key, found in by_key.items():
        assert [output["n"] for output in found] == sorted(output["n"] for output in found), key
        digest = 0
        for count, output in enumerate(found, 1):
            digest = zlib.crc32(b"%d" % output["n"], digest)
            assert (output["count"], output["chain"]) == (count, digest), (key, output)
            assert output["token"] == f"{key}-{output['n']}"
