"""The services of a worker that the contexts of actions use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..hooks import RunInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.action import Action
    from ...agent.event import Event
    from ...agent.hooks import Hooks
    from ...agent.plan import AgentPlan
    from ...agent.resources.registry import ResourceRegistry
    from ...agent.waiting.retry import RetryPolicy
    from ..hooks import WorkerHook
    from ..limits.admission import Admission
    from ..long_term.all_shards import AllShards
    from ..metrics import WorkerMetrics
    from ..recording.recorder import RunRecorder
    from ..runs.recorder import Recorder
    from ..runs.run import Run
    from ..streams.text_sender import TextSender
    from ..tasks.thread_pool import ThreadPool
    from ..tracing.tracer import Tracer
    from ..waiting.questions import Questions
    from ..waiting.waits import Waits
    from .owned_runs import OwnedRuns


class Services(Protocol):
    """The services of a worker that contexts and runs use; the engine provides them."""

    plan: AgentPlan
    route: Callable[[Event], tuple[Action, ...]]
    """The actions that an event sets off."""
    encode: Callable[[bytes, Any, int | None], bytes]
    """Encodes (key, output, input offset) for the pool's sink; the offset is None for none."""
    resources: ResourceRegistry
    metrics: WorkerMetrics
    recorder: Recorder
    hooks: Hooks[WorkerHook] | None
    """None where no hook listens."""
    tracer: Tracer | None
    """The event log; None if nothing is ever written."""
    questions: Questions
    admission: Admission | None
    """None where no call has limits."""
    texts: TextSender | None
    """The streams of calls; None if there are none."""
    owned: OwnedRuns
    all_shards: AllShards | None
    """The shards of the state directory; None where those of this worker are all that is read."""

    recordings: RunRecorder | None
    """Records runs; None where none are recorded."""

    @property
    def call_retry(self) -> RetryPolicy | None:
        """The retry policy of durable calls that have none of their own."""

    @property
    def waits(self) -> Waits:
        """The waits of runs."""

    def unheard(self, event: Event, sender: str) -> None:
        """Notice an event that no action listens to."""

    @property
    def threads(self) -> ThreadPool:
        """The threads for durable calls of plain functions."""


def run_info(run: Run) -> RunInfo:
    """A run as hooks see it."""
    return RunInfo(run.offset, run.lane.key_bytes, run.attempts + 1)
