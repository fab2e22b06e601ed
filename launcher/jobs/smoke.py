"""Smoke inputs: new code runs a few inputs in a store of its own before it gets real ones.

It is a small job: one worker, temporary state, no output. It succeeds if all inputs do.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ...agent.config.options import PoolOptions
from ...agent.errors import ReloadError
from ...store.state.reader import StoreReader
from ...store.state.scratch import make_scratch
from ..delivery.checkpointed import CheckpointedDelivery
from ..sinks.collect import CollectSink
from ..sources.factory import open_source
from .agent_spec import AgentSpec
from .job import Job

if TYPE_CHECKING:
    from pathlib import Path

    from ...agent.config.configuration import Configuration
    from ...environments.launch import Launch
    from ...worker.process.boot import Boot
    from ..reload.reloader import SmokeRunner


def smoke_runner(key: str | None = None, input_format: str | None = None) -> SmokeRunner:
    """Make a function that runs a file of smoke inputs, read as `open_source` reads it.

    It raises ReloadError if not all inputs are done within `reload-check-timeout`, AgentFailedError
    if an action raises, and the errors of the file and of the agent's import.
    """

    def run(boot: Boot, launch: Launch | None, config: Configuration, path: str) -> None:
        scratch = make_scratch("none")
        try:
            job = _job(boot, launch, config, scratch)
            with (
                open_source(path, key, input_format) as source,
                job.open_state(scratch / "state", {}) as state,
            ):
                report = job.run(
                    state, source, CheckpointedDelivery(CollectSink(None), state.progress)
                )
                if not report.finished:
                    raise ReloadError(f"the smoke input was not through after {job.time_limit:g} s")
                _refuse_dead_letters(state.path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    return run


def _job(boot: Boot, launch: Launch | None, config: Configuration, scratch: Path) -> Job:
    small = {
        PoolOptions.WORKERS.key: 1,
        PoolOptions.SHARDS.key: 1,
        PoolOptions.DURABILITY.key: "none",
        PoolOptions.MAX_ATTEMPTS.key: 1,
    }
    spec = AgentSpec(
        "smoke",
        target=boot.target,
        pickled=boot.agent,
        config={**config.data, **small},
        on_error="fail",
        sys_path=boot.sys_path,
    )
    return Job(
        spec,
        launch,
        scratch=scratch,
        controllable=False,
        observed=False,
        time_limit=config.get(PoolOptions.RELOAD_CHECK_TIMEOUT),
        handle_signals=False,
    )


def _refuse_dead_letters(state: Path) -> None:
    with StoreReader(state) as reader, reader.shard(0) as snapshot:
        for letter in snapshot.dead_letters() if snapshot is not None else ():
            raise ReloadError(f"smoke input {letter.offset} failed: {letter.error}")
