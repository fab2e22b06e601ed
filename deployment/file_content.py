"""What a deployment file may contain: its keys, and the types of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from ..environments.spec import StrictModel


def _empty(value: object) -> object:
    """Read `serve:` without a value as a service with the default settings."""
    return {} if value is None else value


class ServeEntry(StrictModel):
    """A service: its addresses besides the local socket."""

    listen: str | None = None
    """A TCP address, as ``tcp://127.0.0.1:7000``."""
    keys: str | None = None
    """The directory of the keys; TCP needs one."""


class AgentEntry(StrictModel):
    """One agent: from file to file, or as a service."""

    target: str
    input: str | None = None
    output: str | None = None
    key: str | None = None
    format: str | None = None
    ordered: bool = False
    overwrite: bool = False
    serve: Annotated[ServeEntry | None, BeforeValidator(_empty)] = None
    workers: int | None = Field(None, ge=0)
    environment: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)


class FileContent(StrictModel):
    """The whole file."""

    state: str | None = None
    """The directory of all state; default: beside the file, by its name."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Settings for all agents, which their own override, and `environment`."""
    agents: dict[str, AgentEntry] = Field(min_length=1)


def without(data: Any, places: list[tuple[int | str, ...]]) -> Any:
    """Return a copy of some content without its invalid parts."""
    heads = {place[0] for place in places if len(place) == 1}
    if not isinstance(data, Mapping):
        return data
    kept = {}
    for key, value in data.items():
        inner = [place[1:] for place in places if len(place) > 1 and place[0] == key]
        if key not in heads:
            kept[key] = without(value, inner) if inner else value
    # What is missing is missing: the entry around it is of no use.
    missing = [key for key in heads if key not in data]
    return None if missing else kept
