"""What commands that run an agent have in common: which agent, how, in which interpreter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ...agent.config.secret_names import secret_settings
from ...agent.errors import UsageError
from ...environments.provide import provide_launch
from ..reload import generation_record
from .agent_spec import AgentSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from ...environments.launch import Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec(ABC):
    """What a command has described. Paths are absolute."""

    target: str
    """`package.module:name`, or `/path/to/file.py:name`."""
    config: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    """The working directory of the command: modules are looked for here, too."""
    environment: dict[str, Any] = field(default_factory=dict)
    """The workers' environment, as `EnvironmentSpec.of` reads it; empty: the launcher's."""

    @property
    @abstractmethod
    def failure_policy(self) -> str:
        """What follows the failure of an input: see `AgentSpec.on_error`."""

    @property
    def agent(self) -> str:
        """The agent's identity: a file's stem, or a module, and the name in it."""
        return generation_record.agent_of(self.target)

    def agent_spec(self) -> AgentSpec:
        """Return the agent, as its workers get it."""
        return AgentSpec(
            self.agent,
            target=self.target,
            config=self.config,
            on_error=self.failure_policy,
            sys_path=[self.folder] if self.folder else [],
            environment=self.environment,
        )

    def launch(self) -> Launch | None:
        """Return how the workers' interpreter is started; make its environment if it is missing.

        Raises:
            EnvironmentSetupError: it cannot be made, or does not work.
        """
        return provide_launch(self.environment)

    def record(self) -> dict[str, Any]:
        """What a manifest records: all but secrets, whose names it has."""
        return {**asdict(self), **generation_record.recorded_config(self.config)}

    @classmethod
    def of_record(cls, record: Mapping[str, Any], secrets: Mapping[str, Any] | None = None) -> Self:
        """Return what a manifest has recorded; entries of other versions are left out.

        Args:
            record: the manifest's.
            secrets: settings among which are those that are not on record.

        Raises:
            UsageError: one of them is missing.
        """
        known = {spec_field.name for spec_field in fields(cls)}
        given = {name: value for name, value in record.items() if name in known}
        config = {**given.get("config", {}), **secret_settings(secrets or {})}
        missing = [
            name for name in record.get(generation_record.WITHHELD, ()) if name not in config
        ]
        if missing:
            raise UsageError(
                f"{', '.join(missing)} would be missing: secrets are not on record.",
                hint="Carry on with the command that began it, which gives them; better, keep them"
                " in the environment.",
            )
        return cls(**{**given, "config": config})
