"""`AgentTest`: an agent inside a test, step by step.

Each step is a short life of a job over one state directory, in this process: so between two steps
there is nothing but what the store has, as after a crash.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ...agent.waiting.moments import seconds_of
from ...store import clock
from ...store.encoding.values import dumps
from ...store.state.answering import answer_at_rest
from ...store.state.scratch import make_scratch
from ...worker.intercepting.plan import intercepted
from ..delivery.checkpointed import CheckpointedDelivery
from ..jobs.job import Job
from ..sinks.collect import CollectSink
from ..sources.factory import python_source
from ..workers.threads import ThreadStarter
from .in_process import compiled, failures_in, memories_in, spec_of, without_questions
from .moved_clock import Clock
from .observer import Observer, timers_in
from .skipped_waits import open_questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from typing_extensions import Self

    from ...agent.agent import Agent
    from ...agent.resources.resource import ResourceType
    from ...agent.waiting.moments import Duration
    from ...agent.waiting.questions import Question
    from ...worker.intercepting.interceptor import MadeCall
    from ...worker.process.boot import Boot
    from .in_process import FailedInput
    from .observer import SentEvent, SetTimer

__all__ = ["AgentTest"]


class AgentTest:
    """An agent that a test gives inputs, answers and time, one after the other; a context manager.

    Attributes:
        clock: the clock of the agent, and of this process; `advance` moves it and does what is due.
        outputs: all outputs, each as `{key: output}`, in the order in which they were sent.
        crashes: how many workers have died.
    """

    def __init__(
        self,
        agent: Agent | type[Agent] | str,
        *,
        on_error: str = "fail",
        config: Mapping[str, Any] | None = None,
        resources: Mapping[ResourceType, Mapping[str, Any]] | None = None,
        replace: Mapping[ResourceType, Mapping[str, Any]] | None = None,
        start: datetime | None = None,
    ) -> None:
        """Compile the agent; its state is temporary.

        Args:
            agent: as for `run_agent`.
            on_error: as for `run_agent`.
            config: as for `run_agent`.
            resources: as for `run_agent`.
            replace: as for `run_agent`.
            start: what the clock begins with; None: the real time.

        Raises:
            AgentDefinitionError: the agent is declared in a way that cannot run.
        """
        self._plan = compiled(
            agent,
            {"durability": "none", **(config or {})},
            on_error,
            resources=resources,
            replace=replace,
        )
        self._observer = Observer()
        self._scratch = make_scratch("none")
        self._state = self._scratch / "state"
        self._inputs: list[dict[str, Any]] = []
        self.clock = Clock(start)
        self.outputs: list[dict[Any, Any]] = []
        self.crashes = 0
        self._next_due: float | None = None

    # -- steps --------------------------------------------------------------------------------

    def send(self, key: Any, value: Any) -> list[Any]:
        """Give the agent an input, have it do what is due now, and return the new outputs."""
        return self.send_all([(key, value)])

    def send_all(self, inputs: Iterable[tuple[Any, Any]]) -> list[Any]:
        """Give it several inputs, pairs of key and value."""
        self._inputs += [{"key": key, "value": value} for key, value in inputs]
        return self._go_on()

    def advance(self, duration: Duration) -> list[Any]:
        """Let time pass: seconds, or a `timedelta`. What comes due is done in its order.

        Returns the new outputs.
        """
        goal = clock.now() + seconds_of(duration, "the duration of AgentTest.advance")
        found = self._go_on()
        while (due := self._next_due) is not None and due <= goal:
            self._move_to(due)
            found += self._go_on()
        self._move_to(goal)
        return found + self._go_on()

    def answer(self, name: str, value: Any) -> list[Any]:
        """Answer the oldest open question of a name; return the new outputs.

        Raises:
            LookupError: there is none.
        """
        for question in self.questions:
            if question.name == name:
                with self._job(ends=False).open_state(self._state, {}) as state:
                    answer_at_rest(state, question.token, dumps(value), codec="pickle", by="test")
                return self._go_on()
        raise LookupError(f"no question {name!r} is open")

    def end_input(self) -> list[Any]:
        """Have the input end (`EndOfInputEvent`); return the new outputs."""
        return self._go_on(ends=True)

    def crash_after_calls(self, number: int) -> None:
        """Have the worker die right after so many more durable calls were made and recorded.

        What is not committed then is lost, and the run is done again from its record.
        """
        self._observer.crashes_after = number

    def _job(self, *, ends: bool) -> Job:
        return Job(
            spec_of(self._plan),
            scratch=self._scratch,
            controllable=False,
            ends_input=ends,
            on_rest=lambda *_: True,
            handle_signals=False,
            make_starter=self._starter,
        )

    def _go_on(self, *, ends: bool = False) -> list[Any]:
        """Live until nothing is left to do now."""
        before = len(self.outputs)
        job = self._job(ends=ends)
        with (
            closing(python_source(self._inputs, compared=True)) as source,
            job.open_state(self._state, {}) as state,
        ):
            sink = CollectSink(state.layout.outputs, as_arrived=True)
            report = job.run(state, source, CheckpointedDelivery(sink, state.progress, source))
            self.outputs = without_questions(sink.take_results())
        self._next_due = report.next_due
        self.crashes += report.deaths
        return [output for pair in self.outputs[before:] for output in pair.values()]

    def _starter(self, boot: Boot) -> ThreadStarter:
        starter = ThreadStarter(boot, intercepted(self._plan, self._observer))
        self._observer.crash = lambda: starter.crash(0)
        return starter

    # -- what there is ------------------------------------------------------------------------

    def outputs_of(self, key: Any) -> list[Any]:
        """The outputs of one key."""
        return [output for pair in self.outputs for own, output in pair.items() if own == key]

    def memory(self, key: Any) -> dict[str, Any]:
        """The short-term memory of a key, as nested dicts."""
        return memories_in(self._state).get(key, {}) if self._exists else {}

    @property
    def calls(self) -> list[MadeCall]:
        """The durable calls, in the order in which they have ended."""
        return self._observer.calls

    @property
    def events(self) -> list[SentEvent]:
        """The events that actions have sent to other actions."""
        return self._observer.events

    @property
    def timers(self) -> list[SetTimer]:
        """The timers that are to come, the next one first."""
        return timers_in(self._state) if self._exists else []

    @property
    def questions(self) -> list[Question]:
        """The questions of `ctx.wait_for` that are open, the oldest first."""
        return open_questions(self._state) if self._exists else []

    @property
    def failures(self) -> list[FailedInput]:
        """The inputs that were set aside, with `on_error="dead-letter"`."""
        return failures_in(self._state) if self._exists else []

    @property
    def state(self) -> Path:
        """The state directory; deleted by `close`."""
        return self._state

    @property
    def _exists(self) -> bool:
        return self._state.exists()

    def _move_to(self, moment: float) -> None:
        ahead = moment - clock.now()
        if ahead > 0:
            self.clock.advance(ahead)

    def close(self) -> None:
        """Set the clock back, and delete the state."""
        self.clock.restore()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
