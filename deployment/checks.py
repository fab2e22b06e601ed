"""Checks all that the agents of a deployment need, and starts none: `tamias up --check`.

A pool process would find each of these problems, too, but later, and one at a time. Nothing is
made: no environment, no state directory, no output.
"""

from __future__ import annotations

import ast
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..agent.config.configuration import Configuration
from ..agent.config.options import PoolOptions
from ..agent.errors import InputError, TamiasError, TargetError, UsageError
from ..environments.provide import provide_launch
from ..environments.spec import EnvironmentSpec
from ..launcher.hooks import load_launcher_hooks
from ..launcher.jobs.file_job import check_same_job
from ..launcher.pool.reader import check_beginning
from ..launcher.sources.factory import open_source
from ..service.protocol.keys import ServerKeys
from ..service.server.service import ServeSpec
from ..store.state.directory import StateDirectory
from ..worker.process.limits import Account, KernelLimits
from .spec import target_of, worker_problem
from .trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..launcher.jobs.file_job import JobSpec
    from .spec import Member


class Problem(NamedTuple):
    """Something that an agent needs and does not have.

    Attributes:
        agent: its name.
        place: the key in its entry of the file that is concerned.
        error: what is wrong, and what to do.
    """

    agent: str
    place: tuple[str, ...]
    error: TamiasError


def check_members(members: Iterable[Member]) -> list[Problem]:
    """Return all problems of some agents, in the order of the agents."""
    found: dict[str, list[Problem]] = {}
    trials: list[tuple[Member, Trial]] = []
    for member in members:
        checks = _Checks(member)
        checks.run()
        found[member.name] = checks.problems
        if checks.trial is not None:
            trials.append((member, checks.trial))
    for member, trial in trials:
        error = trial.result()
        if error is not None:
            found[member.name].insert(0, Problem(member.name, ("target",), error))
    return [problem for problems in found.values() for problem in problems]


class _Checks:
    """The checks of one agent.

    Attributes:
        problems: what was found.
        trial: the process that imports the agent, if it can be imported.
    """

    def __init__(self, member: Member) -> None:
        self._member = member
        self.problems: list[Problem] = []
        self.trial: Trial | None = None

    def run(self) -> None:
        """Do all checks."""
        member, spec = self._member, self._member.spec
        self._try(self._check_target, "target")
        self._try(lambda: _check_environment(spec.environment), "environment")
        settings = Configuration(spec.config)
        self._try(KernelLimits.of(settings).check, "settings")
        self._try(lambda: _check_user(settings), "settings", PoolOptions.USER.key)
        self._try(lambda: _check_hooks(settings), "settings", PoolOptions.LAUNCHER_HOOKS.key)
        if isinstance(spec, ServeSpec):
            keys = spec.keys
            if keys is not None:
                self._try(lambda: _check_keys(keys), "serve", "keys")
        else:
            if spec.input not in ("", "-"):
                self._try(lambda: _check_input(spec), "input")
                self._try(lambda: _check_records(spec), "key" if spec.key else "input")
            if spec.output not in ("", "-"):
                self._try(lambda: _check_output(member, spec), "output")
        if member.state.exists():
            self._try(lambda: _check_state(member))

    def _try(self, check: Callable[[], None], *place: str) -> None:
        try:
            check()
        except TamiasError as error:
            self.problems.append(Problem(self._member.name, place, error))

    def _check_target(self) -> None:
        spec = self._member.spec
        target = target_of(spec)
        environment = EnvironmentSpec.of(spec.environment)
        if environment.builds or environment.python:
            _check_name(target)  # its packages are not here
            return
        launch = provide_launch(spec.environment)
        self.trial = Trial(target, spec.folder, spec.config, launch)


def _check_name(target: str) -> None:
    """Check that a file seems to define the name of a target, without importing it."""
    location, _, name = target.rpartition(":")
    if not location.endswith(".py") or not name:
        return
    try:
        tree = ast.parse(Path(location).read_bytes())
    except (SyntaxError, ValueError) as error:
        raise TargetError(f"{location} cannot be imported: {error}.") from None
    names = set(_names(tree.body))
    first = name.partition(".")[0]
    if "*" in names or first in names:
        return
    close = get_close_matches(first, names, 1)
    raise TargetError(
        f"{location} has no {name!r}.",
        hint=f"Did you mean {close[0]!r}?" if close else "Check the name.",
    )


def _names(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements of a module may define; "*" for those of another one."""
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.alias):
                yield (node.asname or node.name).partition(".")[0]


def _check_environment(environment: dict[str, object]) -> None:
    """Check that the files of an environment exist."""
    spec = EnvironmentSpec.of(environment)
    files = [item.path for item in (*spec.archives, *spec.files)]
    if isinstance(spec.requirements, str):
        files.append(spec.requirements)
    missing = [path for path in files if not Path(path).exists()]
    if missing:
        raise UsageError(f"There is no file {', '.join(missing)}.", hint="Check the name.")


def _check_user(settings: Configuration) -> None:
    Account.of(settings)


def _check_hooks(settings: Configuration) -> None:
    load_launcher_hooks(settings.get(PoolOptions.LAUNCHER_HOOKS))


def _check_keys(folder: str) -> None:
    ServerKeys(Path(folder))


def _check_input(spec: JobSpec) -> None:
    if not Path(spec.input).exists():
        raise InputError(f"There is no file {spec.input}.", hint="Give it another input.")


def _check_records(spec: JobSpec) -> None:
    """Check that the first records can be read: that the key is a field, and the format right."""
    limit = Configuration(spec.config).get(PoolOptions.MALFORMED_LIMIT)
    if limit and Path(spec.input).is_file():
        with open_source(spec.input, spec.key, spec.input_format) as source:
            records = source.read(limit)
        if records:
            check_beginning(records, min(limit, len(records)))


def _check_output(member: Member, spec: JobSpec) -> None:
    output = Path(spec.output)
    if not output.parent.is_dir():
        raise UsageError(
            f"There is no directory {output.parent} for the output.",
            hint="Create it, or name another output.",
        )
    if output.is_dir():
        raise UsageError(f"The output {output} is a directory.", hint="Name a file.")
    is_new = not member.state.exists() and not member.overwrite
    if is_new and output.is_file() and output.stat().st_size:
        raise UsageError(
            f"The output {output} exists and is not empty.",
            hint="Name another file, or allow it to be emptied: overwrite: true.",
        )


def _check_state(member: Member) -> None:
    """Check that a state directory that exists belongs to this agent and job."""
    spec = member.spec
    with StateDirectory.view(member.state) as view:
        if view.manifest.agent != spec.agent:
            raise UsageError(
                f"{member.state} belongs to the agent {view.manifest.agent}, not to {spec.agent}.",
                hint="Name another state directory, or remove that one.",
            )
        if not isinstance(spec, ServeSpec):
            check_same_job(spec, view)
        problem = worker_problem(spec.config, view.manifest.shards)
        if problem:
            raise UsageError(
                f"{problem}, and {member.state} has that number for its life.",
                hint="Use fewer workers, or another state directory.",
            )
