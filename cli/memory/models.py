"""The embedding models of the agent that a state directory belongs to, made in this process."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from ...agent.config.configuration import Configuration, parse_assignments
from ...agent.errors import TamiasError, UsageError
from ...agent.plan import AgentPlan
from ...agent.resources.registry import ResourceRegistry
from ...agent.resources.resource import ResourceType
from ...launcher.reload import generation_record
from ...worker.importing.target_loader import load_target
from ...worker.importing.yaml_files import target_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from ...agent.models.embedding_model import BaseEmbeddingModelSetup
    from ...store.state.manifest import Manifest

__all__ = ["AgentModels", "NamedModel"]


_SAMPLE: Final = "a text"


class NamedModel(NamedTuple):
    """An embedding model of the agent.

    Attributes:
        name: of the resource.
        setup: what makes vectors.
    """

    name: str
    setup: BaseEmbeddingModelSetup

    @property
    def model(self) -> str:
        """What sets record as the model of their vectors."""
        return self.setup.model

    def dimensions(self) -> int:
        """The length of its vectors, by that of one."""
        return len(self.embed([_SAMPLE])[0])

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of texts, asked for in one call.

        Raises:
            UsageError: the model has given something else, or an error.
        """
        try:
            vectors = cast("list[list[float]]", self.setup.embed(list(texts)))
        except TamiasError:
            raise
        except Exception as error:
            raise UsageError(
                f"The embedding model {self.name!r} failed: {type(error).__name__}: {error}.",
                hint="Repeat the command when it can be reached; what was made is kept.",
            ) from error
        if len(vectors) != len(texts):
            raise UsageError(
                f"The embedding model {self.name!r} gave {len(vectors)} vectors for {len(texts)} "
                "texts."
            )
        return vectors


class AgentModels:
    """The embedding models of an agent, as a job has it on record, or of another target.

    The agent is imported in this process, so its packages must be installed here. Closing it
    closes the models.
    """

    def __init__(
        self, manifest: Manifest, target: str | None = None, settings: Sequence[str] = ()
    ) -> None:
        """`settings` are assignments, such as secrets, which are not on record."""
        self._manifest = manifest
        self._target = target
        self._settings = settings
        self._registry: ResourceRegistry | None = None

    def get(self, name: str) -> NamedModel:
        """The embedding model of that name.

        Raises:
            UsageError: the agent is not known or cannot be imported, or has no such model.
            TamiasError: the model cannot be made here.
        """
        if self._registry is None:
            self._registry = self._load()
        # Modules that print when they are imported must not do so into this command's output.
        with contextlib.redirect_stdout(sys.stderr):
            found: Any = self._registry.get(name, ResourceType.EMBEDDING_MODEL)
        return NamedModel(name, found)

    def names(self) -> list[str]:
        """The names of the embedding models that the agent has; raises as `get`."""
        if self._registry is None:
            self._registry = self._load()
        return self._registry.names(ResourceType.EMBEDDING_MODEL)

    def _load(self) -> ResourceRegistry:
        spec = next(iter(generation_record.specs(self._manifest.job).values()), {})
        target = self._target or spec.get("target")
        if not isinstance(target, str):
            raise UsageError(
                "The agent is not on record: a program has made this state directory.",
                hint="Name the agent: --target package.module:name or path/to/file.py:name.",
            )
        folder = Path(spec["folder"]) if spec.get("folder") and not self._target else None
        config = Configuration(spec.get("config") or {})
        config.add_defaults(target_settings(target))
        config.override(parse_assignments(self._settings))
        with contextlib.redirect_stdout(sys.stderr):
            plan = AgentPlan.compile(load_target(target, folder), config)
        return ResourceRegistry(plan.providers, plan.config)

    def close(self) -> None:
        """Close the models that were made."""
        if self._registry is not None:
            self._registry.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
