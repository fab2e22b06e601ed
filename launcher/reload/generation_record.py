"""The record of generations in a state directory: the current one, and what it is made of.

The number of the generation that counts is in the manifest, beside the job. So are the highest
number that was ever given out, because one that was rolled back has left traces, too, and what the
current one is made of: the job's definition (target, configuration, environment) and a digest of
each file of the agent's own code. A life that begins with something else begins a new generation.

A new generation gets its number when it is planned and counts from the moment it is promoted. What
is on record in between is the old one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.options import KNOWN_OPTIONS
from ...agent.config.secret_names import secret_settings, without_secrets
from ...store.crashpoints import reach
from ...worker.importing.codebase import changed
from ...worker.importing.target_names import without_suffix

if TYPE_CHECKING:
    from ...environments.launch import Launch
    from ...store.state.directory import StateDirectory
    from ...store.state.manifest import Manifest

SPECS: Final = ("spec", "service")
"""Entries of a manifest's job from which a command can start it again."""

WITHHELD: Final = "withheld"
"""In these: the names of settings that are secrets."""

_NUMBER = "generation"
_LINEAGE = "lineage"


def current(state: StateDirectory) -> int:
    """The generation that counts; 0 in a new state directory."""
    number = state.manifest.job.get(_NUMBER, 0)
    return number if isinstance(number, int) else 0


def files(manifest: Manifest) -> dict[str, str]:
    """Digests of the files of that generation's code; empty until it has been imported."""
    record = manifest.job.get(_LINEAGE)
    return dict(record.get("files", {})) if isinstance(record, dict) else {}


def specs(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a command can start the job again from: at most one entry, by its name."""
    return {name: job[name] for name in SPECS if isinstance(job.get(name), dict)}


def recorded_config(config: dict[str, Any]) -> dict[str, Any]:
    """The entries of such a record for a configuration, without secrets."""
    withheld = sorted(secret_settings(config))
    return {"config": without_secrets(config), **({WITHHELD: withheld} if withheld else {})}


def recorded_environment(job: dict[str, Any]) -> dict[str, Any]:
    """What the workers' environment is made of, by a manifest's job; empty if of nothing."""
    for spec in specs(job).values():
        environment = spec.get("environment")
        if isinstance(environment, dict):
            return dict(environment)
    return {}


def begin(state: StateDirectory, definition: dict[str, Any]) -> int:
    """The generation of a life that begins now: the one that counts, or a new one if it differs.

    Raises:
        StoreFullError, StoreUnwritableError: it cannot be put on record.
    """
    number = current(state)
    record = _record(state)
    known = record.get("definition")
    if known is None or (known == definition and not changed(record.get("files", {}))):
        if known is None:
            _save(state, number, {"last": number, "definition": definition, "files": {}})
        return number
    number = int(record["last"]) + 1
    _save(state, number, {"last": number, "definition": definition, "files": {}})
    return number


def differences(state: StateDirectory, definition: dict[str, Any]) -> list[str]:
    """What is not as it was for the generation that counts: files of its code, and settings."""
    record = _record(state)
    known = record.get("definition")
    if not isinstance(known, dict):
        return []
    old, new = known.get("config", {}), definition["config"]
    settings = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    names = {"target": "the agent", "python": "the Python"}
    others = [text for name, text in names.items() if known.get(name) != definition[name]]
    return [*changed(record.get("files", {})), *others, *settings]


def plan(state: StateDirectory) -> int:
    """A number for a new generation, which no other has had or will get.

    Raises:
        StoreFullError, StoreUnwritableError: it cannot be put on record.
    """
    record = _record(state)
    number = int(record.get("last", current(state))) + 1
    _save(state, current(state), {**record, "last": number})
    return number


def promote(
    state: StateDirectory,
    number: int,
    definition: dict[str, Any],
    files: dict[str, str],
    **job: Any,
) -> None:
    """From now on this generation is the one that counts.

    Args:
        state: the state directory.
        number: the generation's.
        definition: what it is made of.
        files: digests of its own code.
        job: other entries of the manifest's job that change with it, in the same write.

    Raises:
        StoreFullError, StoreUnwritableError: the old one still counts.
    """
    record = _record(state)
    last = max(number, int(record.get("last", number)))
    reach("promote.before")
    _save(state, number, {"last": last, "definition": definition, "files": files}, **job)
    reach("promote.after")


def record_files(state: StateDirectory, number: int, files: dict[str, str]) -> None:
    """The current generation's code has been imported from these files."""
    record = _record(state)
    if number == current(state) and record.get("files") != files:
        _save(state, number, {**record, "files": files})


def definition_of(target: str | None, config: dict[str, Any], python: str) -> dict[str, Any]:
    """What makes a generation what it is, but for its code; JSON.

    Options that can change in a running pool do not count, and secrets are in no record.

    Args:
        target: what names the agent, None for an object.
        config: the configuration's data, the section `environment` with it.
        python: the executable, which in a provisioned environment stands for all that is in it.
    """
    lasting = {
        key: value
        for key, value in without_secrets(config).items()
        if key not in KNOWN_OPTIONS or not (KNOWN_OPTIONS[key].live or KNOWN_OPTIONS[key].fixed)
    }
    return {"target": target, "config": lasting, "python": python}


def python_of(launch: Launch | None) -> str:
    """The executable that workers run in."""
    return sys.executable if launch is None else launch.python


def agent_of(target: str) -> str:
    """The agent's identity: a file's stem, or a module, and the name in it."""
    place, _, name = target.rpartition(":")
    if not place:
        place, name = name, ""
    place = without_suffix(place)
    return f"{place}:{name}" if name else place


def _record(state: StateDirectory) -> dict[str, Any]:
    record = state.manifest.job.get(_LINEAGE)
    return record if isinstance(record, dict) else {}


def _save(state: StateDirectory, number: int, record: dict[str, Any], **job: Any) -> None:
    state.save_job({**state.manifest.job, **job, _NUMBER: number, _LINEAGE: record})
