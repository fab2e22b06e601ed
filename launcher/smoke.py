"""The smoke input: new code runs a few inputs in a store of its own before it is given real ones.

A whole pool in miniature: one worker, temporary state, no output. What comes out is not looked at,
only whether all of it gets through.
"""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING

from ..agent.errors import ReloadError
from ..agent.options import PoolOptions
from ..store.directory import StateDirectory
from ..store.reader import StoreReader
from .checkpoint import Checkpoint
from .commands import Stop
from .delivery import Delivery
from .pool import Pool, PoolSettings
from .scratch import make_scratch
from .sinks import CollectSink
from .sources import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from ..agent.configuration import Configuration
    from ..worker.boot import Boot
    from .launch import Launch


@dataclass(frozen=True, slots=True)
class Trial:
    """How a file with inputs is to be read."""

    key: str | None = None
    input_format: str | None = None


def smoke(
    boot: Boot, launch: Launch | None, config: Configuration, path: str, trial: Trial
) -> None:
    """Run the inputs of a file through the agent of `boot`; blocks.

    Raises:
        ReloadError: not all got through within `reload-check-timeout`.
        AgentFailedError: an action let an exception out.
        TamiasError: the file cannot be read, the agent does not load, ...
    """
    scratch = make_scratch("none")
    try:
        _smoke(boot, launch, config, scratch, path=path, trial=trial)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _smoke(
    boot: Boot,
    launch: Launch | None,
    config: Configuration,
    scratch: Path,
    *,
    path: str,
    trial: Trial,
) -> None:
    with (
        open_source(path, trial.key, trial.input_format) as source,
        StateDirectory.open(scratch / "state", "smoke", 1, "none", {}) as state,
    ):
        sink = CollectSink(None)
        boot = replace(
            boot,
            address=f"ipc://@tamias-{os.getpid()}-{token_hex(8)}",
            state=str(state.path),
            shards=1,
            durability="none",
            on_error="fail",
            input_codec=source.codec,
            output_codec=sink.codec,
            scratch=str(scratch),
        )
        delivery = Delivery(sink, Checkpoint(), state.progress.save)
        settings = PoolSettings(
            slots=1,
            max_attempts=1,
            start_method=config.get(PoolOptions.START_METHOD),
            launch=launch,
            handle_signals=False,
        )
        limit = config.get(PoolOptions.RELOAD_CHECK_TIMEOUT)
        try:
            delivery.open()
            pool = Pool(boot, source, delivery, state, settings)
            timer = threading.Timer(limit, _stop_at_once, [pool])
            timer.daemon = True
            timer.start()
            try:
                finished = pool.run()
            finally:
                timer.cancel()
        finally:
            delivery.close()
        if not finished:
            raise ReloadError(f"the smoke input was not through after {limit:g} s")
        _refuse_letters(state.path)


def _stop_at_once(pool: Pool) -> None:
    for _ in range(2):  # the second one does not wait for what is in flight
        pool.post(Stop())


def _refuse_letters(state: Path) -> None:
    with StoreReader(state) as reader, reader.shard(0) as snapshot:
        for letter in snapshot.dead_letters() if snapshot is not None else ():
            raise ReloadError(f"smoke input {letter.offset} failed: {letter.error}")
