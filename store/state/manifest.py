"""The manifest of a state directory: `tamias.json`."""

from __future__ import annotations

import importlib.metadata
import re
import time
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_args

from ...agent.errors import StoreCorruptError, StoreFormatError
from ..files import read_json, write_json
from ..identity import StoreIdentity, new_identity
from ..shard.shard import Durability
from .layout import StateLayout

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMAT", "Manifest"]

_LATER = frozenset({"store", "complete", "parts"})
"""Fields that older versions do not write."""

FORMAT = 1
"""Version of the layout and of all encodings in it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a state directory.

    Attributes:
        agent: the agent it belongs to, as `AgentPlan.name`.
        shards: number of shards, fixed for the life of the directory.
        durability: what commits survive.
        job: what the launcher needs to resume; JSON, read only by the launcher.
        tamias: the version that wrote it.
        created: seconds since the epoch.
        format: version of the layout.
        store: the random identity of the store; empty in one that an older version has made.
        complete: whether all parts of the store have been made: one that is missing is lost.
        parts: names of further parts that have been made since.
    """

    agent: str
    shards: int
    durability: Durability
    job: dict[str, Any] = field(default_factory=dict)
    tamias: str = ""
    created: float = 0.0
    format: int = FORMAT
    store: str = ""
    complete: bool = False
    parts: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, directory: Path) -> Manifest | None:
        """Return the manifest of a directory, None if it has none.

        Raises:
            StoreFormatError: a newer version of tamias wrote it.
            StoreCorruptError: it is damaged.
        """
        path = StateLayout(directory).manifest
        content = read_json(path)
        if content is None:
            return None
        version = content.get("format")
        if isinstance(version, int) and version > FORMAT:
            raise StoreFormatError(
                f"{directory} has format {version}, written by tamias "
                f"{content.get('tamias', '(unknown)')}; this version knows formats up to {FORMAT}.",
                hint="Use that version of tamias, or another state directory.",
            )
        if not _is_valid(content):
            raise StoreCorruptError(
                f"{path} makes no sense.", hint="Restore the state directory from a copy."
            )
        return cls(**{f.name: content[f.name] for f in fields(cls) if f.name in content})

    @classmethod
    def new(cls, agent: str, shards: int, durability: Durability, job: dict[str, Any]) -> Manifest:
        """Return the manifest of a directory created now, by this version."""
        try:
            version = importlib.metadata.version("tamias")
        except importlib.metadata.PackageNotFoundError:
            version = "unknown"
        return cls(agent, shards, durability, job, version, time.time(), store=new_identity())

    @property
    def identity(self) -> StoreIdentity:
        """What each part of the store has recorded."""
        return StoreIdentity(self.store, self.shards)

    def write(self, directory: Path) -> None:
        """Make this the manifest of a directory, atomically.

        Raises:
            StoreFullError, StoreUnwritableError: the old manifest is still there.
        """
        sync = self.durability == "machine"
        write_json(StateLayout(directory).manifest, asdict(self), sync=sync)


def _is_valid(content: dict[str, Any]) -> bool:
    """Return whether the content of a manifest has the form that this version writes."""
    shards = content.get("shards")
    return (
        content.keys() >= {f.name for f in fields(Manifest)} - _LATER
        and content["format"] == FORMAT
        and content["durability"] in get_args(Durability)
        and isinstance(content["agent"], str)
        and type(shards) is int
        and shards >= 1
        and isinstance(content["job"], dict)
        and _is_identity(content.get("store", ""))
        and content.get("complete", False) in {False, True}
        and (bool(content.get("store")) or not content.get("complete"))
        and isinstance(content.get("parts", []), list)
    )


def _is_identity(store: object) -> bool:
    return isinstance(store, str) and re.fullmatch("([0-9a-f]{32})?", store) is not None
