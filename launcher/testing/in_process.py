"""`tamias.run_agent`: runs an agent inside this process, for tests of it.

It is the same pool as everywhere, with the same store and engine, but its workers are threads: it
takes a tenth of a second, a debugger stops in actions, coverage counts them, and what a test
replaces with `monkeypatch` is replaced for them, too. It is no isolation: an action that crashes or
hangs does so to the test.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.config.configuration import Configuration
from ...agent.config.options import PoolOptions
from ...agent.errors import UsageError
from ...agent.naming.public import public
from ...agent.plan import AgentPlan
from ...agent.resources.provider import provider_of
from ...agent.waiting.moments import Duration, seconds_of
from ...agent.waiting.questions import Question
from ...store.encoding.keys import decode_key
from ...store.state.reader import StoreReader
from ...store.state.scratch import make_scratch
from ...worker.importing.target_loader import load_target
from ...worker.importing.yaml_files import target_settings
from ...worker.intercepting.interceptor import (
    MadeCall,  # noqa: TC001 (`public` evaluates annotations)
)
from ...worker.intercepting.plan import intercepted
from ..delivery.checkpointed import CheckpointedDelivery
from ..jobs.agent_spec import AgentSpec
from ..jobs.job import Job
from ..sinks.collect import CollectSink
from ..sources.factory import python_source
from ..workers.threads import ThreadStarter
from .observer import Observer, SentEvent, SetTimer, timers_in
from .skipped_waits import SkippedWaits, open_questions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ...agent.agent import Agent
    from ...agent.resources.resource import ResourceType


@public
@dataclass(frozen=True)
class FailedInput:
    """An input that was set aside, as a dead letter."""

    offset: int
    """Its position among the inputs, from 0."""
    key: Any
    cause: str
    """"exception", "timeout", "unserializable", "bad-input" or "divergence"."""
    error: str
    """The error, in one line."""
    traceback: str
    """The traceback of the action; empty if there is none."""


@public
@dataclass(frozen=True)
class AgentRun:
    """What has come of the inputs that `run_agent` has given to an agent."""

    outputs: list[dict[Any, Any]]
    """Each as `{key: output}`, in the order of the inputs: what `to_list` gives."""
    memory: dict[Any, dict[str, Any]]
    """The short-term memory at the end: key to nested fields."""
    failures: list[FailedInput] = field(default_factory=list)
    """The inputs that were set aside, with `on_error="dead-letter"`."""
    retries: int = 0
    """Attempts beyond an input's first."""
    notices: dict[str, int] = field(default_factory=dict)
    """Probable mistakes of the agent, by text: how often each was noticed."""
    questions: list[Question] = field(default_factory=list)
    """The questions of `ctx.wait_for` that were not answered."""
    waiting: int = 0
    """The runs that wait at the end, for an answer or for a moment that is too far."""
    calls: list[MadeCall] = field(default_factory=list)
    """The durable calls of actions, in the order in which they have ended."""
    events: list[SentEvent] = field(default_factory=list)
    """The events that actions have sent to other actions."""
    timers: list[SetTimer] = field(default_factory=list)
    """The timers that are to come at the end, the next one first."""

    def outputs_of(self, key: Any) -> list[Any]:
        """Return the outputs of one key."""
        return [output for pair in self.outputs for own, output in pair.items() if own == key]


def run_agent(
    agent: Agent | type[Agent] | str,
    inputs: Iterable[tuple[Any, Any] | Mapping[str, Any]],
    *,
    on_error: str = "fail",
    state: str | Path | None = None,
    config: Mapping[str, Any] | None = None,
    resources: Mapping[ResourceType, Mapping[str, Any]] | None = None,
    answers: Mapping[str, Any] | Callable[[Question], Any] | None = None,
    longest_wait: Duration = 7 * 86_400,
    replace: Mapping[ResourceType, Mapping[str, Any]] | None = None,
) -> AgentRun:
    """Run an agent inside this process, over some inputs; for tests.

    Args:
        agent: an agent, its class, or its name (`package.module:name`, `path/to/file.py:name`).
        inputs: pairs of a key and a value, or dicts as `from_list` takes them.
        on_error: what an exception of an action leads to: "fail" raises it here, with
            "dead-letter" it is tried `max-attempts` times and then listed in `failures`.
        state: a state directory to begin from, or to be made; None: a temporary one.
        config: settings, by name: options of tamias, and the agent's own.
        resources: resources of the environment, by type and name.
        answers: what `ctx.wait_for` returns: values by the name of the question, or a function of
            the `Question`.
        longest_wait: waits and timers are not waited for: when nothing else is to be done, the
            clock of this process is moved to the next moment, by so much in all (seconds or a
            `timedelta`). What is due later is left waiting.
        replace: resources that take the place of the agent's own, by type and name: a chat model
            connection, say, whose answers the test has written (`tamias.testing`).

    Raises:
        AgentDefinitionError: the agent is declared in a way that cannot run.
        AgentFailedError: an action has raised an exception, and `on_error` is "fail".
        TamiasError: any other error that ends a pool.
    """
    durability = {PoolOptions.DURABILITY.key: "none"} if state is None else {}
    plan = compiled(
        agent, {**durability, **(config or {})}, on_error, resources=resources, replace=replace
    )
    observer = Observer()
    elements = [
        {"key": element[0], "value": element[1]} if isinstance(element, tuple) else element
        for element in inputs
    ]
    scratch = None if state is not None else make_scratch("none")
    path = Path(state) if state is not None else (scratch or Path()) / "state"
    waits = SkippedWaits(path, answers, seconds_of(longest_wait, "longest_wait"))
    try:
        return _run(intercepted(plan, observer), observer, elements, path, scratch, waits)
    finally:
        waits.restore()
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def compiled(
    agent: Agent | type[Agent] | str,
    config: Mapping[str, Any],
    on_error: str,
    *,
    resources: Mapping[ResourceType, Mapping[str, Any]] | None = None,
    replace: Mapping[ResourceType, Mapping[str, Any]] | None = None,
) -> AgentPlan:
    """Compile an agent for a test; the arguments are those of `run_agent`."""
    settings = Configuration(
        {
            "workers": 1,
            "suspend-after": 0,
            "at-end": "wait",  # `SkippedWaits` decides when it is over
            **config,
            PoolOptions.ON_ERROR.key: on_error,
        }
    )
    if isinstance(agent, str):
        settings.add_defaults(target_settings(agent))
    loaded = load_target(agent) if isinstance(agent, str) else agent
    plan = AgentPlan.compile(loaded, settings, resources)
    plan.check_handles_input()
    for kind, named in (replace or {}).items():
        for name, resource in named.items():
            if name not in plan.providers.get(kind, {}):
                raise UsageError(
                    f"The agent has no {kind.value} {name!r} that could be replaced.",
                    hint=f"It has {', '.join(plan.providers.get(kind, {})) or 'none'}.",
                )
            plan.providers[kind][name] = provider_of(name, kind, resource)
    return plan


def _run(  # noqa: PLR0917 (the parts of one run)
    plan: AgentPlan,
    observer: Observer,
    elements: list[Any],
    path: Path,
    scratch: Path | None,
    waits: SkippedWaits,
) -> AgentRun:
    job = Job(
        spec_of(plan),
        scratch=scratch,
        controllable=False,
        ends_input=True,
        on_rest=waits.at_rest,
        handle_signals=False,
        make_starter=lambda boot: ThreadStarter(boot, plan),
    )
    is_kept = scratch is None
    with (
        python_source(elements, compared=is_kept) as source,
        job.open_state(path, {}) as state,
    ):
        sink = CollectSink(state.layout.outputs if is_kept else None)
        report = job.run(state, source, CheckpointedDelivery(sink, state.progress, source))
        if waits.error is not None:
            raise waits.error
        outputs = sink.take_results()
    return AgentRun(
        without_questions(outputs),
        memories_in(path),
        failures_in(path),
        report.retries,
        report.notices,
        open_questions(path),
        report.waiting_runs,
        observer.calls,
        observer.events,
        timers_in(path),
    )


def spec_of(plan: AgentPlan) -> AgentSpec:
    """What a job needs to know of an agent that is compiled already."""
    on_error = plan.config.get(PoolOptions.ON_ERROR) or ""
    return AgentSpec(plan.name, config=plan.config.data, on_error=on_error)


def without_questions(outputs: list[dict[Any, Any]]) -> list[dict[Any, Any]]:
    """Outputs without the questions of `ctx.wait_for`, which a sink gets, too."""
    return [
        pair for pair in outputs if not any(isinstance(each, Question) for each in pair.values())
    ]


def memories_in(state: Path) -> dict[Any, dict[str, Any]]:
    """The short-term memory of all keys: key to nested fields."""
    with StoreReader(state) as reader:
        return {key: reader.memory(key) or {} for key in list(reader.keys())}


def failures_in(state: Path) -> list[FailedInput]:
    """The inputs that were set aside."""
    with StoreReader(state) as reader:
        return [
            FailedInput(
                letter.offset,
                decode_key(letter.key) if letter.key else None,
                letter.cause,
                letter.error,
                letter.traceback,
            )
            for letter in reader.dead_letters()
        ]
