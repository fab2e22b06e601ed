"""Vectors of texts: asked of an embedding model of the agent, checked, and brought to length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.errors import MemorySetError, MissingExtraError
from ...agent.resources.resource import ResourceType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...agent.context import RunnerContext
    from ...store.sets.records import SetSettings


class Embedder:
    """The embedding model of a set, in one context."""

    def __init__(self, context: RunnerContext, set_name: str, settings: SetSettings) -> None:
        self._context = context
        self._set = set_name
        self._settings = settings

    @property
    def is_there(self) -> bool:
        """Whether the set has vectors."""
        return bool(self._settings.embedding)

    def model(self) -> Any:
        """The embedding model, bound to the context: its calls are durable.

        Raises:
            MemorySetError: the set has vectors of another model.
        """
        setup: Any = self._context.get_resource(
            self._settings.embedding, ResourceType.EMBEDDING_MODEL
        )
        known = self._settings.model
        if known and known != setup.model:
            raise MemorySetError(
                f"The memory set {self._set!r} has vectors of the model {known!r}, and "
                f"{self._settings.embedding!r} is {setup.model!r} now: they cannot be compared.",
                hint="Embed its items anew: tamias memory reembed.",
            )
        return setup

    def check(self, vectors: Sequence[Sequence[float]]) -> list[bytes]:
        """Vectors as the store has them: float16, of length 1.

        Raises:
            MemorySetError: one is no vector of numbers, or of another length than the set's.
        """
        return [self._checked(vector) for vector in vectors]

    def _checked(self, vector: Sequence[float]) -> bytes:
        try:
            import numpy as np  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise MissingExtraError(
                f"The memory set {self._set!r} has an embedding model, and numpy is missing.",
                hint="pip install 'tamias[memory]', or give embedding='' to search by words alone.",
            ) from error
        array = np.asarray(vector, np.float32)
        length = float(np.linalg.norm(array)) if array.ndim == 1 else float("nan")
        if not np.isfinite(length) or not length:
            raise MemorySetError(
                f"The embedding model {self._settings.embedding!r} gave no vector for the memory "
                f"set {self._set!r}: it has to be numbers, finite and not all 0."
            )
        wanted = self._settings.dimensions
        if wanted and array.shape[0] != wanted:
            raise MemorySetError(
                f"A vector for the memory set {self._set!r} has {array.shape[0]} dimensions, the "
                f"set has {wanted}.",
                hint="Another model needs the items embedded anew: tamias memory reembed.",
            )
        return (array / length).astype(np.float16).tobytes()
