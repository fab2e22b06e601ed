"""Does an environment work? Found out by starting it as a worker's is started.

An environment's own packages come before those that tamias brings along. If one of them is too old
for tamias, or for another that tamias brings, the error says so by name; importing would say it in
the words of the module that fails.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ...agent.errors import EnvironmentSetupError
from ..interpreters import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..launch import Launch

PATIENCE: Final = 120.0
"""Seconds for an environment to import what a worker needs."""

_MARK: Final = "tamias-check:"

_LOOK: Final = """
import json, sys
from importlib import metadata
paths, names, mark = map(json.loads, sys.argv[1:4])
sys.path += [path for path in paths if path not in sys.path]
found = {}
for name in names:
    try:
        there = metadata.distribution(name)
        found[name] = [there.version, there.requires or [], str(there.locate_file(""))]
    except metadata.PackageNotFoundError:
        pass
print(mark + json.dumps(found), flush=True)
"""


def check(launch: Launch, packages: Iterable[str], needed: Sequence[Requirement]) -> None:
    """Start an environment and have it import what a worker needs.

    Args:
        launch: how workers will be started.
        packages: names of all that tamias brings along.
        needed: what tamias itself needs.

    Raises:
        EnvironmentSetupError: a package is too old or too new, or the interpreter does not start,
            or cannot import tamias; with what it has printed.
    """
    conflicts = _conflicts(_look(launch, list(packages)), needed, launch)
    if conflicts:
        raise EnvironmentSetupError(
            f"The packages of {launch.python} do not agree with tamias: {'; '.join(conflicts)}.",
            hint="Require other versions of them in the environment.",
        )
    done = _run(launch, launch.command("tamias.worker.process.zygote"))
    if done.returncode != 0:
        raise _failed(launch, done, "cannot import tamias's worker")


def _look(launch: Launch, names: list[str]) -> dict[str, Any]:
    arguments = map(json.dumps, (launch.paths, names, _MARK))
    done = _run(launch, [launch.python, "-c", _LOOK, *arguments])
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            found: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return found
    raise _failed(launch, done, "does not start")


def _run(launch: Launch, command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=launch.folder,
            env=launch.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=PATIENCE,
        )
    except OSError as error:
        raise EnvironmentSetupError(
            f"{launch.python} cannot be started: {error.strerror}: {error.filename}.",
            hint="Check the environment's interpreter and its working directory.",
        ) from error
    except subprocess.TimeoutExpired:
        raise EnvironmentSetupError(
            f"{launch.python} has not started within {PATIENCE:.0f} s.",
            hint="Try it by hand with: import tamias",
        ) from None


def _failed(
    launch: Launch, done: subprocess.CompletedProcess[str], what: str
) -> EnvironmentSetupError:
    printed = last_lines(f"{done.stdout}\n{done.stderr}")
    return EnvironmentSetupError(
        f"The environment's interpreter {launch.python} {what}:\n{printed}\n",
        hint="Repair the environment, or make it anew: tamias env prune",
    )


def _conflicts(found: dict[str, Any], needed: Sequence[Requirement], launch: Launch) -> list[str]:
    """What does not fit, as `tamias needs a>=2, and there is a 1`."""
    versions = {canonicalize_name(name): said[0] for name, said in found.items()}
    brought = {name for name, said in found.items() if said[2].rstrip("/") in launch.paths}
    claims = [("tamias", requirement) for requirement in needed]
    for owner in brought:
        for line in found[owner][1]:
            try:
                claims.append((f"its {owner}", Requirement(line)))
            except InvalidRequirement:
                continue
    surroundings = {"extra": "", "python_version": "{}.{}".format(*launch.minor)}
    surroundings["python_full_version"] = launch.version
    conflicts = []
    for owner, requirement in claims:
        version = versions.get(canonicalize_name(requirement.name))
        if version is None or (
            requirement.marker is not None and not requirement.marker.evaluate(surroundings)
        ):
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            bounds = f"{requirement.name}{requirement.specifier}"
            conflicts.append(f"{owner} needs {bounds}, and there is {requirement.name} {version}")
    return conflicts
