"""Whether a failed run is tried again, and when.

An action with a retry policy of its own is tried as that says. Without one, and only where failed
inputs are set aside as dead letters, it depends on what has failed: errors of the code itself are
tried at once, since an agent may depend on what is not ready yet, and others after a wait. What
looks temporary has attempts of its own, so that a service that is down for a while uses up none of
the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...agent.failures.error_text import one_line
from ...agent.waiting.temporary import Kind, kind_of
from ...store.waiting.records import AttemptError

if TYPE_CHECKING:
    from ...agent.waiting.retry import RetryPolicy
    from ..policy import Policy
    from .run import Run

_LONGEST_ERROR: Final = 500
"""Characters of an attempt's error that are kept."""
_FULL_ERRORS: Final = 100
"""So many attempts are kept with the texts of their errors."""


def record_failure(run: Run, error: BaseException, now: float) -> None:
    """Add the error to those of the run's attempts."""
    text = one_line(error)[:_LONGEST_ERROR] if len(run.errors or ()) < _FULL_ERRORS else ""
    temporary = kind_of(error) is Kind.TEMPORARY
    name = run.action.name if run.action is not None else ""
    run.errors = [*(run.errors or ()), AttemptError(now, text, name, temporary)]


def wait_before_next(run: Run, error: BaseException, policy: Policy, now: float) -> float | None:
    """Seconds until the next attempt at a run, whose failure is recorded; None if there is none."""
    errors = run.errors or []
    own = run.action.retry if run.action is not None else None
    if own is not None:
        failed = sum(each.action == errors[-1].action for each in errors)
        again = failed < own.attempts and own.retries(error)
        return _wait(own, run, failed, error, now) if again else None
    if policy.on_error != "dead-letter" or policy.max_attempts == 1:
        return None
    if errors[-1].temporary:
        again = len(errors) < max(policy.retry.attempts, policy.max_attempts)
        return _wait(policy.retry, run, len(errors), error, now) if again else None
    failed = sum(not each.temporary for each in errors)
    if failed >= policy.max_attempts:
        return None
    if kind_of(error) is Kind.CODE:
        return 0.0
    return _wait(policy.retry, run, failed, error, now)


def _wait(policy: RetryPolicy, run: Run, failed: int, error: BaseException, now: float) -> float:
    return policy.wait_after(failed, error, now=now, seed=run.offset.to_bytes(8, "big"))
