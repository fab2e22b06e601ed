"""Checks that an environment works, by starting it as a worker is started.

An environment's own packages come before those that tamias adds. If one of them is too old for
tamias, or for a package that tamias adds, the error names it; importing alone would only give the
error of the module that fails.
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

_FIND_PACKAGES: Final = """
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
        packages: names of all packages that tamias adds.
        needed: what tamias itself needs.

    Raises:
        EnvironmentSetupError: a package is too old or too new, or the interpreter does not start,
            or cannot import tamias; with what it has printed.
    """
    conflicts = _conflicts(_find_packages(launch, list(packages)), needed, launch)
    if conflicts:
        raise EnvironmentSetupError(
            f"The packages of {launch.python} do not agree with tamias: {'; '.join(conflicts)}.",
            hint="Require other versions of them in the environment.",
        )
    done = _run(launch, launch.command("tamias.worker.process.zygote"))
    if done.returncode != 0:
        raise _failed(launch, done, "cannot import tamias's worker")


def _find_packages(launch: Launch, names: list[str]) -> dict[str, Any]:
    arguments = map(json.dumps, (launch.paths, names, _MARK))
    done = _run(launch, [launch.python, "-c", _FIND_PACKAGES, *arguments])
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
    """Return the conflicts, as `tamias needs a>=2, and there is a 1`."""
    versions = {canonicalize_name(name): entry[0] for name, entry in found.items()}
    added = {name for name, entry in found.items() if entry[2].rstrip("/") in launch.paths}
    claims = [("tamias", requirement) for requirement in needed]
    for owner in added:
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
