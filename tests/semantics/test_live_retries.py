"""Dead letters that are retried while their job runs; workers are threads."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

import pytest

from tamias import Agent, AgentsExecutionEnvironment, Event, InputEvent, OutputEvent, action
from tamias.agent.errors import UsageError
from tamias.launcher.control.client import send_request
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typing_extensions import Self

    from tamias.launcher.workers.threads import ThreadStarter


class Switch:
    """What the agents of these tests do, set by the tests."""

    broken = True
    crashes = 0
    """How many retried inputs are to end their workers."""
    go = threading.Event()
    begun = threading.Event()


@pytest.fixture(autouse=True)
def switch() -> Iterator[None]:
    Switch.broken, Switch.crashes = True, 0
    Switch.go = threading.Event()
    Switch.begun = threading.Event()
    yield
    Switch.go.set()


class Counter(Agent):
    """Counts the inputs of a key; some fail while the switch is as it was, and one waits."""

    @action(InputEvent)
    @staticmethod
    async def count(event: Event, ctx: Any) -> None:
        value = event.input
        memory = ctx.short_term_memory
        if value == "wait":
            Switch.begun.set()
            while not Switch.go.is_set():  # noqa: ASYNC110 (other threads set it)
                await asyncio.sleep(0.01)
        elif value == "timer":
            ctx.schedule(after=0, event=InputEvent(input="bad"))
            return
        elif value == "nap":
            await ctx.sleep(3600)
        elif value == "bad" and Switch.broken:
            raise ValueError("broken")
        elif value == "bad" and Switch.crashes:
            Switch.crashes -= 1
            asyncio.get_running_loop().stop()
            await asyncio.sleep(60)
        number = (memory.get("n") or 0) + 1
        memory.set("n", number)
        ctx.send_event(OutputEvent(output=[value, number]))


class Job:
    """A job that runs in a thread, and waits for the switch at its end."""

    def __init__(self, state: Path, inputs: list[Any], **options: Any) -> None:
        self.state = state
        env: Any = AgentsExecutionEnvironment.get_execution_environment(
            workers=2, on_error="dead-letter", state_dir=str(state), **options
        )
        elements = [{"key": f"k{n % 3}", "value": value} for n, value in enumerate(inputs)]
        self._outputs = env.from_list([*elements, {"key": "last", "value": "wait"}]).apply(Counter)
        self.outputs = self._outputs.to_list()
        self.env = env
        self._thread = ThreadPoolExecutor(1)
        self._run = self._thread.submit(env.execute)

    def __enter__(self) -> Self:
        assert Switch.begun.wait(60)
        return self

    def letters(self) -> dict[int, int]:
        """The dead letters' numbers, and how often each was retried."""
        with StoreReader(self.state, yields=True) as reader:
            return {letter.offset: letter.retries for letter in reader.dead_letters()}

    def retry(self, **arguments: Any) -> dict[str, Any]:
        return send_request(self.state, "retry", arguments)

    def end(self) -> Any:
        Switch.go.set()
        self._run.result(60)
        return self.env.report

    def __exit__(self, *_: object) -> None:
        Switch.go.set()
        self._run.exception(30)
        self._thread.shutdown()


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


INPUTS = ["bad" if n % 4 == 0 else n for n in range(20)]
BAD = [n for n, value in enumerate(INPUTS) if value == "bad"]


def counts_of(outputs: list[Any]) -> dict[str, list[int]]:
    """By key, the numbers that its outputs have had, sorted."""
    counts: dict[str, list[int]] = {}
    for output in outputs:
        for key, (_, number) in output.items():
            counts.setdefault(key, []).append(number)
    return {key: sorted(numbers) for key, numbers in counts.items()}


def check_each_once(job: Job) -> None:
    """Each input has had its effect once."""
    assert job.end().dead_letters == 0
    counts = counts_of(job.outputs)
    assert counts == {key: list(range(1, len(numbers) + 1)) for key, numbers in counts.items()}
    assert sum(map(len, counts.values())) == len(INPUTS) + 1


def test_what_succeeds_is_a_letter_no_more_and_what_fails_stays(tmp_path: Path) -> None:
    with Job(tmp_path / "state", INPUTS) as job:
        wait_for(lambda: len(job.letters()) == len(BAD))
        again = job.retry(numbers=[4, 0])
        assert (again["failed"], again["succeeded"], again["retried"]) == ([0, 4], [], 2)
        assert job.letters() == {**dict.fromkeys(BAD, 0), 0: 1, 4: 1}
        Switch.broken = False
        assert job.retry(numbers=[4])["succeeded"] == [4]
        assert 4 not in job.letters()
        done = job.retry()
        assert (done["succeeded"], done["retried"]) == ([0, 8, 12, 16], 4)
        assert done["finished"]
        check_each_once(job)


def test_all_of_a_cause(tmp_path: Path) -> None:
    with Job(tmp_path / "state", INPUTS) as job:
        wait_for(lambda: len(job.letters()) == len(BAD))
        Switch.broken = False
        assert job.retry(cause="crash")["retried"] == 0
        assert job.retry(cause="exception")["succeeded"] == BAD
        check_each_once(job)


def test_a_request_that_does_not_wait_has_the_number(tmp_path: Path) -> None:
    with Job(tmp_path / "state", INPUTS) as job:
        wait_for(lambda: len(job.letters()) == len(BAD))
        Switch.broken = False
        assert job.retry(wait=False) == {"retried": len(BAD)}
        wait_for(lambda: not job.letters())
        check_each_once(job)


def test_mistakes(tmp_path: Path) -> None:
    with Job(tmp_path / "state", INPUTS) as job:
        wait_for(lambda: len(job.letters()) == len(BAD))
        with pytest.raises(UsageError, match="no dead letter of input 1, 99"):
            job.retry(numbers=[0, 99, 1])
        with pytest.raises(UsageError, match="no cause of dead letters"):
            job.retry(cause="bad luck")
        for wrong in ({"numbers": "all"}, {"numbers": [-1]}, {"offset": 1}, {"wait": "yes"}):
            with pytest.raises(UsageError, match="A retry takes no"):
                job.retry(**wrong)
        with pytest.raises(UsageError, match="too many to be named"):
            job.retry(numbers=list(range(1001)))
        assert job.letters() == dict.fromkeys(BAD, 0)


def test_the_runs_of_timers_are_retried(tmp_path: Path) -> None:
    with Job(tmp_path / "state", ["timer", 1]) as job:
        wait_for(lambda: len(job.letters()) == 1)
        (number,) = job.letters()
        assert job.retry(numbers=[number])["failed"] == [number]
        Switch.broken = False
        assert job.retry()["succeeded"] == [number]
        assert job.end().dead_letters == 0
        assert counts_of(job.outputs) == {"k0": [1], "k1": [1], "last": [1]}


def test_a_retry_of_a_key_whose_run_waits_comes_after_it(tmp_path: Path) -> None:
    inputs = ["bad", 1, 2, "nap", 4, 5]
    with Job(tmp_path / "state", inputs, suspend_after="0s") as job:
        wait_for(lambda: len(job.letters()) == 1)
        wait_for(lambda: send_request(job.state, "status")["waiting_runs"] > 0)
        Switch.broken = False
        assert job.retry()["waiting"] == [0]
        assert job.retry()["waiting"] == [0]  # it is not begun a second time
        assert job.letters() == {0: 0}


def test_each_is_run_once_although_workers_die(tmp_path: Path, twin: list[ThreadStarter]) -> None:
    with ThreadPoolExecutor(1) as other, Job(tmp_path / "state", INPUTS) as job:
        wait_for(lambda: len(job.letters()) == len(BAD))
        Switch.broken = False
        retried = other.submit(job.retry)
        for slot in (0, 1):
            twin[-1].crash(slot)
        assert retried.result(60)["succeeded"] == BAD
        assert job.letters() == {}
        check_each_once(job)


def test_each_is_run_once_although_some_end_their_workers(tmp_path: Path) -> None:
    with Job(tmp_path / "state", INPUTS) as job:
        wait_for(lambda: len(job.letters()) == len(BAD))
        Switch.broken, Switch.crashes = False, 3
        assert job.retry()["succeeded"] == BAD
        assert Switch.crashes == 0
        assert job.letters() == {}
        check_each_once(job)


def test_one_that_kills_its_workers_is_a_letter_again(tmp_path: Path) -> None:
    with Job(tmp_path / "state", INPUTS) as job:
        wait_for(lambda: len(job.letters()) == len(BAD))
        Switch.broken = False
        Switch.crashes = 1 << 30
        assert job.retry(numbers=[8])["failed"] == [8]
        Switch.crashes = 0
        assert job.letters()[8] == 1
        assert job.retry()["succeeded"] == BAD
        check_each_once(job)


def test_each_is_run_once_while_shards_move(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as other, Job(tmp_path / "state", INPUTS) as job:
        wait_for(lambda: len(job.letters()) == len(BAD))
        Switch.broken = False
        scaled = other.submit(send_request, job.state, "scale", {"workers": 4})
        assert job.retry(wait=False) == {"retried": len(BAD)}
        Switch.go.set()  # the shard of the input that waits moves when it has ended
        scaled.exception(20)  # the pool may have ended before the last shard has moved
        check_each_once(job)


def test_when_the_pool_ends_what_was_not_tried_stays(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as others, Job(tmp_path / "state", INPUTS) as job:
        wait_for(lambda: len(job.letters()) == len(BAD))
        drained = others.submit(send_request, job.state, "drain", {})
        wait_for(lambda: send_request(job.state, "status")["phase"] == "draining")
        assert job.retry(wait=False) == {"retried": len(BAD)}
        retried = others.submit(job.retry)
        with pytest.raises(FutureTimeoutError):
            retried.result(0.2)
        Switch.go.set()
        drained.result(60)
        assert (retried.result(60)["untried"], retried.result()["finished"]) == (BAD, False)
        assert job.letters() == dict.fromkeys(BAD, 0)
