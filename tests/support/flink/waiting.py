"""A job of runs that wait on pools under fire: seeded kills, restores and rescalings."""

from __future__ import annotations

import pickle
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.flink.patient import judge
from support.flink.task import Job
from tamias import Answer, Question

if TYPE_CHECKING:
    from collections.abc import Callable

AGENT = f"{Path(__file__).with_name('patient.py')}:Patient"
KEYS = 17
ANSWERED = 0.5
"""How likely a checkpoint is followed by answers."""
DISTURBED = 0.3
"""How likely something is done to the job, once all inputs are there."""
CONFIG = {"suspend-after": "0.02s", "workers": 2, "shards": 4, "at-end": "wait", "pause": 0.3}


class WaitingJob(Job):
    """A job whose committed questions are answered by inputs.

    Attributes:
        answered: the tokens of the questions that were answered.
        count: the inputs that are not answers.
    """

    def __init__(self, folder: Path, count: int, **config: Any) -> None:
        records = [(f"key-{n % KEYS}", pickle.dumps({"n": n})) for n in range(count)]
        super().__init__(
            folder,
            records,
            name="agent:Patient",
            target=AGENT,
            sys_path=[str(Path(__file__).parents[2])],
            config={**CONFIG, **config},
        )
        self.count = count
        self.answered: set[str] = set()

    @property
    def found(self) -> list[dict[str, Any]]:
        """The committed outputs that are no questions."""
        values = map(pickle.loads, self.committed)
        return [value for value in values if not isinstance(value, Question)]

    def answer(self) -> None:
        """Append answers to the inputs for the questions that are new."""
        for value in map(pickle.loads, self.committed):
            if isinstance(value, Question) and value.token not in self.answered:
                self.answered.add(value.token)
                answer = Answer(value.token, f"yes to {value.ask['n']}", "the test")
                self.inputs.append((str(value.key), pickle.dumps(answer)))

    def runs_done(self) -> int:
        """How many inputs' outputs are committed."""
        return sum("count" in output for output in self.found)


class Trouble:
    """What is done to a job; `at_checkpoint` is called behind some of its checkpoints."""

    def __init__(
        self, job: Job, chance: random.Random, at_checkpoint: Callable[[], None] = lambda: None
    ) -> None:
        self.done: Counter[str] = Counter()
        self._job = job
        self._chance = chance
        self._at_checkpoint = at_checkpoint

    def kill_worker(self) -> None:
        workers = [worker for task in self._job.tasks for worker in task.workers()]
        if workers:
            self._chance.choice(workers).kill()
            self.done["worker killed"] += 1

    def kill_launcher(self) -> None:
        self._chance.choice(self._job.tasks).kill_launcher()
        self.done["launcher killed"] += 1

    def fail(self) -> None:
        self._job.fail(self._chance.choice([1, 2, 3]))
        self.done["all killed, restored"] += 1
        self.done["restored what waits"] += bool(self._job.checkpoint.waiting)

    def checkpoint(self) -> None:
        during = self._chance.choice([None, None, self.kill_worker, self.kill_launcher])
        if self._job.take_checkpoint(during):
            self.done["checkpoint"] += 1
            if self._chance.random() < ANSWERED:
                self._at_checkpoint()

    def step(self) -> None:
        for _ in range(self._chance.randrange(1, 20)):
            self._job.listen()
        steps = [self.checkpoint, self.kill_worker, self.kill_launcher, self.fail]
        self._chance.choices(steps, [9, 3, 2, 2])[0]()


def run(folder: Path, seed: int, inputs: int, steps: int) -> Counter[str]:
    """Run a job to its end through what the seed has in store; return what was done to it."""
    chance = random.Random(seed)
    job = WaitingJob(folder, inputs)
    trouble = Trouble(job, chance, job.answer)
    job.start(chance.choice([1, 2]))
    while not any(task.emitted for task in job.tasks):
        job.feed(1)
        job.listen()
    for _ in range(steps):
        job.feed(chance.randrange(1, 2 * inputs // steps))
        trouble.step()
    while job.runs_done() < inputs:
        job.feed(len(job.inputs))
        if chance.random() < DISTURBED:
            trouble.step()
        else:
            job.listen()
            if job.take_checkpoint():
                job.answer()
    job.finish()
    judge(job.found, inputs, KEYS)
    trouble.done["built upon another"] = job.built_upon
    return trouble.done
