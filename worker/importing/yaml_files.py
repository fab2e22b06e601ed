"""YAML files with agents: read, and made into agents whose functions are in modules beside them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.errors import TargetError
from .codebase import add_own_file
from .target_names import is_yaml

if TYPE_CHECKING:
    from ...agent.agent import Agent
    from ...agent.yaml_agents.building import BuiltAgents
    from ...agent.yaml_agents.reading import ReadDocument

Paths = str | Path | Iterable[str | Path]
"""One path, or several."""


def load_yaml(paths: Paths) -> dict[str, Agent]:
    """Return the agents of YAML files, by name.

    Args:
        paths: one file or several, which are read together: agents of each may use the resources
            and actions that any of them shares. Functions that they name are imported; modules are
            looked for beside the files, too.

    Raises:
        AgentDefinitionError: something is wrong in a file; with all mistakes and their positions.
        TargetError: a file cannot be read.
    """
    return built_agents(paths, is_complete=True).complete_agents()


def built_agents(paths: Paths, *, is_complete: bool) -> BuiltAgents:
    """Return what YAML files describe; `is_complete` as for `build`. Raises as `load_yaml`."""
    from ...agent.yaml_agents.building import build  # noqa: PLC0415 (few agents are YAML)

    several = [paths] if isinstance(paths, (str, Path)) else list(paths)
    documents = [_read(Path(path)) for path in several]
    for path in several:
        file = Path(path).absolute()
        add_own_file(str(file))
        if str(file.parent) not in sys.path:
            sys.path.append(str(file.parent))
    return build(documents, is_complete=is_complete)


def yaml_agent(path: Path, name: str) -> Agent:
    """Return the agent of a YAML file; without a name, the only one in it.

    Raises:
        TargetError: the file cannot be read, or has no such agent.
        AgentDefinitionError: something is wrong in it.
    """
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    agents = load_yaml(path)
    if name in agents:
        return agents[name]
    if not agents:
        raise TargetError(
            f"{path} has no agents.", hint="Write a list of agents with names under `agents:`."
        )
    if name:
        close = get_close_matches(name, agents, 1)
        raise TargetError(
            f"{path} has no agent {name!r}.",
            hint=f"Did you mean {close[0]!r}?" if close else f"Agents there: {', '.join(agents)}.",
        )
    if len(agents) > 1:
        raise TargetError(
            f"{path} has several agents: {', '.join(agents)}.",
            hint=f"Say which, as in {path.name}:{next(iter(agents))}.",
        )
    return next(iter(agents.values()))


def target_settings(target: str, folder: Path | None = None) -> dict[str, Any]:
    """Return the settings that the YAML file of a target has for its job, by dotted key.

    Nothing is imported, and mistakes are left to whoever makes the agents. There are none for other
    targets, and for files that cannot be read.
    """
    location, _, name = target.rpartition(":")
    path = Path(folder or "") / Path(location or name).expanduser()
    if not is_yaml(str(path)) or not path.is_file():
        return {}
    from ...agent.errors import TamiasError  # noqa: PLC0415

    try:
        return _read(path).settings
    except TamiasError:
        return {}


def _read(path: Path) -> ReadDocument:
    from ...agent.yaml_agents.reading import read_document  # noqa: PLC0415 (few agents are YAML)

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise TargetError(
            f"The file {path} with agents cannot be read: {why}.",
            hint="Give the path of a readable YAML file.",
        ) from None
    return read_document(text, str(path), os.environ)
