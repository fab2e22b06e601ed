"""Describes the agent that the workers of a job run: its target, settings and environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent, by name or pickled; the launcher never imports it.

    Exactly one of `target` and `pickled` is set.
    """

    name: str
    """The agent's identity; a state directory belongs to one."""
    target: str | None = None
    """`package.module:name`, or `/path/to/file.py:name`."""
    pickled: str | None = None
    """The agent with its resources, pickled, in base64."""
    config: dict[str, Any] = field(default_factory=dict)
    on_error: str = "dead-letter"
    """The policy for an input whose run fails: `fail`, `dead-letter` or `ignore`."""
    sys_path: Sequence[str] = ()
    """Folders with the agent's modules."""
    environment: dict[str, Any] = field(default_factory=dict)
    """The workers' environment, as `EnvironmentSpec.of` takes it; empty: the launcher's."""
