"""An agent whose pool measures nothing: what metrics cost is what it saves.

Metrics cannot be switched off, so importing this module makes their functions do nothing, in the
process of a launcher or in the zygote and its workers. Names of tamias are used that are nobody
else's; with its core compiled they cannot be replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agents import Counter
from tamias.launcher.metrics.input_ages import InputAges
from tamias.launcher.metrics.process_usage import ProcessUsages
from tamias.launcher.metrics.top_keys import TopKeys
from tamias.worker.metering.measures import FixedHistogram, Measures, UserTime

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Counter", "switch"]


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def _no_values(*_: Any) -> dict[str, Any]:
    return {}


def _attributes() -> Iterator[tuple[type, str, Any, Any]]:
    """What is replaced: class, name, what is there, and what comes there."""
    for kind, names in {
        Measures: (
            *("end_action", "end_plain_actions", "take_plain_times", "fail_action", "set_aside"),
            *("count_call", "count_commit", "count_model"),
        ),
        UserTime: ("end", "add"),
        FixedHistogram: ("add", "add_all"),
        ProcessUsages: ("sample",),
        TopKeys: ("sample",),
        InputAges: ("read", "age"),
    }.items():
        for name in names:
            yield kind, name, getattr(kind, name), _nothing
    yield Measures, "snapshot", Measures.snapshot, _no_values


_REPLACED: Final = [*_attributes()]


def switch(*, measured: bool) -> None:
    """Measure again in this process, or no more."""
    for kind, name, there, nothing in _REPLACED:
        setattr(kind, name, there if measured else nothing)


switch(measured=False)
