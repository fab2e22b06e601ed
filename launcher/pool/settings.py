"""The settings of a pool."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...agent.limits.settings import NO_LIMITS
from ..dispatch.breaker import BreakerRule
from ..hooks import logging_only
from ..workers.watchdog import WatchLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.hooks import Hooks
    from ...agent.limits.settings import Limits
    from ...environments.launch import Launch
    from ...store.waiting.reading import WaitingCounts
    from ...worker.process.boot import Boot
    from ..control.commands import Answer, Command
    from ..hooks import LauncherHook
    from ..streams.text_streams import TextStreams
    from ..workers.starter import Starter
    from .status import PoolStatus


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How a pool works; all but `slots` has a default."""

    slots: int
    window: int = 4096
    batch: int = 256
    max_attempts: int = 3
    malformed_limit: int = 0
    """See `check_beginning`; 0 for no limit."""
    limits: WatchLimits = field(default_factory=WatchLimits)
    drain_timeout: float = 0.0
    """The longest to wait for inputs in flight after a signal; 0 for any time."""
    log_limit: int = 0
    """About how many bytes of the workers' output are kept; 0 for all."""
    breaker: BreakerRule = field(default_factory=BreakerRule)
    at_end: str = "suspend"
    """What follows about waiting runs at the end of the input: "auto", "wait" or "suspend"."""
    at_end_limit: float = 0.0
    """How far ahead, in seconds, the next moment may be for "auto" to wait for it."""
    waiting_limit: int = 0
    """No inputs are read while more than these wait in the store; 0 for no limit."""
    ends_input: bool = False
    """Whether the end of the source is the end of the job's input, of which keys are told."""
    call_limits: Limits = NO_LIMITS
    """The limits of calls."""
    limit_parts: int = 1
    """How many pools share the configured limits; `call_limits` is the part of this one."""
    start_method: str = "zygote"
    make_starter: Callable[[Boot], Starter] | None = None
    """Makes the starter of workers; None: as `start_method` says."""
    launch: Launch | None = None
    """The workers' interpreter; None for the launcher's."""
    on_status: Callable[[PoolStatus], None] | None = None
    on_rest: Callable[[WaitingCounts, Callable[[Command], Answer]], bool] | None = None
    """Called at the end of the input when nothing is to be done now and runs wait, with what waits,
    and with what gives the pool a command; returns whether the pool ends."""
    streams: TextStreams | None = None
    """Where what calls write while they are under way goes; None: nowhere."""
    handle_signals: bool = True
    """Whether SIGINT and SIGTERM drain the pool; only possible in the main thread."""
    hooks: Hooks[LauncherHook] = field(default_factory=logging_only)
