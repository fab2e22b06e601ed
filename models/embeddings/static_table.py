"""`StaticTable`: a vector for each token, in a file; a text's vector is the mean of its tokens'.

Such a model needs no server, no library for tensors and little time: some 50 microseconds for a
text. The file is mapped into memory, not read, so all workers of a machine share its pages, and
only the rows that occur are read at all.

Two layouts are known: that of the package ``wordllama``, which carries its model in its wheel, and
a folder with ``model.safetensors`` and ``tokenizer.json``, as model2vec saves it.
"""

from __future__ import annotations

import json
import math
import mmap
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import AgentDefinitionError, MissingExtraError, TamiasError
from ..shared.extras import import_sdk

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["BUNDLED", "StaticTable", "import_packages", "loaded", "preload"]

BUNDLED = "wordllama"
"""The name of the model that comes with the extra ``embeddings``."""

_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "|i1", "I32": "<i4", "I64": "<i8"}
_MAX_HEADER = 1 << 20
_PRELOADED: Final[dict[str, StaticTable]] = {}


def import_packages() -> Any:
    """Import what a table needs, and return the package of tokenizers.

    Raises:
        MissingExtraError: the extra is not installed.
    """
    import_sdk("numpy", "embeddings")
    return import_sdk("tokenizers", "embeddings")


def preload(model: str) -> None:
    """Map a model for the processes that are forked from this one, if it can be used.

    Its vocabulary takes a tenth of a second to read, and more memory than all else of a worker's
    own. If it cannot be used, its first use says so.
    """
    if model not in _PRELOADED:
        with suppress(TamiasError):
            _PRELOADED[model] = StaticTable(model)


def loaded(model: str) -> StaticTable | None:
    """A model that was preloaded, None if it was not."""
    return _PRELOADED.get(model)


class StaticTable:
    """A mapped table of token vectors, with its tokenizer. May be used from several threads."""

    __slots__ = ("_embeddings", "_mapping", "_tokenizer", "_unknown", "_weights", "dimensions")

    def __init__(self, model: str) -> None:
        """Map a model.

        Args:
            model: `BUNDLED`, or a folder.

        Raises:
            MissingExtraError: the packages are not installed.
            AgentDefinitionError: there is no such model, or its files are of another kind.
        """
        tokenizers = import_packages()
        table, tokenizer = _files(model)
        try:
            tensors = _mapped(table)
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(tokenizer))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unusable(model, str(error)) from error
        except Exception as error:
            # The tokenizer's own errors are of the class Exception.
            if type(error) is not Exception:
                raise
            raise _unusable(model, str(error)) from error
        rows = [tensors[name] for name in ("embedding.weight", "embeddings") if name in tensors]
        if not rows or rows[0].ndim != 2:
            found = ", ".join(tensors) or "nothing"
            raise _unusable(model, f"{table.name} has no table of embeddings ({found}).")
        self._embeddings: NDArray[Any] = rows[0]
        self._weights: NDArray[Any] | None = tensors.get("weights")
        self._mapping: NDArray[Any] | None = tensors.get("mapping")
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._unknown = None if model == BUNDLED else _unknown_token(tokenizer)
        self.dimensions = int(self._embeddings.shape[1])

    def embed(self, texts: Sequence[str], dimensions: int, *, normalize: bool) -> Floats:
        """One row for each text; that of a text without tokens is zero."""
        import numpy as np  # noqa: PLC0415 (an extra)

        vectors = np.zeros((len(texts), dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            tokens = self._tokens(text)
            if not len(tokens):
                continue
            places = tokens if self._mapping is None else self._mapping[tokens]
            found = self._embeddings[places]
            if dimensions < found.shape[1]:
                found = found[:, :dimensions]
            if self._weights is not None:
                found = found * self._weights[tokens, None].astype(np.float32)
            vector = vectors[row]
            np.add.reduce(found, axis=0, dtype=np.float32, out=vector)
            length = math.sqrt(float(vector @ vector)) if normalize else len(tokens)
            if length:
                vector /= np.float32(length)
        return vectors

    def _tokens(self, text: str) -> NDArray[np.int64]:
        import numpy as np  # noqa: PLC0415 (an extra)

        # One at a time: batches start a thread for each core, in each worker.
        encoded = self._tokenizer.encode(text, add_special_tokens=False).ids
        if self._unknown is not None:
            encoded = [token for token in encoded if token != self._unknown]
        tokens = np.array(encoded, dtype=np.int64)
        limit = len(self._embeddings if self._weights is None else self._weights)
        return np.minimum(tokens, limit - 1)


def _files(model: str) -> tuple[Path, Path]:
    if model == BUNDLED:
        spec = find_spec(BUNDLED)
        if spec is None or not spec.submodule_search_locations:
            msg = "The package wordllama, which has the model, is not installed."
            raise MissingExtraError(msg, hint="Install it with: pip install 'tamias[embeddings]'")
        folder = Path(spec.submodule_search_locations[0])
        tables = sorted((folder / "weights").glob("*.safetensors"))
        vocabularies = sorted((folder / "tokenizers").glob("*.json"))
        if len(tables) != 1 or len(vocabularies) != 1:
            raise _unusable(model, f"{folder} has another layout than version 0.4.")
        return tables[0], vocabularies[0]
    folder = Path(model).expanduser()
    files = folder / "model.safetensors", folder / "tokenizer.json"
    absent = [str(file) for file in files if not file.is_file()]
    if absent:
        raise _unusable(model, f"There is no {' and no '.join(absent)}.")
    return files


def _mapped(file: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file in the format safetensors, not copied."""
    import numpy as np  # noqa: PLC0415 (an extra)

    with file.open("rb") as opened:
        data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(data[:8], "little")
    if not 0 < length <= min(_MAX_HEADER, len(data) - 8):
        raise ValueError(f"{file.name} is not in the format safetensors.")
    tensors = {}
    for name, about in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        if about["dtype"] not in _TYPES:
            raise ValueError(f"{file.name} has numbers of the type {about['dtype']}.")
        dtype = np.dtype(_TYPES[about["dtype"]])
        begin, end = about["data_offsets"]
        flat: NDArray[Any] = np.frombuffer(
            data, dtype=dtype, count=(end - begin) // dtype.itemsize, offset=8 + length + begin
        )
        tensors[name] = flat.reshape(about["shape"])
    return tensors


def _unknown_token(tokenizer: Path) -> int | None:
    """The token for what the tokenizer does not know, which model2vec leaves out."""
    model = json.loads(tokenizer.read_bytes()).get("model", {})
    unknown, vocabulary = model.get("unk_token"), model.get("vocab")
    if isinstance(model.get("unk_id"), int):
        return int(model["unk_id"])
    return vocabulary.get(unknown) if isinstance(vocabulary, dict) else None


def _unusable(model: str, why: str) -> AgentDefinitionError:
    msg = f"The embedding model {model!r} cannot be used: {why}"
    hint = (
        f"Name {BUNDLED!r}, or a folder with model.safetensors and tokenizer.json of a model with"
        " static embeddings, as model2vec saves it."
    )
    return AgentDefinitionError(msg, hint=hint)
