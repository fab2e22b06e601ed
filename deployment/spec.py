"""Deployment files: what they may contain, and the agents that they describe.

Everything that the text alone can show is checked before anything is started, and every problem is
reported with its line. What an agent needs besides (its target, its input, its environment) is
checked in its own pool process, so that a missing file stops one agent and not the others;
`checks.py` checks it without starting any.

Paths are relative to the file, not to the working directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from ..agent.config.configuration import Configuration
from ..agent.config.options import PoolOptions
from ..agent.config.yaml_lines import LineNumbers, parse
from ..agent.errors import ConfigError
from ..environments.spec import EnvironmentSpec
from ..launcher.jobs.file_job import JobSpec
from ..launcher.jobs.target import checked_target
from ..service.server.service import ServeSpec
from ..worker.importing.target_names import is_file
from ..worker.importing.yaml_files import target_settings
from .file_content import AgentEntry, FileContent, ServeEntry, without

STATE_SUFFIX: Final = ".tamias"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_ENVIRONMENT: Final = "environment"
_MOST_ROUNDS: Final = 5
"""How often invalid parts are removed until the rest is understood."""
_ELSEWHERE: Final = {
    PoolOptions.STATE_DIR.key: "state directories are below the deployment's, see `state`",
    "agent": "settings are written here without such a section",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One agent of a deployment, as its pool process runs it. Paths are absolute."""

    name: str
    spec: JobSpec | ServeSpec
    state: Path
    """Its state directory, as for any job or service."""
    overwrite: bool = False
    """Whether a new job may empty an output that exists."""

    @property
    def is_service(self) -> bool:
        """Whether it is a service."""
        return isinstance(self.spec, ServeSpec)

    @property
    def output(self) -> str:
        """The file that it writes; empty for a service."""
        return self.spec.output if isinstance(self.spec, JobSpec) else ""


def target_of(spec: JobSpec | ServeSpec) -> str:
    """Return the target, with an absolute path if it is in a file.

    Raises:
        TargetError: there is no such file or module.
    """
    return checked_target(
        spec.target, elsewhere=bool(spec.environment), folder=Path(spec.folder or ".").absolute()
    )


def worker_problem(config: Mapping[str, Any], shards: int | None = None) -> str:
    """Return what is wrong with the number of workers; empty if nothing is.

    Args:
        config: the settings of the agent.
        shards: those of its state directory; None: as the settings say.
    """
    settings = Configuration(config)
    shards = settings.get(PoolOptions.SHARDS) if shards is None else shards
    workers = settings.get(PoolOptions.WORKERS)
    if workers <= shards:
        return ""
    return f"{workers} workers cannot share {shards} shards: each needs at least one"


@dataclass(frozen=True, slots=True)
class Draft:
    """A file as far as it can be understood.

    Attributes:
        path: the file.
        state: the directory with the state directories.
        members: the agents, without what could not be understood.
        problems: a line and a text each, in the order of the lines.
    """

    path: Path
    state: Path
    members: tuple[Member, ...]
    problems: tuple[tuple[int, str], ...]
    lines: LineNumbers

    def problem(self, place: Sequence[str], what: str) -> tuple[int, str]:
        """Return a problem at a place in the file, to be added to the others."""
        return self.lines.of(place), f"{_dotted(tuple(place))}: {what}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """The agents that a file describes."""

    path: Path
    state: Path
    """The directory with the state directories."""
    members: tuple[Member, ...]

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.parent

    @classmethod
    def read(cls, path: Path) -> Deployment:
        """Return the deployment that a file describes.

        Raises:
            ConfigError: it cannot be read, or something in it is wrong; with all problems.
        """
        draft = cls.draft(path)
        if draft.problems:
            raise problems_error(path, draft.problems)
        return cls(path.absolute(), draft.state, draft.members)

    @staticmethod
    def draft(path: Path) -> Draft:
        """Return what can be understood of a file, with all problems that its text shows.

        Raises:
            ConfigError: it cannot be read, or is not YAML.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError(
                f"The deployment file {path} cannot be read: {why}.",
                hint="Give the path of a readable YAML file.",
            ) from None
        data, lines = parse(text, str(path))
        return _Reader(path, data, lines).draft()


def problems_error(path: Path, problems: Iterable[tuple[int, str]]) -> ConfigError:
    """Return the error for the problems of a file: a line and a text each."""
    lines = [f"line {line}: {what}" for line, what in dict.fromkeys(sorted(problems))]
    head = f"{path}, " if len(lines) == 1 else f"{path} has mistakes:\n  "
    return ConfigError(
        head + "\n  ".join(lines) + ("." if len(lines) == 1 else ""),
        hint="Nothing was started. What a file may contain: tamias up --help.",
    )


class _Reader:
    """Builds a deployment from a file's content, and collects the problems."""

    def __init__(self, path: Path, data: Any, lines: LineNumbers) -> None:
        self._path = path
        self._folder = path.absolute().parent
        self._data = data
        self._lines = lines
        self._problems: list[tuple[int, str]] = []

    def draft(self) -> Draft:
        """Return what can be understood, and the problems."""
        for path, line in self._lines.repeated:
            self._problems.append((line, f"{_dotted(path)} is written twice"))
        content = self._content()
        state = self._absolute((content and content.state) or self._path.stem + STATE_SUFFIX)
        members = [] if content is None else self._members(content, state)
        return Draft(
            self._path.absolute(),
            Path(state),
            tuple(members),
            tuple(sorted(self._problems)),
            self._lines,
        )

    def _members(self, content: FileContent, state: str) -> list[Member]:
        shared = self._environment({}, content.defaults, ("defaults",))
        defaults = {key: value for key, value in content.defaults.items() if key != _ENVIRONMENT}
        self._check_settings(defaults, ("defaults",))
        members = []
        for name, entry in content.agents.items():
            asked = self._environment(
                shared.model_dump(exclude_unset=True),
                {_ENVIRONMENT: entry.environment},
                ("agents", name),
            )
            members.append(self._member(name, entry, defaults, asked, state))
        self._check_conflicts(members)
        return members

    def _content(self) -> FileContent | None:
        if not isinstance(self._data, Mapping):
            self._report((), "a deployment file has `agents:`, and below it one entry per agent")
            return None
        data: Any = self._data
        for number in range(_MOST_ROUNDS):
            try:
                return FileContent.model_validate(data)
            except ValidationError as error:
                if number == 0:  # later ones are consequences of what was removed
                    self._report_invalid(error, ())
                data = without(data, [problem["loc"] for problem in error.errors()])
        return None

    def _member(
        self,
        name: str,
        entry: AgentEntry,
        defaults: dict[str, Any],
        environment: EnvironmentSpec,
        state: str,
    ) -> Member:
        where = ("agents", name)
        if not _NAME.fullmatch(name):
            self._report(
                where, "a name has letters, digits, - and _, and is a directory's name, too"
            )
        self._check_settings(entry.settings, (*where, "settings"))
        self._check_shape(entry, where)
        target = self._target(entry.target)
        settings = {**_settings_in(target), **defaults, **entry.settings}
        if entry.workers is not None:
            settings[PoolOptions.WORKERS.key] = entry.workers
            if PoolOptions.WORKERS.key in entry.settings:
                self._report((*where, "settings", "workers"), "workers is set twice")
        try:
            config = Configuration(settings)
            on_error = config.get(PoolOptions.ON_ERROR) or "dead-letter"
            data = config.data
        except ConfigError:  # reported by `_check_settings`
            on_error, data = "", {}
        self._check_workers(data, entry, where)
        return Member(
            name,
            self._service(entry, data, environment)
            if entry.serve is not None
            else self._job(entry, on_error, data, environment),
            Path(state) / name,
            entry.overwrite,
        )

    def _check_workers(
        self, data: dict[str, Any], entry: AgentEntry, where: tuple[str, ...]
    ) -> None:
        problem = worker_problem(data)
        if problem:
            key = PoolOptions.WORKERS.key
            named = entry.workers is not None
            self._report((*where, key) if named else (*where, "settings", key), problem)

    def _job(
        self, entry: AgentEntry, on_error: str, data: dict[str, Any], environment: EnvironmentSpec
    ) -> JobSpec:
        return JobSpec(
            target=self._target(entry.target),
            input=self._absolute(entry.input or ""),
            output=self._absolute(entry.output or ""),
            key=entry.key,
            input_format=entry.format,
            ordered=entry.ordered,
            on_error=on_error,
            config=data,
            folder=str(self._folder),
            environment=environment.to_mapping(),
        )

    def _service(
        self, entry: AgentEntry, data: dict[str, Any], environment: EnvironmentSpec
    ) -> ServeSpec:
        serve = entry.serve or ServeEntry()
        return ServeSpec(
            target=self._target(entry.target),
            listen=serve.listen,
            keys=self._absolute(serve.keys) if serve.keys is not None else None,
            config=data,
            folder=str(self._folder),
            environment=environment.to_mapping(),
        )

    # -- checks -------------------------------------------------------------------------------

    def _check_shape(self, entry: AgentEntry, where: tuple[str, ...]) -> None:
        """Check that it is a job or a service, and has what that needs."""
        if entry.serve is not None:
            for name in ("input", "output", "key", "format", "ordered", "overwrite"):
                if name in entry.model_fields_set:
                    self._report(
                        (*where, name), "a service has no such key: its clients send the inputs"
                    )
            if entry.serve.listen is not None and entry.serve.keys is None:
                self._report(
                    (*where, "serve", "listen"),
                    "without keys it would be open to everybody (tamias keys makes some)",
                )
        elif entry.input is None or entry.output is None:
            self._report(where, "it needs an input and an output, or serve for a service")
        for name, value in (("input", entry.input), ("output", entry.output)):
            if value == "-":
                self._report((*where, name), "agents that run side by side need files, not -")

    def _check_settings(self, settings: dict[str, Any], where: tuple[str, ...]) -> None:
        """Check that each is an option with a valid value, or the agent's own."""
        bad = False
        for key, value in settings.items():
            name = str(key).partition(".")[0]
            if key in _ELSEWHERE or name == _ENVIRONMENT:
                self._report(
                    (*where, key), _ELSEWHERE.get(key, "write `environment` beside the settings")
                )
                continue
            try:
                Configuration({key: value})
            except ConfigError as error:
                bad = True
                self._report((*where, key), error.message.rstrip("."))
        if not bad:
            try:
                Configuration(settings)
            except ConfigError as error:  # given twice, nested and dotted
                self._report(where, error.message.rstrip("."))

    def _environment(
        self, below: dict[str, Any], holder: Mapping[str, Any], where: tuple[str, ...]
    ) -> EnvironmentSpec:
        """Return the environment in `holder`, over the one of the defaults."""
        asked = holder.get(_ENVIRONMENT) or {}
        where = (*where, _ENVIRONMENT)
        if not isinstance(asked, Mapping):
            self._report(
                where, "an environment has settings: " + ", ".join(_names(EnvironmentSpec))
            )
            return EnvironmentSpec()
        merged = {**below, **asked}
        if isinstance(variables := asked.get("variables"), Mapping):
            merged["variables"] = {**below.get("variables", {}), **variables}
        try:
            return EnvironmentSpec.model_validate(merged).at(self._folder)
        except ValidationError as error:
            self._report_invalid(error, where, EnvironmentSpec)
            return EnvironmentSpec()

    def _check_conflicts(self, members: list[Member]) -> None:
        """Check that no two agents write one file or listen at one address."""
        writers: dict[str, str] = {}
        listeners: dict[str, str] = {}
        for member in members:
            where = ("agents", member.name)
            if isinstance(member.spec, ServeSpec):
                other = listeners.setdefault(member.spec.listen or member.name, member.name)
                if other != member.name:
                    self._report((*where, "serve", "listen"), f"{other} listens there")
            elif member.spec.output:
                other = writers.setdefault(os.path.realpath(member.spec.output), member.name)
                if other != member.name:
                    self._report((*where, "output"), f"{other} writes that file")
        for member in members:
            if isinstance(member.spec, JobSpec):
                writer = writers.get(os.path.realpath(member.spec.input))
                if writer is not None:
                    self._report(
                        ("agents", member.name, "input"),
                        f"{'it' if writer == member.name else writer} writes that file, and inputs "
                        "have to be complete",
                    )

    # -- paths and problems -------------------------------------------------------------------

    def _absolute(self, path: str) -> str:
        return str(self._folder / Path(path).expanduser()) if path and path != "-" else path

    def _target(self, target: str) -> str:
        location, colon, name = target.rpartition(":")
        location, name = (location, name) if colon else (name, "")
        if is_file(location):
            return f"{self._absolute(location)}{colon}{name}"
        return target

    def _report(self, path: tuple[object, ...], what: str) -> None:
        self._problems.append((self._lines.of(path), f"{_dotted(path)}: {what}" if path else what))

    def _report_invalid(
        self,
        error: ValidationError,
        where: tuple[str, ...],
        model: type[BaseModel] | None = None,
    ) -> None:
        for problem in error.errors(include_url=False):
            path = (*where, *(part for part in problem["loc"] if part not in ("str", "[key]")))
            kind, message = problem["type"], problem["msg"].removeprefix("Value error, ")
            if kind == "extra_forbidden":
                known = _names(model or _model_at(path))
                message = f"there is no such key; there are: {', '.join(known)}"
                close = get_close_matches(str(path[-1]), known, n=1)
                message += f" (did you mean {close[0]}?)" if close else ""
            elif kind == "missing":
                path, message = path[:-1], f"it needs {path[-1]}"
            elif path:
                message = message.replace("Input should", "it should", 1).partition(" or inst")[0]
                message = f"{message[:1].lower()}{message[1:]}"
            self._report(path, message)


def _settings_in(target: str) -> dict[str, Any]:
    """Return what the YAML file of an agent sets, without what a deployment says elsewhere."""
    return {
        key: value
        for key, value in target_settings(target).items()
        if key not in _ELSEWHERE and key.partition(".")[0] != _ENVIRONMENT
    }


def _names(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


def _model_at(path: tuple[object, ...]) -> type[BaseModel]:
    """Return the model that has no field for the end of the path."""
    models: dict[int, type[BaseModel]] = {1: FileContent, 3: AgentEntry}
    return models.get(len(path), ServeEntry)


def _dotted(path: tuple[object, ...]) -> str:
    return ".".join(map(str, path))
