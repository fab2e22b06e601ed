"""Executes one run again, in this process, by the engine of a worker: on a scratch store.

What a worker has around its engine is not here: there are no sockets, so nothing is sent; no hooks,
no limits, no streams, no event log. Failures are final: the run is tried once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from ...agent.config.agent_options import ModelOptions
from ...agent.plan import AgentPlan
from ...agent.resources.registry import ResourceRegistry
from ...store.encoding.codec import make_decoder, make_encoder
from ...store.encoding.keys import key_prefix
from ...store.encoding.values import loads
from ...store.shard.live_fields import LiveFields
from ...store.state.layout import StateLayout
from ...worker.beacon import Beacon
from ...worker.cassette import Cassette
from ...worker.engine.engine import Engine
from ...worker.intercepting.plan import intercepted
from ...worker.long_term.all_shards import AllShards
from ...worker.metrics import WorkerMetrics
from ...worker.notices import Notices
from ...worker.policy import Policy
from ...worker.runs.group_commit import GroupCommit, ShardWriter
from ...worker.waiting.questions import Questions
from ...worker.wire import InputBatch
from .scratch_store import memory_before, open_scratch

if TYPE_CHECKING:
    from pathlib import Path

    from ...store.shard.shard import Shard
    from ...worker.intercepting.interceptor import Interceptor
    from .found_run import FoundRun

__all__ = ["Outcome", "replay"]

_PAUSE = 0.005


@dataclass
class Outcome:
    """What has come of the run this time.

    Attributes:
        failure: the report of its failure; None if it has succeeded.
        outputs: what it would have sent to the sink.
        memory: what it has changed: path to value; paths that it has deleted are in `deleted`.
        deleted: paths.
        notices: probable mistakes of the agent.
        error: an error of the replay itself: the run could not be executed to its end.
    """

    failure: dict[str, Any] | None = None
    outputs: list[Any] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    error: BaseException | None = None


async def replay(
    found: FoundRun,
    plan: AgentPlan,
    state: Path,
    scratch: Path,
    interceptor: Interceptor,
    *,
    output_codec: str,
    all_actions: bool,
    repeats_failed: bool,
) -> Outcome:
    """Execute a run again.

    Args:
        found: the run.
        plan: the agent.
        state: the state directory that the run comes from; shared memory sets are read there.
        scratch: a folder for the run's own store; it is deleted.
        interceptor: has the run's actions and calls in its hands.
        output_codec: how the job's sink encodes outputs.
        all_actions: see `open_scratch`.
        repeats_failed: see `open_scratch`.
    """
    plan = _tried_once(plan)
    shard = open_scratch(
        StateLayout(scratch).shard(found.shard),
        found,
        all_actions=all_actions,
        repeats_failed=repeats_failed,
    )
    rmtree(scratch)  # it is open; so nothing is left, however this process ends
    shared = AllShards(StateLayout(state), found.shards)
    outcome = Outcome()
    try:
        await _execute(found, intercepted(plan, interceptor), shard, shared, outcome, output_codec)
    finally:
        shared.close()
        shard.close()
    return outcome


def _tried_once(plan: AgentPlan) -> AgentPlan:
    config = plan.config.copy()
    if config.get(ModelOptions.MODEL_CALLS) != "replay":
        config.set(ModelOptions.MODEL_CALLS, "off")  # nothing is written
    actions = {name: replace(action, retry=None) for name, action in plan.actions.items()}
    return AgentPlan(plan.name, actions, plan.providers, config)


async def _execute(  # noqa: PLR0917 (as above)
    found: FoundRun,
    plan: AgentPlan,
    shard: Shard,
    shared: AllShards,
    outcome: Outcome,
    output_codec: str,
) -> None:
    record = found.record
    config = plan.config
    loop = asyncio.get_running_loop()
    writer = ShardWriter(shard, record.generation)

    def broken(error: BaseException) -> None:
        outcome.error = error

    def failed(report: dict[str, Any]) -> None:
        outcome.failure = report

    group = GroupCommit(lambda _: None, loop, threaded=False, failed=broken)
    notices = Notices()
    cassette = Cassette.of(config)
    resources = ResourceRegistry(plan.providers, config, cassette)
    encode = make_encoder(output_codec)

    def collect(key: bytes, output: Any, place: int | None) -> bytes:
        data = encode(key, output, place)
        outcome.outputs.append(output)
        return data

    policy = replace(
        Policy.of(config, on_error="fail", codec=record.codec),
        max_attempts=1,
        run_timeout=0.0,
        call_retry=None,
        suspend_after=float("inf"),
    )
    writers = {found.shard: writer}
    engine = Engine(
        plan,
        writers,
        found.shards,
        group,
        policy=policy,
        decode=make_decoder(record.codec),
        encode=collect,
        resources=resources,
        metrics=WorkerMetrics(plan.actions, notices),
        beacon=Beacon(),
        questions=Questions(writers, group, lambda _: None),
        halt=failed,
        all_shards=shared,
    )
    try:
        engine.receive(InputBatch([record.number], [record.key], [record.payload], {}))
        more = engine.work()
        while outcome.error is None and outcome.failure is None:
            if not more and engine.idle and group.idle:
                break
            await asyncio.sleep(_PAUSE)
            more = engine.work()
        if outcome.failure is None and outcome.error is None:
            _compare(found, shard, outcome)
        outcome.notices = list(notices.counts())
    finally:
        engine.close()
        group.close()
        resources.close()
        await resources.aclose()
        if cassette is not None:
            cassette.close()


def _compare(found: FoundRun, shard: Shard, outcome: Outcome) -> None:
    """Find what the run has changed in memory."""
    before = memory_before(found)
    prefix = key_prefix(found.record.key)
    after = dict(shard.read(lambda snapshot: LiveFields(snapshot).scan(prefix)))
    outcome.memory = {
        path: loads(data) for path, data in after.items() if data and before.get(path) != data
    }
    outcome.deleted = [path for path in before if path not in after]
