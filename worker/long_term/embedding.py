"""Vectors of texts: asked of an embedding model of the agent, checked, and brought to length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import MemorySetError, MissingExtraError
from ...agent.resources.resource import ResourceType
from ...store.sets.index.products import library
from ...store.sets.index.vectors import is_there, pack_vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...agent.context import RunnerContext
    from ...store.sets.records import SetSettings

BYTES_PER_NUMBER: Final = 2


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

    def known(
        self, vectors: Sequence[Sequence[float] | None] | None, count: int
    ) -> list[Sequence[float] | None]:
        """The vectors that a caller has given for so many items; None for each other one.

        Raises:
            MemorySetError: there are more or fewer, or the set has no embedding model.
        """
        if vectors is None:
            return [None] * count
        try:
            found = list(vectors)
        except TypeError:
            raise MemorySetError(
                f"The vectors for the memory set {self._set!r} are a {type(vectors).__name__}: "
                "give a list with one for each item."
            ) from None
        if len(found) != count:
            raise MemorySetError(
                f"{count} items for the memory set {self._set!r} came with {len(found)} vectors."
            )
        if not self.is_there and any(vector is not None for vector in found):
            raise MemorySetError(
                f"The memory set {self._set!r} has no embedding model, and was given vectors.",
                hint="Give the embedding model that they are of: searches ask it for theirs.",
            )
        return found

    def missing(
        self, known: Sequence[Sequence[float] | None], texts: Sequence[str]
    ) -> dict[int, str]:
        """The texts that the embedding model has to be asked for, by their places.

        Not those without a word: they have no meaning, and services refuse them.
        """
        if not self.is_there:
            return {}
        return {
            place: whole_text(text)
            for place, (vector, text) in enumerate(zip(known, texts, strict=True))
            if vector is None and text.strip()
        }

    def check(self, vectors: Sequence[Sequence[float] | None]) -> list[bytes]:
        """Vectors as the store has them: float16, of length 1; empty for none, or all zeros.

        Raises:
            MemorySetError: one is no vector of finite numbers, or of another length than the set's.
        """
        return [b"" if vector is None else self._checked(vector) for vector in vectors]

    def _checked(self, vector: Sequence[float]) -> bytes:
        if not is_there():
            raise MissingExtraError(
                f"The memory set {self._set!r} has an embedding model, and numpy is missing.",
                hint="pip install 'tamias[memory]', or give embedding='' to search by words alone.",
            )
        try:
            packed = pack_vector(vector)
        except ValueError as error:
            raise MemorySetError(
                f"What is to be a vector for the memory set {self._set!r} is none: it has to be "
                f"finite numbers. {error}",
                hint=f"Look at what the embedding model {self._settings.embedding!r} returns.",
            ) from None
        found, wanted = len(packed) // BYTES_PER_NUMBER, self._settings.dimensions
        if wanted and found != wanted:
            raise other_dimensions(self._set, found, wanted)
        if not any(packed):
            return b""  # of a text that says nothing to the model; words still find the item
        return packed


def import_arithmetic() -> None:
    """Import what vectors are compared with, as far as it is installed.

    For the process that workers are forked from: it takes a tenth of a second.
    """
    if is_there():
        library()


def other_dimensions(name: str, found: int, wanted: int) -> MemorySetError:
    """The error for a vector of another length than those of its set."""
    return MemorySetError(
        f"A vector for the memory set {name!r} has {found} dimensions, the set has {wanted}.",
        hint="Another model needs the items embedded anew: tamias memory reembed.",
    )


def whole_text(text: str) -> str:
    """A text as services take it: with a mark in the place of half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def filled(
    known: Sequence[Sequence[float] | None],
    texts: Mapping[int, str],
    made: Sequence[Sequence[float]],
) -> list[Sequence[float] | None]:
    """The known vectors, with those that were made of texts in their places.

    Raises:
        MemorySetError: the embedding model has made more or fewer, or what is none.
    """
    if len(made) != len(texts):
        raise MemorySetError(f"The embedding model made {len(made)} vectors of {len(texts)} texts.")
    together = list(known)
    for place, vector in zip(texts, made, strict=True):
        if vector is None:
            raise MemorySetError("The embedding model made None of a text, which is no vector.")
        together[place] = vector
    return together
