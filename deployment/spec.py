"""Deployment files: what they may contain, and the agents that they describe.

Everything that can be told from the text alone is checked before anything is done, and every
problem is told with its line: a slip in the file starts nothing. What is around an agent (its
target, its input, its environment) is that agent's own affair, and is looked at in its own pool
process, so that a file that is missing stops one agent and not its neighbours.

Paths are relative to the file, wherever the command is given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..agent.config.configuration import Configuration
from ..agent.config.options import PoolOptions
from ..agent.errors import ConfigError, InputError, UsageError
from ..environments.spec import EnvironmentSpec
from ..launcher.jobs.file_job import JobSpec
from ..launcher.jobs.target import checked_target
from ..service.protocol.keys import ServerKeys
from ..service.server.service import ServeSpec
from .yaml_lines import LineNumbers, parse

STATE_SUFFIX: Final = ".tamias"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_ENVIRONMENT: Final = "environment"
_ELSEWHERE: Final = {
    PoolOptions.STATE_DIR.key: "state directories are below the deployment's, see `state`",
    "agent": "settings stand here without such a section",
}


def _empty(value: object) -> object:
    """`serve:` with nothing behind it is a service with nothing special."""
    return {} if value is None else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ServeEntry(_Model):
    """A service, and where it can be reached besides its state directory."""

    listen: str | None = None
    """A TCP address, as ``tcp://127.0.0.1:7000``."""
    keys: str | None = None
    """The directory of the keys, without which there is no TCP."""


class AgentEntry(_Model):
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
    environment: dict[str, Any] = {}
    settings: dict[str, Any] = {}


class FileContent(_Model):
    """The whole file."""

    state: str | None = None
    """The directory of all state; default: beside the file, by its name."""
    defaults: dict[str, Any] = {}
    """Settings of every agent that does not say otherwise, and `environment`."""
    agents: dict[str, AgentEntry] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Member:
    """One agent of a deployment, as its pool process gets it. Paths are absolute."""

    name: str
    spec: JobSpec | ServeSpec
    state: Path
    """Its state directory, which is like any other."""
    overwrite: bool = False
    """Whether a new job may empty an output that exists."""

    @property
    def is_service(self) -> bool:
        """Whether it has clients, and no end."""
        return isinstance(self.spec, ServeSpec)

    @property
    def output(self) -> str:
        """The file that it writes; empty for a service."""
        return self.spec.output if isinstance(self.spec, JobSpec) else ""

    def look_around(self) -> None:
        """See whether what it needs is there: target, input, the output's folder, keys.

        Raises:
            UsageError: something is not. Its pool process would find out, too, if later.
        """
        spec = self.spec
        target_of(spec)
        if isinstance(spec, ServeSpec):
            if spec.keys is not None:
                ServerKeys(Path(spec.keys))
            return
        if not Path(spec.input).exists():
            raise InputError(f"There is no file {spec.input}.", hint="Give it another input.")
        if not Path(spec.output).parent.is_dir():
            raise UsageError(
                f"There is no directory {Path(spec.output).parent} for the output.",
                hint="Create it, or name another output.",
            )


def target_of(spec: JobSpec | ServeSpec) -> str:
    """The target with an absolute path, if it is in a file.

    Raises:
        TargetError: there is no such file or module.
    """
    return checked_target(
        spec.target, elsewhere=bool(spec.environment), folder=Path(spec.folder or ".").absolute()
    )


@dataclass(frozen=True, slots=True)
class Deployment:
    """The agents that a file describes."""

    path: Path
    state: Path
    """The directory with the state directories."""
    members: tuple[Member, ...]

    @property
    def folder(self) -> Path:
        """Where relative paths begin."""
        return self.path.parent

    @classmethod
    def read(cls, path: Path) -> Deployment:
        """The deployment that a file describes.

        Raises:
            ConfigError: it cannot be read, or something in it is wrong: all of it is told.
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
        return _Reader(path, data, lines).deployment()


class _Reader:
    """Collects what is wrong with a file, and puts together what is right."""

    def __init__(self, path: Path, data: Any, lines: LineNumbers) -> None:
        self._path = path
        self._folder = path.absolute().parent
        self._data = data
        self._lines = lines
        self._problems: list[tuple[int, str]] = []

    def deployment(self) -> Deployment:
        """Raises ConfigError if anything is wrong."""
        for path, line in self._lines.repeated:
            self._problems.append((line, f"{_dotted(path)} is there twice"))
        content = self._content()
        if content is None:
            raise self._error()
        state = self._place(content.state or self._path.stem + STATE_SUFFIX)
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
        self._check_neighbours(members)
        if self._problems:
            raise self._error()
        return Deployment(self._path.absolute(), Path(state), tuple(members))

    def _content(self) -> FileContent | None:
        if not isinstance(self._data, Mapping):
            self._tell((), "a deployment file has `agents:`, and below it one entry per agent")
            return None
        try:
            return FileContent.model_validate(self._data)
        except ValidationError as error:
            self._take(error, ())
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
            self._tell(where, "a name has letters, digits, - and _, and is a directory's name, too")
        self._check_settings(entry.settings, (*where, "settings"))
        self._check_shape(entry, where)
        settings = {**defaults, **entry.settings}
        if entry.workers is not None:
            settings[PoolOptions.WORKERS.key] = entry.workers
            if PoolOptions.WORKERS.key in entry.settings:
                self._tell((*where, "settings", "workers"), "workers is there already, above")
        try:
            config = Configuration(settings)
            on_error = config.get(PoolOptions.ON_ERROR) or "dead-letter"
            data = config.data
        except ConfigError:  # has been told, at its place
            on_error, data = "", {}
        return Member(
            name,
            self._service(entry, data, environment)
            if entry.serve is not None
            else self._job(entry, on_error, data, environment),
            Path(state) / name,
            entry.overwrite,
        )

    def _job(
        self, entry: AgentEntry, on_error: str, data: dict[str, Any], environment: EnvironmentSpec
    ) -> JobSpec:
        return JobSpec(
            target=self._target(entry.target),
            input=self._place(entry.input or ""),
            output=self._place(entry.output or ""),
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
            keys=self._place(serve.keys) if serve.keys is not None else None,
            config=data,
            folder=str(self._folder),
            environment=environment.to_mapping(),
        )

    # -- checks -------------------------------------------------------------------------------

    def _check_shape(self, entry: AgentEntry, where: tuple[str, ...]) -> None:
        """Whether it is a job or a service, and has what that needs."""
        if entry.serve is not None:
            for name in ("input", "output", "key", "format", "ordered", "overwrite"):
                if name in entry.model_fields_set:
                    self._tell((*where, name), "a service has no such thing: its clients hand in")
            if entry.serve.listen is not None and entry.serve.keys is None:
                self._tell(
                    (*where, "serve", "listen"),
                    "without keys it would be open to everybody (tamias keys makes some)",
                )
        elif entry.input is None or entry.output is None:
            self._tell(where, "it needs an input and an output, or serve for a service")
        for name, value in (("input", entry.input), ("output", entry.output)):
            if value == "-":
                self._tell((*where, name), "agents that run side by side need files, not -")

    def _check_settings(self, settings: dict[str, Any], where: tuple[str, ...]) -> None:
        """Whether each is an option with a right value, or the agent's own."""
        bad = False
        for key, value in settings.items():
            name = str(key).partition(".")[0]
            if key in _ELSEWHERE or name == _ENVIRONMENT:
                self._tell((*where, key), _ELSEWHERE.get(key, "an environment stands beside them"))
                continue
            try:
                Configuration({key: value})
            except ConfigError as error:
                bad = True
                self._tell((*where, key), error.message.rstrip("."))
        if not bad:
            try:
                Configuration(settings)
            except ConfigError as error:  # given twice, nested and dotted
                self._tell(where, error.message.rstrip("."))

    def _environment(
        self, below: dict[str, Any], holder: Mapping[str, Any], where: tuple[str, ...]
    ) -> EnvironmentSpec:
        """The environment in `holder`, over the one of the defaults."""
        asked = holder.get(_ENVIRONMENT) or {}
        where = (*where, _ENVIRONMENT)
        if not isinstance(asked, Mapping):
            self._tell(where, "an environment has settings: " + ", ".join(_names(EnvironmentSpec)))
            return EnvironmentSpec()
        merged = {**below, **asked}
        if isinstance(variables := asked.get("variables"), Mapping):
            merged["variables"] = {**below.get("variables", {}), **variables}
        try:
            return EnvironmentSpec.model_validate(merged).at(self._folder)
        except ValidationError as error:
            self._take(error, where, EnvironmentSpec)
            return EnvironmentSpec()

    def _check_neighbours(self, members: list[Member]) -> None:
        """Whether agents are in each other's way."""
        writers: dict[str, str] = {}
        doors: dict[str, str] = {}
        for member in members:
            where = ("agents", member.name)
            if isinstance(member.spec, ServeSpec):
                taken = doors.setdefault(member.spec.listen or member.name, member.name)
                if taken != member.name:
                    self._tell((*where, "serve", "listen"), f"{taken} listens there")
            elif member.spec.output:
                taken = writers.setdefault(os.path.realpath(member.spec.output), member.name)
                if taken != member.name:
                    self._tell((*where, "output"), f"{taken} writes that file")
        for member in members:
            if isinstance(member.spec, JobSpec):
                writer = writers.get(os.path.realpath(member.spec.input))
                if writer is not None:
                    self._tell(
                        ("agents", member.name, "input"),
                        f"{'it' if writer == member.name else writer} writes that file, and inputs "
                        "have to be complete",
                    )

    # -- words and places ---------------------------------------------------------------------

    def _place(self, path: str) -> str:
        return str(self._folder / Path(path).expanduser()) if path and path != "-" else path

    def _target(self, target: str) -> str:
        location, colon, name = target.rpartition(":")
        location, name = (location, name) if colon else (name, "")
        if location.endswith(".py") or "/" in location:
            return f"{self._place(location)}{colon}{name}"
        return target

    def _tell(self, path: tuple[object, ...], what: str) -> None:
        self._problems.append((self._lines.of(path), f"{_dotted(path)}: {what}" if path else what))

    def _take(
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
                message = f"there is no such thing; there are: {', '.join(known)}"
                close = get_close_matches(str(path[-1]), known, n=1)
                message += f" (did you mean {close[0]}?)" if close else ""
            elif kind == "missing":
                path, message = path[:-1], f"it needs {path[-1]}"
            elif path:
                message = message.replace("Input should", "it should", 1).partition(" or inst")[0]
                message = f"{message[:1].lower()}{message[1:]}"
            self._tell(path, message)

    def _error(self) -> ConfigError:
        told = [f"line {line}: {what}" for line, what in dict.fromkeys(sorted(self._problems))]
        head = f"{self._path}, " if len(told) == 1 else f"{self._path} has mistakes:\n  "
        return ConfigError(
            head + "\n  ".join(told) + ("." if len(told) == 1 else ""),
            hint="Nothing was started. What a file may say: tamias up --help.",
        )


def _names(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


def _model_at(path: tuple[object, ...]) -> type[BaseModel]:
    """The model that lacks what the path leads to."""
    models: dict[int, type[BaseModel]] = {1: FileContent, 3: AgentEntry}
    return models.get(len(path), ServeEntry)


def _dotted(path: tuple[object, ...]) -> str:
    return ".".join(map(str, path))
