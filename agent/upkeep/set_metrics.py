"""Where a memory set counts what it costs: in a group of its name, in that of the action.

Counters that there are: ``compactions``, ``compactedItems`` (that summaries have replaced),
``failedCompactions``, ``extractions``, ``failedExtractions``, ``extractedItems``, ``ignoredItems``
(that were not worth keeping), ``mergedItems`` (near-duplicates), ``evictedItems``. Calls and tokens
of models are below, in ``model.<name>``: ``calls``, ``promptTokens``, ``completionTokens``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from ..context import RunnerContext
    from ..metrics import MetricGroup

__all__ = ["set_metrics"]

_MOST: Final = 100
"""Sets that have groups of their own: programs may make names of sets without end."""
_OTHERS: Final = "others"
_names: Final[WeakKeyDictionary[MetricGroup, set[str]]] = WeakKeyDictionary()


def set_metrics(ctx: RunnerContext, set_name: str) -> MetricGroup:
    """The group of a memory set in the action that is running."""
    group = ctx.action_metric_group
    known = _names.setdefault(group, set())
    if set_name not in known:
        if len(known) >= _MOST:
            set_name = _OTHERS
        known.add(set_name)
    return group.get_sub_group("memory", set_name)
