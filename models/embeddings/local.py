"""Embeddings made in the process: `LocalEmbeddingModelConnection` and its setup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from ...agent.errors import AgentDefinitionError
from ...agent.models.embedding_model import (
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    Vectors,
)
from ...agent.naming.public import public
from ...agent.waiting.threads import call_in_thread
from ..shared.arguments import check_arguments
from .static_table import BUNDLED, StaticTable, import_packages, loaded, preload

__all__ = ["LocalEmbeddingModelConnection", "LocalEmbeddingModelSetup"]

_SHORT = 20_000
"""So many characters take about as long as handing them to a thread and back is worth."""


@public
class LocalEmbeddingModelConnection(BaseEmbeddingModelConnection):
    """Makes embeddings in the process, without a server: some 50 microseconds a text.

    The model is the one that comes with the extra ``embeddings`` (the package wordllama, 256
    dimensions), or a folder that model2vec has saved. It is mapped into memory at its first use;
    workers share it.
    """

    is_repeatable: ClassVar[bool] = True

    _tables: dict[str, StaticTable] = PrivateAttr(default_factory=dict)
    _lock: Any = PrivateAttr(default_factory=Lock)

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Import what is needed, so that workers share it, and check the arguments."""
        check_arguments(cls, arguments)
        import_packages()

    def embed(
        self,
        text: str | Sequence[str],
        model: str = BUNDLED,
        dimensions: int | None = None,
        normalize: bool = True,  # noqa: FBT001, FBT002 (from a setup's model_kwargs)
        **kwargs: Any,
    ) -> Vectors:
        """The vector of a text, or a list of vectors for several.

        Args:
            text: one text, or several.
            model: ``"wordllama"``, or a folder with a static model.
            dimensions: take so many of the first numbers only; None for all.
            normalize: give vectors the length 1.
            kwargs: none are known.

        Raises:
            MissingExtraError: the extra ``embeddings`` is not installed.
            AgentDefinitionError: an argument is wrong, or the model cannot be used.
        """
        if kwargs:
            msg = f"Embeddings in the process take no argument {', '.join(sorted(kwargs))}."
            raise AgentDefinitionError(msg, hint="Known: model, dimensions, normalize.")
        table = self._table(model)
        wanted = table.dimensions if dimensions is None else dimensions
        if not 0 < wanted <= table.dimensions:
            msg = f"The model {model!r} has {table.dimensions} dimensions, not {dimensions}."
            raise AgentDefinitionError(msg, hint="Ask for as many or fewer.")
        texts = [text] if isinstance(text, str) else list(text)
        vectors: list[list[float]] = table.embed(texts, wanted, normalize=normalize).tolist()
        return vectors[0] if isinstance(text, str) else vectors

    async def aembed(self, text: str | Sequence[str], **kwargs: Any) -> Vectors:
        """The awaitable form of `embed`: in a thread, if it takes more than a moment."""
        texts = [text] if isinstance(text, str) else text
        is_short = sum(map(len, texts)) + 100 * len(texts) <= _SHORT
        if is_short and self._is_loaded(kwargs.get("model", BUNDLED)):
            return self.embed(text, **kwargs)
        return await call_in_thread(partial(self.embed, text, **kwargs))

    def _table(self, model: str) -> StaticTable:
        with self._lock:
            table = self._tables.get(model)
            if table is None:
                table = self._tables[model] = loaded(model) or StaticTable(model)
            return table

    def _is_loaded(self, model: str) -> bool:
        return model in self._tables or loaded(model) is not None

    def close(self) -> None:
        """Unmap the models."""
        self._tables.clear()


@public
class LocalEmbeddingModelSetup(BaseEmbeddingModelSetup):
    """An embedding model that runs in the process.

    With fewer ``dimensions`` than the model has, vectors are cut: wordllama is made for 64, 128
    and 256.
    """

    model: str = Field(default=BUNDLED, description='"wordllama", or a folder.')
    dimensions: int | None = Field(default=None, gt=0)
    normalize: bool = True

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Map the model, so that workers share it, and check the arguments."""
        check_arguments(cls, arguments)
        preload(arguments.get("model", BUNDLED))

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """``model``, ``dimensions`` and ``normalize``."""
        return {
            "model": self.model,
            "dimensions": self.dimensions,
            "normalize": self.normalize,
        }
