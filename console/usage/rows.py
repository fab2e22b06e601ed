"""What calls with limits have used in all, of what budget, and how their limits stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.errors import ConfigError
from ...agent.limits.prices import NANO
from ...agent.limits.settings import JOB, NO_LIMITS, Limits
from ...launcher.reload.generation_record import specs
from ...store.records.usage import NO_USE, Use

if TYPE_CHECKING:
    from ...agent.limits.settings import Limit

__all__ = ["configured_limits", "usage_row", "usage_rows"]

_NOW = ("granted", "waiting", "active", "breaker", "opened")
"""What only a running pool knows."""


def configured_limits(job: dict[str, Any]) -> Limits:
    """The limits of a job that a command can resume; none for others."""
    for spec in specs(job).values():
        config = spec.get("config")
        if isinstance(config, dict):
            try:
                return Limits.of(config)
            except ConfigError:  # of another version
                return NO_LIMITS
    return NO_LIMITS


def usage_rows(
    used: dict[str, Use], configured: Limits, status: dict[str, Any]
) -> list[dict[str, Any]]:
    """A row for each limit, that of the whole job last.

    Args:
        used: what calls have used, by limit.
        configured: the job's limits.
        status: how they stand in a running pool.
    """
    names = sorted({*used, *configured.by_name, *status} - {JOB})
    if JOB in used or JOB in configured.by_name:
        names.append(JOB)
    rows = []
    for name in names:
        row = usage_row(name, used.get(name, NO_USE), configured.limit(name))
        now = status.get(name)
        if isinstance(now, dict) and name != JOB:
            row.update({field: now.get(field) for field in _NOW})
        rows.append(row)
    return rows


def usage_row(name: str, use: Use, limit: Limit) -> dict[str, Any]:
    """What was used under one limit."""
    return {
        "limit": name,
        "tokens": use.tokens,
        "budget_tokens": limit.budget_tokens,
        "spent": use.money / NANO,
        "budget": None if limit.budget is None else limit.budget / NANO,
    }
