"""What the dispatcher counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Statistics:
    """Counts since the dispatcher was made, for progress displays and metrics.

    `recovered` inputs were completed by an earlier life of a worker or of the launcher and were
    never sent (again); `retries` counts items sent after a death interrupted them; `condemned`
    those that the dispatcher found guilty and sent to be set aside.
    """

    submitted: int = 0
    completed: int = 0
    recovered: int = 0
    retries: int = 0
    deaths: int = 0
    start_failures: int = 0
    condemned: int = 0


@dataclass(slots=True)
class Tally:
    """What became of one generation's workers: what a rollback is decided on.

    Counted as in `Statistics`. `on_trial`: that its workers cannot be kept alive is not the end of
    the pool, but is left in `given_up`, and those slots stay down.
    """

    completed: int = 0
    failed: int = 0
    """Of the completed, those that were set aside or passed over."""
    retries: int = 0
    deaths: int = 0
    start_failures: int = 0
    condemned: int = 0
    last_death: str = ""
    """How the last of them ended, or did not start."""
    on_trial: bool = False
    given_up: str = ""
